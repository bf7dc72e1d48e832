/**
 * The attestation document of docs/protocol.md §5, from bytes to a typed value.
 *
 * Exactly the members of version 1: one that is not known here could mean something to somebody else.
 *
 * @module
 */
import { decodeBase64 } from '../../protocol/base64.ts'
import type { Hex32 } from '../../protocol/hex.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import type { JsonObject, JsonValue } from '../../protocol/json.ts'
import { parseKeyset } from '../../protocol/keyset.ts'
import type { Keyset } from '../../protocol/keyset.ts'
import { MAX_NONCE_PATH } from '../../protocol/nonce-tree.ts'
import type { NonceProof } from '../../protocol/nonce-tree.ts'
import type { LogHead } from '../../protocol/statement.ts'
import { MAX_RUNTIME_DATA_BYTES } from '../../protocol/tapp-runtime-data.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { hex32Of, integerOf, listOf, objectOf, textOf, Unreadable } from '../read-members.ts'
import { readKeyCustody } from '../custody/read-key-custody.ts'
import type { KeyCustodyEvidence } from '../custody/read-key-custody.ts'

export const DOCUMENT_VERSION = 'countersign/1'
/** Length of a document in bytes; quote, event log, compose text and sixteen GPUs have room in half of it. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
/** Elements of a list of evidence, collateral or warnings. */
export const MAX_DOCUMENT_LIST = 64
const MAX_LOG_ORIGIN = 256
const MAX_RUNTIME_DATA_BASE64 = Math.ceil(MAX_RUNTIME_DATA_BYTES / 3) * 4
/** `0x` and 65 bytes in hex. */
const MAX_SIGNATURE_CHARACTERS = 132
/** Characters of an app id. */
export const MAX_TAPP_APP_ID = 256

export interface TappMember {
  /** As the app was started under. */
  readonly appId: string
  /** Bytes as TAPP wrote them. */
  readonly runtimeData: Uint8Array
  /** By the app's key of this boot, over the statement; null where there is none. */
  readonly signature: string | null
}

export interface AttestationDocument {
  readonly bootId: Hex32
  readonly round: Hex32
  /** Unix seconds, by the enclave's clock. */
  readonly issuedAt: number
  readonly keyset: Keyset
  readonly config: JsonObject
  readonly log: LogHead | null
  readonly nonce: (NonceProof & { readonly value: Hex32 }) | null
  /** Lower-case hex. */
  readonly quote: string
  /** JSON text. */
  readonly eventLog: string
  /** Raw text. */
  readonly appCompose: string
  /** JSON text. */
  readonly vmConfig: string
  readonly gpu: readonly JsonValue[] | null
  readonly collateral: readonly JsonValue[] | null
  readonly keyCustody: KeyCustodyEvidence | null
  /** What only a node that 0G's TAPP started has: the event log is then TAPP's, and the quote is over this text. */
  readonly tapp: TappMember | null
  readonly warnings: readonly { readonly code: string; readonly detail: string }[]
}

export type DocumentResult =
  | { readonly ok: true; readonly document: AttestationDocument }
  | {
      readonly ok: false
      readonly code: 'document_malformed' | 'document_unsupported'
      readonly detail: string
    }

const evidenceText = (value: unknown, what: string): string =>
  textOf(value, what, MAX_DOCUMENT_BYTES)

function readNonce(value: unknown): AttestationDocument['nonce'] {
  if (value === null) return null
  const nonce = objectOf(value, 'nonce', ['value', 'index', 'tree_size', 'path'])
  return {
    value: hex32Of(nonce['value'], 'nonce.value'),
    index: integerOf(nonce['index'], 'nonce.index'),
    tree_size: integerOf(nonce['tree_size'], 'nonce.tree_size'),
    path: listOf(nonce['path'], 'nonce.path', MAX_NONCE_PATH).map((step) =>
      hex32Of(step, 'a step of nonce.path'),
    ),
  }
}

function readLog(value: unknown): LogHead | null {
  if (value === null) return null
  const log = objectOf(value, 'log', ['origin', 'root', 'size'])
  return {
    origin: textOf(log['origin'], 'log.origin', MAX_LOG_ORIGIN),
    root: hex32Of(log['root'], 'log.root'),
    size: integerOf(log['size'], 'log.size'),
  }
}

function readTapp(value: unknown): TappMember | null {
  if (value === undefined) return null
  const tapp = objectOf(value, 'evidence.tapp', ['app_id', 'runtime_data'], ['signature'])
  const appId = textOf(tapp['app_id'], 'evidence.tapp.app_id', MAX_TAPP_APP_ID)
  if (appId === '') throw new Unreadable('evidence.tapp.app_id is empty')
  const text = textOf(tapp['runtime_data'], 'evidence.tapp.runtime_data', MAX_RUNTIME_DATA_BASE64)
  const runtimeData = decodeBase64(text)
  if (runtimeData === null) throw new Unreadable('evidence.tapp.runtime_data is not base64')
  const signature = tapp['signature']
  return {
    appId,
    runtimeData,
    signature:
      signature === undefined
        ? null
        : textOf(signature, 'evidence.tapp.signature', MAX_SIGNATURE_CHARACTERS),
  }
}

