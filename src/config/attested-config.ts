/**
 * The configuration as it is attested: everything a relying party may want to know or to diff, no secret.
 *
 * @module
 */
import type { Platform } from '../../attestation/attester/evidence-source.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { WEIGHTS_LABEL } from '../../attestation/protocol/weights-digest.ts'
import type { AddressKeySource } from '../../enclave/keys/key-providers.ts'
import { TILE_LEAVES } from '../../enclave/log/leaf-keeper.ts'
import type { PrincipalConfig } from '../relay/principals.ts'
import type { Weights } from '../weights/measure-weights.ts'
import { openDoors } from '../routes/open-doors.ts'
import { attestedGate } from './attested-gate.ts'
import { limitsOf } from './config.ts'
import type { Config } from './config.ts'

export interface AttestedFacts {
  readonly version: string
  readonly simulated: boolean
  readonly platform: Platform
  readonly addressKeySource: AddressKeySource
  /** 0 unless sealed. */
  readonly addressKeyGeneration: number
  readonly gpuRequired: number
  /** Collateral is served with the evidence. */
  readonly stapled: boolean
  readonly principals: readonly PrincipalConfig[]
  /** What the folder of weights held at start; null where none is configured. */
  readonly weights: Weights | null
}

/** Served as `config` in the document; its JCS is what `config_digest` is of. Fixed for the boot. */
export function attestedConfig(config: Config, facts: AttestedFacts): JsonObject {
  const principals = new Map(facts.principals.map(({ name, relay }) => [name, { name, relay }]))
  return {
    version: facts.version,
    simulation: facts.simulated,
    platform: facts.platform,
    // Who sees requests on their way: everybody between here and where plain HTTP is spoken.
    listeners: {
      plain_http: config.listen === null ? null : { ...config.listen },
      tls: config.tls === null ? null : { ...config.tls, names: [...config.tls.names] },
    },
    upstreams: config.upstreams.map(({ name, urls, models, health }) => ({
      name,
      urls: [...urls],
      models: [...models],
      health,
    })),
    allow_remote_upstream: config.allow_remote_upstream,
    // An address that is expected is one that this service refuses to replace: docs/keys.md.
    address_key: {
      source: facts.addressKeySource,
      generation: facts.addressKeyGeneration,
      expected: config.expect_address ?? null,
    },
    keyset_days: config.keyset_days,
    gpu: {
      required: facts.gpuRequired,
      nvswitches: config.gpu?.nvswitches ?? 0,
      ...(config.gpu?.nvattest === undefined ? {} : { nvattest: config.gpu.nvattest }),
    },
    // The label is part of it: a folder was measured here, and what a model server loaded was not.
    weights:
      facts.weights === null
        ? null
        : {
            label: WEIGHTS_LABEL,
            digest: facts.weights.digest,
            files: facts.weights.files,
            bytes: facts.weights.bytes,
          },
    // Neither proxy nor CA: the first may hold a password, and both stand between services whose documents are signed.
    collateral: {
      stapled: facts.stapled,
      intel: config.collateral.intel,
      rim: config.collateral.rim,
      ocsp: config.collateral.ocsp,
    },
    gate: attestedGate(limitsOf(config).gateMs),
    doors: openDoors(config.doors, facts.platform),
    principals: [...principals.values()],
    legacy_text: 'two-part',
    // Each that is made is named in the record of its request. ACI's constraints are for the service itself.
    rewrites: { aci_constraints: true, ...config.rewrites },
    reject_members: [...config.reject_members],
    stateful_requests: config.stateful_requests,
    logging: { content: false, requests: config.logging.requests },
    metrics: config.metrics === null ? null : { ...config.metrics },
    store: config.store === null ? null : { ...config.store },
    // A head's size is a whole number of units, but for the first.
    log: config.log === null ? null : { ...config.log, unit: TILE_LEAVES },
    limits: { ...limitsOf(config) },
  }
}
