/**
 * What a dstack guest measured about itself before it handed over to the app: the RTMR3 events before `system-ready`.
 *
 * Events after it belong to the app, which may emit any name it likes, so they never count as system data; and before
 * it each kind may occur once, since readers that take the last and readers that take the first must agree.
 *
 * @module
 */
import { fromHex } from '../../protocol/hex.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import type { RuntimeEvent } from './parse-event-log.ts'

const SYSTEM_READY = 'system-ready'
/** Written at most once before `system-ready` by every release from 0.3 to the branch for 0.6. */
const UNIQUE_EVENTS: ReadonlySet<string> = new Set([
  ...['system-preparing', 'app-id', 'compose-hash', 'instance-id', 'boot-mr-done'],
  ...['key-provider', 'os-image-hash', 'mr-kms', 'rootfs-hash', 'ca-cert-hash', 'storage-fs'],
  ...['gpu-policy-hash', 'gpu-attestation'],
])
/** One for each script, in the order in which they ran. */
const INIT_SCRIPT_EVENT = 'init-script-hash'
/** As many as a guest runs. */
const MAX_INIT_SCRIPTS = 5
const APP_ID_BYTES = 20
const INSTANCE_ID_BYTES = 20
const SHA256_BYTES = 32
const MAX_KEY_PROVIDER_BYTES = 4096
const PROVIDER_NAME = /^[a-z0-9-]{1,32}$/

export interface KeyProvider {
  /** `kms`, `local-sgx`, `tpm` or `none`. */
  readonly name: string
  /** Lower-case hex. Of a KMS: the SubjectPublicKeyInfo of its root certificate's key. Empty where there is none. */
  readonly id: string
}

export interface SystemIdentity {
  /** SHA-256 of the raw compose text, 32 bytes. */
  readonly composeHash: Uint8Array
  /** 20 bytes. */
  readonly appId: Uint8Array
  /** 20 bytes, or null where the app has none. */
  readonly instanceId: Uint8Array | null
  readonly keyProvider: KeyProvider | null
  /** 32 bytes; the guest's own word, worth what the image that runs is worth. */
  readonly osImageHash: Uint8Array | null
  /** 32 bytes; dstack 0.6 and newer. */
  readonly gpuPolicyHash: Uint8Array | null
  /** 32 bytes each, in the order in which the scripts ran. */
  readonly initScriptHashes: readonly Uint8Array[]
}

export type SystemEventsResult =
  | { readonly ok: true; readonly system: SystemIdentity }
  | {
      readonly ok: false
      readonly code:
        | 'event_name_ambiguous'
        | 'system_event_duplicate'
        | 'system_event_missing'
        | 'system_event_malformed'
        | 'system_ready_missing'
      readonly detail: string
    }

function refuse(
  code: Extract<SystemEventsResult, { ok: false }>['code'],
  detail: string,
): SystemEventsResult {
  return { ok: false, code, detail }
}

/** @returns false where the payload is not what the guest writes */
function parseKeyProvider(payload: Uint8Array): KeyProvider | false {
  if (payload.length > MAX_KEY_PROVIDER_BYTES) return false
  const parsed = parseJson(payload)
  if (!parsed.ok || !isJsonObject(parsed.value)) return false
  const { name, id, ...rest } = parsed.value
  if (typeof name !== 'string' || !PROVIDER_NAME.test(name)) return false
  if (typeof id !== 'string' || fromHex(id) === null) return false
  return Object.keys(rest).length === 0 ? { name, id } : false
}

/** The digest in an event that may be absent; false where it is something else. */
function digestOf(payload: Uint8Array | undefined): Uint8Array | null | false {
  if (payload === undefined) return null
  return payload.length === SHA256_BYTES ? payload : false
}

/**
 * Reads the system's identity from RTMR3 events whose replay was verified.
 *
 * @param events the RTMR3 events in log order
 */
export function readSystemEvents(events: readonly RuntimeEvent[]): SystemEventsResult {
  const ready = events.findIndex(({ name }) => name === SYSTEM_READY)
  if (ready === -1) return refuse('system_ready_missing', '')
  const found = new Map<string, Uint8Array>()
  const initScriptHashes: Uint8Array[] = []
  for (const { name, payload } of events.slice(0, ready)) {
    // Digest version 1 does not tell "a" ‖ ":b" from "a:b": with such names a system event could be hidden.
    if (name.includes(':')) return refuse('event_name_ambiguous', name.slice(0, 64))
    if (name === INIT_SCRIPT_EVENT) initScriptHashes.push(payload)
    if (!UNIQUE_EVENTS.has(name)) continue
    if (found.has(name)) return refuse('system_event_duplicate', name)
    found.set(name, payload)
  }
  const composeHash = found.get('compose-hash')
  const appId = found.get('app-id')
  if (composeHash === undefined) return refuse('system_event_missing', 'compose-hash')
  if (appId === undefined) return refuse('system_event_missing', 'app-id')
  if (composeHash.length !== SHA256_BYTES) return refuse('system_event_malformed', 'compose-hash')
  if (appId.length !== APP_ID_BYTES) return refuse('system_event_malformed', 'app-id')
  const instanceId = found.get('instance-id') ?? new Uint8Array(0)
  if (instanceId.length !== 0 && instanceId.length !== INSTANCE_ID_BYTES) {
    return refuse('system_event_malformed', 'instance-id')
  }
  const osImageHash = digestOf(found.get('os-image-hash'))
  if (osImageHash === false) return refuse('system_event_malformed', 'os-image-hash')
  const gpuPolicyHash = digestOf(found.get('gpu-policy-hash'))
  if (gpuPolicyHash === false) return refuse('system_event_malformed', 'gpu-policy-hash')
  if (
    initScriptHashes.length > MAX_INIT_SCRIPTS ||
    initScriptHashes.some(({ length }) => length !== SHA256_BYTES)
  ) {
    return refuse('system_event_malformed', INIT_SCRIPT_EVENT)
  }
  const providerPayload = found.get('key-provider')
  const keyProvider = providerPayload === undefined ? null : parseKeyProvider(providerPayload)
  if (keyProvider === false) return refuse('system_event_malformed', 'key-provider')
  return {
    ok: true,
    system: {
      composeHash,
      appId,
      instanceId: instanceId.length === 0 ? null : instanceId,
      keyProvider,
      osImageHash,
      gpuPolicyHash,
      initScriptHashes,
    },
  }
}