const DOCUMENT_MEMBERS = [
  ...['api_version', 'boot_id', 'round', 'issued_at', 'keyset', 'config', 'log', 'nonce'],
  ...['evidence', 'warnings'],
]
const EVIDENCE_MEMBERS = [
  ...['tee_type', 'quote', 'event_log', 'vm_config', 'app_compose', 'gpu', 'collateral'],
  'key_custody',
]

function readDocument(value: JsonValue): AttestationDocument {
  if (isJsonObject(value) && value['api_version'] !== DOCUMENT_VERSION) {
    throw typeof value['api_version'] === 'string'
      ? new Unreadable(`version ${value['api_version'].slice(0, 64)}`, 'unsupported')
      : new Unreadable('the document has no version')
  }
  const document = objectOf(value, 'the document', DOCUMENT_MEMBERS)
  const evidence = objectOf(document['evidence'], 'evidence', EVIDENCE_MEMBERS, ['tapp'])
  const teeType = textOf(evidence['tee_type'], 'evidence.tee_type', 32)
  if (teeType !== 'tdx') throw new Unreadable(`enclave type ${teeType}`, 'unsupported')
  const keyset = parseKeyset(document['keyset'])
  if (!keyset.ok) throw new Unreadable(keyset.detail)
  const tapp = readTapp(evidence['tapp'])
  // TAPP has neither, and what no rule reads must not be there for somebody else to read.
  if (tapp !== null && (evidence['vm_config'] !== '{}' || evidence['key_custody'] !== null)) {
    throw new Unreadable('vm_config or key_custody beside evidence.tapp')
  }
  const config = document['config']
  if (!isJsonObject(config)) throw new Unreadable('config is not an object')
  const gpu = evidence['gpu']
  const collateral = evidence['collateral']
  return {
    bootId: hex32Of(document['boot_id'], 'boot_id'),
    round: hex32Of(document['round'], 'round'),
    issuedAt: integerOf(document['issued_at'], 'issued_at'),
    keyset: keyset.keyset,
    config,
    log: readLog(document['log']),
    nonce: readNonce(document['nonce']),
    quote: evidenceText(evidence['quote'], 'evidence.quote'),
    eventLog: evidenceText(evidence['event_log'], 'evidence.event_log'),
    appCompose: evidenceText(evidence['app_compose'], 'evidence.app_compose'),
    vmConfig: evidenceText(evidence['vm_config'], 'evidence.vm_config'),
    gpu: gpu === null ? null : listOf(gpu, 'evidence.gpu', MAX_DOCUMENT_LIST),
    collateral:
      collateral === null ? null : listOf(collateral, 'evidence.collateral', MAX_DOCUMENT_LIST),
    keyCustody: readKeyCustody(evidence['key_custody']),
    tapp,
    warnings: listOf(document['warnings'], 'warnings', MAX_DOCUMENT_LIST).map((item) => {
      const warning = objectOf(item, 'a warning', ['code', 'detail'])
      return {
        code: textOf(warning['code'], 'warnings.code', 64),
        detail: textOf(warning['detail'], 'warnings.detail', 1024),
      }
    }),
  }
}

/** Parses one document. Never throws. */
export function parseDocument(bytes: Uint8Array): DocumentResult {
  const malformed = (detail: string): DocumentResult => ({
    ok: false,
    code: 'document_malformed',
    detail,
  })
  if (bytes.length > MAX_DOCUMENT_BYTES) return malformed(`longer than ${MAX_DOCUMENT_BYTES} bytes`)
  const parsed = parseJson(bytes)
  if (!parsed.ok) return malformed(`not strict JSON: ${parsed.fault}`)
  try {
    return { ok: true, document: readDocument(parsed.value) }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { ok: false, code: `document_${error.kind}`, detail: error.message }
  }
}

/**
 * Takes a document out of `{"document": "<its exact text>"}`, the form in which intermediaries cannot change it.
 *
 * @returns the bytes as they are where they have another form
 */
export function unwrapDocument(bytes: Uint8Array): Uint8Array {
  // The text inside is written with escapes: up to two bytes for one.
  if (bytes.length > 2 * MAX_DOCUMENT_BYTES) return bytes
  const parsed = parseJson(bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) return bytes
  const inner = parsed.value['document']
  return typeof inner === 'string' ? toUtf8(inner) : bytes
}
