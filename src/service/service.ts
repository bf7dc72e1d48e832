/**
 * What a service is put together from, and what holds it when it runs.
 *
 * @module
 */
import type {
  CpuEvidenceSource,
  GpuEvidenceSource,
} from '../../attestation/attester/evidence-source.ts'
import type { Stapler } from '../../attestation/collateral/staple/create-stapler.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { AddressKey } from '../../enclave/keys/address-key.ts'
import type { BootKeys } from '../../enclave/keys/boot-keys.ts'
import type { TlsKey } from '../../enclave/keys/tls-key.ts'
import type { BootLog } from '../../enclave/log/boot-log.ts'
import type { Config } from '../config/config.ts'
import type { ServiceLog } from '../operations/open-log.ts'
import type { PrincipalConfig } from '../relay/principals.ts'
import type { Weights } from '../weights/measure-weights.ts'
import type { Gate } from './gate.ts'
import type { Bound } from './listen.ts'
import type { StoreSource } from './open-receipts.ts'

export interface ServiceParts {
  readonly config: Config
  readonly principals: readonly PrincipalConfig[]
  readonly cpu: CpuEvidenceSource
  readonly gpu: GpuEvidenceSource | null
  readonly gpuRequired: number
  readonly address: AddressKey
  /** From the guest agent, where the configuration asks for it; default: one made here. */
  readonly tlsKey?: TlsKey | null
  readonly simulated: boolean
  /** What the folder of weights held; null where none is configured. */
  readonly weights: Weights | null
  readonly log: ServiceLog
  /** Lines that the log threw away; for the metrics. */
  readonly logLinesDropped?: () => number
  /** Judges the service's own document before it serves, and on a schedule. */
  readonly gate: Gate
  /** Gets the collateral that is served with the evidence, and is closed with the service; without it none is promised. */
  readonly stapler?: Stapler | null
  /** Where receipts are kept, or what opens it for this boot; in memory by default. */
  readonly store?: StoreSource
  /** Unix milliseconds. */
  readonly nowMs?: () => number
  /** Script of the threads that read large bodies; default: the one that was built with this module. */
  readonly bodyWorker?: URL
}

export interface Service {
  /** Of plain HTTP where that is served, else of TLS. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly tls: Bound | null
  readonly keys: BootKeys
  readonly config: JsonObject
  /** The log of records; null where the configuration says that there is none. */
  readonly records: BootLog | null
  /** Where health and metrics are served; null where the configuration says nowhere. */
  readonly operations: Bound | null
  /** Resolves when the gate was passed; stays open while it is not. */
  readonly ready: Promise<void>
  /** Says in readiness that the service leaves, and goes on serving: the time for balancers to notice. */
  leave(): void
  /** Stops taking requests, lets open ones finish within their time, closes. */
  close(): Promise<void>
}
