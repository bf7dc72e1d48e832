/**
 * One boot with published keys, one exchange, and its receipt in every encoding: what the vectors are bent from.
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { contentKindOf, contentOfBody } from '../../attestation/protocol/content-kinds.ts'
import { contentDigest } from '../../attestation/protocol/content.ts'
import { toHex, toHex32, toSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import { canonicalize } from '../../attestation/protocol/jcs.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { keysetDigest } from '../../attestation/protocol/keyset.ts'
import type { Keyset } from '../../attestation/protocol/keyset.ts'
import { fullReceipt, receiptView } from '../../attestation/protocol/receipt.ts'
import { bodiesCommitment, recordHash } from '../../attestation/protocol/record.ts'
import type { BodyHashes, ReceiptRecord } from '../../attestation/protocol/record.ts'
import { requestMembers } from '../../attestation/protocol/request-members.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { createEd25519Signer } from '../../enclave/keys/ed25519-signer.ts'
import type { Ed25519Signer } from '../../enclave/keys/ed25519-signer.ts'
import { coseReceipt } from '../../enclave/receipts/cose-receipt.ts'

export const AT = 1_790_000_200
export const SERVED_AT = 1_790_000_100
export const NOT_AFTER = 1_792_000_000
export const CHALLENGE = 'Y2hhbGxlbmdlLW9mLTIyLWJ5dGVz'
export const ENDPOINT = '/v1/chat/completions'

/** Secrets that everybody knows. */
function signer(byte: number): Ed25519Signer {
  return createEd25519Signer(Buffer.alloc(32, byte))
}

export const KEYS = Object.freeze({
  receipt: signer(0x21),
  legacy: signer(0x22),
  log: signer(0x23),
  cose: signer(0x24),
  /** In no keyset. */
  stranger: signer(0x31),
})

export function keysetOf(notAfter: number, keys: Partial<typeof KEYS> = KEYS): Keyset {
  const entry = (id: string, algo: string, key: Ed25519Signer | undefined) =>
    key === undefined ? [] : [{ key_id: id, algo, public_key: toHex(key.publicKey) }]
  return {
    subject: 'dstack-app://vector',
    not_after: notAfter,
    receipt_signing_keys: [
      ...entry('receipt-1', 'ed25519', keys.receipt),
      ...entry('legacy-1', 'countersign-legacy-ed25519', keys.legacy),
      ...entry('log-1', 'countersign-log-ed25519', keys.log),
      ...entry('cose-1', 'countersign-cose-ed25519', keys.cose),
    ],
    e2ee_public_keys: [],
    tls_public_keys: [],
  }
}

export const KEYSET = keysetOf(NOT_AFTER)
export const BOOT_ID = toHex32(new Uint8Array(32).fill(0xb0))
export const OPENING = new Uint8Array(32).fill(0x0e)
const digestOf = (text: string): Sha256Digest => toSha256Digest(nodeCrypto.sha256(toUtf8(text)))
export const CONFIG_DIGEST = digestOf('configuration')

export const REQUEST =
  '{"messages":[{"content":"What is 2+2?","role":"user"}],"model":"demo","seed":7,"temperature":0.5}'
export const RESPONSE =
  '{"id":"chatcmpl-1","object":"chat.completion","created":1790000100,"model":"demo-v2","choices":[{"index":0,' +
  '"message":{"role":"assistant","content":"4"},"finish_reason":"stop"}],' +
  '"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":13}}'

export function objectOf(text: string): JsonObject {
  const parsed = parseJsonText(text)
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new TypeError('not an object')
  return parsed.value
}

export const BODIES: BodyHashes = Object.freeze({
  received: digestOf(REQUEST),
  forwarded: digestOf(REQUEST),
  returned: digestOf(RESPONSE),
})

/** Of a chat answer in one piece. */
export function contentOf(
  response: string,
): Pick<ReceiptRecord, 'content_digest' | 'content_status' | 'content_uncovered'> {
  const kind = contentKindOf(ENDPOINT)
  if (kind === null) throw new TypeError('the endpoint has no kind of content')
  const { content, status, uncovered } = contentOfBody(kind, objectOf(response), nodeCrypto)
  return {
    content_digest: content === null ? null : contentDigest(content, OPENING, nodeCrypto),
    content_status: status,
    content_uncovered: uncovered,
  }
}

