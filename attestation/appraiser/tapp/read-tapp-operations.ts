/**
 * What TAPP measured of its own operations: entries of the domain `tapp.0g.com`, whose content is JSON (0g-tapp 0.4 to 0.9,
 * `src/measurement_service.rs` and `src/boot`, read 2026-11-27).
 *
 * Strict where an operation decides what runs. One that is not known is not passed over: a later TAPP may change the app with it.
 *
 * @module
 */
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'
import type { JsonObject, JsonValue } from '../../protocol/json.ts'
import type { AgentEntry } from './replay-tcg2-log.ts'

const DOMAIN = 'tapp.0g.com'
/** Files or services of one app. */
const MAX_NAMES = 1024
const MAX_TEXT = 4096
const SHA384_HEX = /^[0-9a-f]{96}$/

/** Software as TAPP measured it. */
export interface MeasuredApp {
  readonly appId: string
  /** Lower-case hex, SHA-384 of the compose text's normal form. */
  readonly composeHash: string
  /** Lower-case hex by path of each mounted file. */
  readonly files: ReadonlyMap<string, string>
  /** `sha256:…` by service; empty where the start failed. */
  readonly images: ReadonlyMap<string, string>
}

export type TappOperation =
  | { readonly kind: 'start'; readonly succeeded: boolean; readonly app: MeasuredApp }
  | { readonly kind: 'stop'; readonly succeeded: boolean; readonly appId: string }
  | {
      readonly kind: 'service'
      readonly succeeded: boolean
      readonly appId: string
      readonly images: ReadonlyMap<string, string>
    }
  | { readonly kind: 'claim'; readonly owner: string; readonly shown: string }
  | { readonly kind: 'anchors'; readonly shown: string }
  | { readonly kind: 'other' }

export type OperationsResult =
  | { readonly ok: true; readonly operations: readonly TappOperation[] }
  | {
      readonly ok: false
      readonly code: 'tapp_event_malformed' | 'tapp_operation_unknown'
      readonly detail: string
    }

/** None of them starts or stops anything. */
const HARMLESS: ReadonlySet<string> = new Set([
  ...['get_app_secret_key', 'get_secret_resource', 'add_to_whitelist', 'remove_from_whitelist'],
  ...['withdraw_balance', 'docker_login', 'docker_logout', 'provision_data_disk'],
])

const READ: ReadonlySet<string> = new Set([
  ...['start_app', 'stop_app', 'start_service', 'stop_service'],
  ...['claim_config', 'update_trust_anchors'],
])

const isShort = (value: JsonValue | undefined): value is string =>
  typeof value === 'string' && value.length <= MAX_TEXT

function textsOf(value: JsonValue | undefined): ReadonlyMap<string, string> | null {
  if (!isJsonObject(value)) return null
  const texts = new Map<string, string>()
  for (const [name, text] of Object.entries(value)) {
    if (!isShort(text) || name.length > MAX_TEXT || texts.size === MAX_NAMES) return null
    texts.set(name, text)
  }
  return texts
}

/** @returns null where it is neither */
function succeededOf(payload: JsonObject): boolean | null {
  const result = payload['result']
  return result === 'success' ? true : result === 'failed' ? false : null
}

function readStart(payload: JsonObject): TappOperation | null {
  const { app_id: appId, compose_hash: composeHash, operation } = payload
  const succeeded = succeededOf(payload)
  const files = textsOf(payload['volumes_hash'])
  const images = textsOf(payload['image_hash'])
  if (!isShort(appId) || operation !== 'start_app' || succeeded === null) return null
  if (!isShort(composeHash) || !SHA384_HEX.test(composeHash)) return null
  if (files === null || images === null) return null
  if ([...files.values()].some((digest) => !SHA384_HEX.test(digest))) return null
  return { kind: 'start', succeeded, app: { appId, composeHash, files, images } }
}

function readOperation(name: string, payload: JsonObject): TappOperation | null {
  const appId = payload['app_id']
  const succeeded = succeededOf(payload)
  switch (name) {
    case 'start_app':
      return readStart(payload)
    case 'stop_app':
      return isShort(appId) && succeeded !== null ? { kind: 'stop', succeeded, appId } : null
    case 'start_service': {
      const images = textsOf(payload['image_hash'])
      return isShort(appId) && succeeded !== null && images !== null
        ? { kind: 'service', succeeded, appId, images }
        : null
    }
    // A service that is stopped does not answer; the others of the app are those that were measured.
    case 'stop_service':
      return isShort(appId) && succeeded !== null ? { kind: 'other' } : null
    case 'claim_config': {
      const owner = payload['owner']
      return isShort(owner)
        ? { kind: 'claim', owner: owner.toLowerCase(), shown: shownOf(payload) }
        : null
    }
    case 'update_trust_anchors':
      return { kind: 'anchors', shown: shownOf(payload) }
    default:
      return null
  }
}

const MAX_SHOWN = 512
/** Without control and formatting characters: it is somebody else's text, and a person reads it. */
function shownOf(payload: JsonObject): string {
  const { operation: _operation, timestamp: _timestamp, ...rest } = payload
  return JSON.stringify(rest)
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, MAX_SHOWN)
}

/** @param entries of a log that was replayed under a genuine quote, in its order */
export function readTappOperations(entries: readonly AgentEntry[]): OperationsResult {
  const operations: TappOperation[] = []
  for (const { position, domain, operation, content } of entries) {
    if (domain !== DOMAIN) continue
    const detail = `event ${position}`
    if (HARMLESS.has(operation)) continue
    if (!READ.has(operation)) return { ok: false, code: 'tapp_operation_unknown', detail }
    const parsed = parseJsonText(content)
    const read =
      parsed.ok && isJsonObject(parsed.value) ? readOperation(operation, parsed.value) : null
    if (read === null) return { ok: false, code: 'tapp_event_malformed', detail }
    operations.push(read)
  }
  return { ok: true, operations }
}
