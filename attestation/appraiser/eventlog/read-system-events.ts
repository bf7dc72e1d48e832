/**
 * What a dstack guest measured about itself before it handed over to the app: the RTMR3 events before `system-ready`.
 *
 * Events after it belong to the app, which may emit any name it likes, so they never count as system data; and before
 * it each kind may occur once, since readers that take the last and readers that take the first must agree.
 *
 * @module
 */
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import type { RuntimeEvent } from './parse-event-log.ts'

const SYSTEM_READY = 'system-ready'
const UNIQUE_EVENTS: ReadonlySet<string> = new Set([
  'app-id',
  'compose-hash',
  'instance-id',
  'key-provider',
  'os-image-hash',
  'mr-kms',
])
const APP_ID_BYTES = 20
const INSTANCE_ID_BYTES = 20
const SHA256_BYTES = 32

export interface KeyProvider {
  /** `kms`, `local-sgx`, `tpm` or `none`. */
  readonly name: string
  /** For a KMS: hex of the SubjectPublicKeyInfo of its root certificate's key. */
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
  const parsed = parseJson(payload)
  if (!parsed.ok || !isJsonObject(parsed.value)) return false
  const name = parsed.value['name']
  const id = parsed.value['id']
  if (typeof name !== 'string' || typeof id !== 'string') return false
  return { name, id }
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
  for (const { name, payload } of events.slice(0, ready)) {
    // Digest version 1 does not tell "a" ‖ ":b" from "a:b": with such names a system event could be hidden.
    if (name.includes(':')) return refuse('event_name_ambiguous', name.slice(0, 64))
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
  const osImageHash = found.get('os-image-hash') ?? null
  if (osImageHash !== null && osImageHash.length !== SHA256_BYTES) {
    return refuse('system_event_malformed', 'os-image-hash')
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
    },
  }
}