/** The record of the exchange. */
export const RECORD: ReceiptRecord = Object.freeze({
  backend: 'vllm-0',
  bodies: bodiesCommitment(BODIES, OPENING, nodeCrypto),
  boot_id: BOOT_ID,
  challenge: CHALLENGE,
  chat_id: 'chatcmpl-1',
  config_digest: CONFIG_DIGEST,
  content_kind: 'chat/v1' as const,
  ...contentOf(RESPONSE),
  endpoint: ENDPOINT,
  finish_reasons: ['stop'],
  keyset_digest: keysetDigest(KEYSET, nodeCrypto),
  members: requestMembers(objectOf(REQUEST), OPENING, nodeCrypto),
  method: 'POST',
  model_requested: 'demo',
  model_served: 'demo-v2',
  outcome: 'complete' as const,
  purpose: 'countersign.record.v1' as const,
  receipt_id: 'rcpt-00000000000000000000000000000001',
  response_bytes: RESPONSE.length,
  sequence: 1,
  served_at: SERVED_AT,
  status: 200,
  usage: { completion_tokens: 1, prompt_tokens: 12, total_tokens: 13 },
})

export interface Issue {
  readonly record?: ReceiptRecord
  readonly bodies?: BodyHashes | null
  readonly whole?: boolean
  readonly hash?: Sha256Digest
  readonly signer?: Ed25519Signer
  readonly keyId?: string
}

const hashOf = (record: ReceiptRecord): Sha256Digest => recordHash(record, nodeCrypto)

/** An ACI receipt, or with `bodies` null its view. */
export function aciReceipt(issue: Issue = {}): string {
  const { record = RECORD, bodies = BODIES, whole = true, keyId = 'receipt-1' } = issue
  const hash = issue.hash ?? hashOf(record)
  const text =
    bodies === null
      ? receiptView(record, hash, keyId)
      : fullReceipt(record, hash, bodies, { whole }, keyId)
  const signature = (issue.signer ?? KEYS.receipt).sign(toUtf8(text.signed))
  return text.withSignature(toHex(signature))
}

/** The same as COSE_Sign1. */
export function coseMessage(issue: Issue = {}): Uint8Array {
  const { record = RECORD, bodies = BODIES, whole = true, keyId = 'cose-1' } = issue
  return coseReceipt(
    {
      record,
      recordHash: issue.hash ?? hashOf(record),
      bodies: bodies === null ? null : { ...bodies, whole },
      keyId,
    },
    issue.signer ?? KEYS.cose,
  )
}

/** Changes the parsed receipt and signs it anew, as only the enclave could. */
export function resigned(
  text: string,
  change: (top: Record<string, unknown>, events: Record<string, unknown>[]) => void,
): string {
  const top = JSON.parse(text) as Record<string, unknown>
  change(top, top['event_log'] as Record<string, unknown>[])
  delete top['signature']
  const signature = toHex(KEYS.receipt.sign(toUtf8(canonicalize(top))))
  return canonicalize({ ...top, signature })
}

export interface Evidence {
  /** Text of an ACI receipt, bytes of a COSE_Sign1, or both. */
  readonly receipt: string | Uint8Array | { readonly aci: string; readonly cose: Uint8Array }
  readonly more?: Readonly<Record<string, unknown>>
}

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64')

/** What a user who asked {@link REQUEST} and got {@link RESPONSE} knows: everything. */
export const EXPECTED = Object.freeze({
  opening: toHex(OPENING),
  request: base64(REQUEST),
  response: base64(RESPONSE),
  challenge: CHALLENGE,
  receipt_id: RECORD.receipt_id,
  endpoint: ENDPOINT,
  level: 'bytes',
})

function shown(receipt: Evidence['receipt']): string | object {
  if (typeof receipt === 'string') return receipt
  if (receipt instanceof Uint8Array) return { cose: base64(receipt) }
  return { aci: receipt.aci, cose: base64(receipt.cose) }
}

/** The input of the command; a member that is undefined in `more` is left out. */
export function inputOf({ receipt, more = {} }: Evidence): object {
  return {
    receipt: shown(receipt),
    keyset: KEYSET,
    boot_id: BOOT_ID,
    config_digest: CONFIG_DIGEST,
    at: AT,
    ...EXPECTED,
    ...more,
  }
}

export { base64, digestOf, hashOf }
