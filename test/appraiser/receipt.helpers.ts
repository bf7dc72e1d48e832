import { attestContent } from '../../enclave/receipts/attest-content.ts'
import { toHex, toSha256Digest } from '../../attestation/protocol/hex.ts'
import { requestMembers } from '../../attestation/protocol/request-members.ts'
import { createHash, randomBytes } from 'node:crypto'
import { verifyReceipt } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type {
  ReceiptOptions,
  ReceiptVerdict,
} from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type { TrustedKeyset } from '../../attestation/appraiser/appraise-document.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { contentOfCompletion } from '../../attestation/protocol/chat-content.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import { canonicalize } from '../../attestation/protocol/jcs.ts'
import { createReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { LegacySignature } from '../../enclave/receipts/legacy-signature.ts'
import type { Exchange } from '../../enclave/receipts/receipt-issuer.ts'
import { createMemoryStore } from '../../enclave/receipts/memory-store.ts'
import { NOW } from './document.helpers.ts'
import type { World } from './document.helpers.ts'

export const CHALLENGE = Buffer.from('a challenge of 32 bytes, at least').toString('base64url')
export const REQUEST = '{"model":"demo","messages":[{"role":"user","content":"2+2?"}],"seed":7}'
export const RESPONSE =
  '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"demo-v2","choices":[{"index":0,' +
  '"message":{"role":"assistant","content":"4"},"finish_reason":"stop"}],' +
  '"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}'

export interface Issued {
  readonly full: string
  readonly view: string
  /** Both as COSE_Sign1. */
  readonly cose: Uint8Array
  readonly coseView: Uint8Array
  readonly opening: Uint8Array
  readonly receiptId: string
  readonly ecdsa: LegacySignature | null
  readonly ed25519: LegacySignature | null
}

export interface IssueOptions {
  readonly request?: string
  readonly response?: string
  readonly challenge?: string | null
  readonly exchange?: Partial<Exchange>
  readonly now?: number
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

export function parsed(text: string): JsonObject {
  const value = parseJsonText(text)
  if (!value.ok || !isJsonObject(value.value)) throw new Error('no object')
  return value.value
}

/** A genuine receipt of the world's boot, for an exchange that the caller may bend. */
export function issue(world: World, options: IssueOptions = {}): Issued {
  const { request = REQUEST, response = RESPONSE } = options
  const store = createMemoryStore()
  const issuer = createReceiptIssuer({
    keys: world.keys,
    configDigest: world.configDigest,
    store,
    now: () => options.now ?? NOW,
  })
  const admission = issuer.admit({
    ownership: { principal: 'alice', relay: false, ownerHash: null },
    challenge: options.challenge === undefined ? CHALLENGE : options.challenge,
    endpoint: '/v1/chat/completions',
    method: 'POST',
  })
  void issuer.settle(admission, {
    outcome: 'complete',
    status: 200,
    backend: 'vllm',
    requestHash: toSha256Digest(sha256(request)),
    forwardedHash: toSha256Digest(sha256(request)),
    responseHash: toSha256Digest(sha256(response)),
    responseBytes: Buffer.byteLength(response),
    whole: true,
    members: requestMembers(parsed(request), admission.salt, nodeCrypto),
    chatId: 'chatcmpl-1',
    modelRequested: 'demo',
    modelServed: 'demo-v2',
    content: attestContent(contentOfCompletion(parsed(response)), admission.salt, nodeCrypto),
    finishReasons: ['stop'],
    usage: { completion_tokens: 1, prompt_tokens: 3, total_tokens: 4 },
    rewrites: [],
    ...options.exchange,
  })
  const stored = store.get(admission.receiptId)
  if (stored === null) throw new Error('not stored')
  return {
    full: issuer.document(stored),
    view: issuer.view(stored),
    cose: issuer.cose(stored, 'full') ?? new Uint8Array(0),
    coseView: issuer.cose(stored, 'view') ?? new Uint8Array(0),
    opening: Uint8Array.from(Buffer.from(issuer.opening(stored), 'hex')),
    receiptId: admission.receiptId,
    ecdsa: issuer.legacy(stored, 'ecdsa'),
    ed25519: issuer.legacy(stored, 'ed25519'),
  }
}

/** Verifies as a user who asked {@link REQUEST} and got {@link RESPONSE}. */
export function check(
  receipt: string | Uint8Array,
  trusted: TrustedKeyset,
  world: World,
  options: Partial<ReceiptOptions> = {},
): ReceiptVerdict {
  return verifyReceipt(receipt, {
    crypto: nodeCrypto,
    at: NOW,
    trusted,
    policy: world.policy,
    ...options,
    expected: {
      endpoint: '/v1/chat/completions',
      challenge: CHALLENGE,
      requestBytes: Buffer.from(REQUEST),
      request: parsed(REQUEST),
      responseBytes: Buffer.from(RESPONSE),
      content: contentOfCompletion(parsed(RESPONSE)),
      model: 'demo-v2',
      requireOutcome: 'complete',
      ...options.expected,
    },
  })
}

/** Changes a receipt and signs it again with the enclave's own key: what only a broken enclave could make. */
export function resign(
  text: string,
  world: World,
  change: (top: Record<string, unknown>, record: Record<string, unknown>) => void,
): string {
  const top = JSON.parse(text) as Record<string, unknown>
  const events = top['event_log'] as Record<string, unknown>[]
  change(top, events.at(-1) ?? {})
  delete top['signature']
  const signature = toHex(world.keys.receipt.sign(Buffer.from(canonicalize(top))))
  return canonicalize({ ...top, signature })
}

/** Changes a receipt and keeps its signature, as anybody on the way can. */
export function bend(
  text: string,
  change: (top: Record<string, unknown>, events: Record<string, unknown>[]) => void,
): string {
  const top = JSON.parse(text) as Record<string, unknown>
  change(top, top['event_log'] as Record<string, unknown>[])
  return canonicalize(top)
}

export function randomOpening(): Uint8Array {
  return Uint8Array.from(randomBytes(32))
}
