import { createHash, randomBytes } from 'node:crypto'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import type {
  Appraisal,
  AppraisalOptions,
  TrustedKeyset,
} from '../../attestation/appraiser/appraise-document.ts'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import type { GpuEvidence } from '../../attestation/attester/evidence-source.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex, toHex32, toSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import { canonicalBytes } from '../../attestation/protocol/jcs.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import type { SimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import type { NvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createAttestor } from '../../enclave/attestation/attestor.ts'
import type { Attestor } from '../../enclave/attestation/attestor.ts'
import {
  ADDRESS_KEY_PATH,
  createAddressKey,
  createEphemeralAddressKey,
} from '../../enclave/keys/address-key.ts'
import { createBootKeys } from '../../enclave/keys/boot-keys.ts'
import type { BootKeys } from '../../enclave/keys/boot-keys.ts'

export const NOW = Math.floor(Date.UTC(2026, 10, 23) / 1000)

export const CONFIG: JsonObject = {
  version: '0.1.0',
  simulation: true,
  upstreams: [{ name: 'vllm', url: 'unix:/run/vllm.sock', models: [] }],
  allow_remote_upstream: false,
  address_key: { source: 'ephemeral', generation: 0 },
  gpu: { required: 2, nvswitches: 0 },
  collateral: { stapled: false },
  log: null,
  doors: [],
}

export interface World {
  readonly guest: SimulatedGuest
  readonly nvidia: NvidiaPki
  readonly keys: BootKeys
  readonly config: JsonObject
  readonly configDigest: Sha256Digest
  readonly attestor: Attestor
  readonly policy: AppraisalPolicy
}

export interface WorldOptions {
  readonly config?: JsonObject
  /** Changes the GPU evidence after the quote has committed to nothing yet. */
  readonly gpu?: (evidence: readonly GpuEvidence[]) => readonly GpuEvidence[]
  readonly withGpu?: boolean
  readonly derivedAddress?: boolean
  readonly keyIdPrefix?: string
  readonly now?: number
  /** Head of the log that statements name. */
  readonly log?: (bootId: Hex32) => LogHead
}

const COMPOSE = '{"docker_compose_file":"services: {}","name":"sim-countersign"}'

/** A whole simulated service but for the HTTP; every world has its own roots and keys. */
export function makeWorld(options: WorldOptions = {}): World {
  const at = options.now ?? NOW
  const now = new Date(at * 1000)
  const guest = createSimulatedGuest({ composeText: COMPOSE, now })
  const nvidia = createNvidiaPki({ now, gpus: 2 })
  const derived = guest.keys.derive({
    path: ADDRESS_KEY_PATH,
    purpose: ADDRESS_KEY_PATH,
    algorithm: 'secp256k1',
  })
  const keys = createBootKeys({
    now: at,
    subject: null,
    simulated: true,
    address:
      options.derivedAddress === true
        ? createAddressKey(
            derived.key,
            { source: 'derived', chain: derived.signatureChain },
            nodeCrypto,
          )
        : createEphemeralAddressKey(nodeCrypto),
    crypto: nodeCrypto,
  })
  const config = options.config ?? CONFIG
  const { log: head } = options
  const configDigest = digestOf(config)
  const attestor = createAttestor({
    keys,
    config,
    configDigest,
    cpu: {
      facts: {
        platform: 'dstack',
        appId: toHex(guest.appId),
        instanceId: toHex(guest.instanceId),
        appCompose: guest.composeText,
        keyProvider: guest.keyProvider,
        tcbInfo: '{}',
        info: '{}',
      },
      quote: (reportData) =>
        Promise.resolve({
          quote: guest.quote(reportData),
          eventLog: guest.quotedEventLog,
          vmConfig: guest.vmConfig,
        }),
    },
    gpu:
      options.withGpu === false
        ? null
        : {
            collect: (nonce) => {
              const evidence = collectSimulatedGpuEvidence(nvidia, nonce)
              return Promise.resolve(options.gpu?.(evidence) ?? evidence)
            },
          },
    log: head === undefined ? null : () => head(keys.bootId),
    nowMs: () => at * 1000,
  })
  const policy: AppraisalPolicy = {
    ...DEFAULT_POLICY,
    allowSimulated: true,
    sgxRoots: [toHex(guest.pki.rootSha256)],
    nvidiaRoots: [toHex(nvidia.rootSha256)],
    kmsRoots:
      options.derivedAddress !== true || guest.keys.kmsRootPublicKey === null
        ? []
        : [toHex(guest.keys.kmsRootPublicKey)],
  }
  return { guest, nvidia, keys, config, configDigest, attestor, policy }
}

export function digestOf(value: unknown): Sha256Digest {
  return toSha256Digest(createHash('sha256').update(canonicalBytes(value)).digest())
}

export function newNonce(): Hex32 {
  return toHex32(randomBytes(32))
}

export function appraise(
  world: World,
  document: string,
  options: Partial<AppraisalOptions> = {},
): Appraisal {
  return appraiseDocument(toUtf8(document), {
    crypto: nodeCrypto,
    at: NOW,
    nonce: null,
    policy: world.policy,
    ...options,
  })
}

/** A genuine document for a fresh nonce, and its appraisal. */
export async function trust(world: World): Promise<TrustedKeyset> {
  const nonce = newNonce()
  const { trusted, verdict } = appraise(world, await world.attestor.document(nonce), { nonce })
  if (trusted === null) throw new Error(verdict.sentence)
  return trusted
}

/** Codes of the failed checks by id. */
export function failures(checks: readonly Check[]): Record<string, string> {
  return Object.fromEntries(
    checks.filter(({ status }) => status === 'fail').map(({ id, code }) => [id, code]),
  )
}

/** Parses, changes and prints a document as an attacker on the way would. */
export function tamper(document: string, change: (value: Draft) => void): string {
  const value = JSON.parse(document) as Draft
  change(value)
  return JSON.stringify(value)
}

/** A document as an attacker holds it: anything goes. */
export interface Draft {
  api_version: unknown
  boot_id: unknown
  round: unknown
  issued_at: unknown
  keyset: Record<string, unknown>
  config: Record<string, unknown>
  log: unknown
  nonce: Record<string, unknown> | null
  evidence: Record<string, unknown>
  warnings: unknown
  [more: string]: unknown
}
