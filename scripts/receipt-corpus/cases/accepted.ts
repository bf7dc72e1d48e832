/** Receipts that must be accepted. */
import { bodiesCommitment } from '../../../attestation/protocol/record.ts'
import type { ReceiptRecord } from '../../../attestation/protocol/record.ts'
import { nodeCrypto } from '../../../attestation/crypto/node.ts'
import { vectorsOf } from '../../corpus/vector.ts'
import type { Vector } from '../../corpus/vector.ts'
import {
  aciReceipt,
  base64,
  BODIES,
  coseMessage,
  digestOf,
  inputOf,
  OPENING,
  RECORD,
  REQUEST,
  RESPONSE,
} from '../world.ts'

const { accepted } = vectorsOf(inputOf)

const NOTHING_COMPARED = {
  opening: null,
  request: null,
  response: null,
  challenge: null,
  receipt_id: null,
  endpoint: null,
  level: 'signer',
} as const

/** A record without an answer that can be read. */
const UNREAD = {
  chat_id: null,
  content_digest: null,
  content_status: 'none',
  content_uncovered: [],
  finish_reasons: [],
  model_served: null,
  usage: null,
} as const satisfies Partial<ReceiptRecord>

const CUT = RESPONSE.slice(0, 40)
const CUT_BODIES = { ...BODIES, returned: digestOf(CUT) }
export const CUT_RECORD: ReceiptRecord = {
  ...RECORD,
  ...UNREAD,
  bodies: bodiesCommitment(CUT_BODIES, OPENING, nodeCrypto),
  outcome: 'downstream_closed',
  response_bytes: CUT.length,
}
export const CUT_RECEIPT = { record: CUT_RECORD, bodies: CUT_BODIES, whole: false }

const REFUSED_BODIES = { ...BODIES, forwarded: null, returned: digestOf('{"error":{}}') }
const REFUSED: ReceiptRecord = {
  ...RECORD,
  ...UNREAD,
  backend: null,
  bodies: bodiesCommitment(REFUSED_BODIES, OPENING, nodeCrypto),
  outcome: 'refused',
  response_bytes: 12,
  status: 400,
}
export const INTERRUPTED: ReceiptRecord = {
  ...RECORD,
  ...UNREAD,
  backend: null,
  interrupted_boot: RECORD.config_digest.slice('sha256:'.length) as ReceiptRecord['boot_id'],
  members: null,
  model_requested: null,
  outcome: 'interrupted',
  response_bytes: 0,
  status: 0,
}
/** As a broker writes it: another id, members in another order, one of its own at the top. */
export const REWRITTEN =
  '{"cost":1,"usage":{"total_tokens":13},"choices":[{"finish_reason":"stop","message":{"content":"4","role":"assistant"},"index":0}],' +
  '"model":"demo-v2","object":"chat.completion","id":"broker-9","created":1}'

export function acceptedCases(): Vector[] {
  const cut = { any_outcome: true, response: base64(CUT) }
  const content = { level: 'content', request: base64(REQUEST.replace(/,/g, ', ')) }
  return [
    accepted('ok-bytes', 'both bodies, byte for byte', { receipt: aciReceipt() }),
    accepted('ok-cose-bytes', 'the same as COSE_Sign1', { receipt: coseMessage() }),
    accepted('ok-signer', 'nothing of the exchange is known', {
      receipt: aciReceipt(),
      more: NOTHING_COMPARED,
    }),
    accepted('ok-cose-signer', 'the same as COSE_Sign1', {
      receipt: coseMessage(),
      more: NOTHING_COMPARED,
    }),
    accepted('ok-bytes-without-opening', 'bytes are compared without the opening', {
      receipt: aciReceipt(),
      more: { opening: null },
    }),
    accepted('ok-view-signer', 'a view', {
      receipt: aciReceipt({ bodies: null }),
      more: NOTHING_COMPARED,
    }),
    accepted('ok-view-content', 'a view, and content and members with the opening', {
      receipt: aciReceipt({ bodies: null }),
      more: { level: 'content' },
    }),
    accepted('ok-cose-view-content', 'the same as COSE_Sign1', {
      receipt: coseMessage({ bodies: null }),
      more: { level: 'content' },
    }),
    accepted('ok-content-rewritten', 'both bodies written anew on the way, and saying the same', {
      receipt: aciReceipt(),
      more: { ...content, response: base64(RESPONSE.replace(/,"/g, ' ,"')) },
    }),
    accepted('ok-partial', 'an answer that was cut, where any outcome is wanted', {
      receipt: aciReceipt(CUT_RECEIPT),
      more: cut,
    }),
    accepted('ok-cose-partial', 'the same as COSE_Sign1', {
      receipt: coseMessage(CUT_RECEIPT),
      more: cut,
    }),
    accepted('ok-refused', 'a request that was refused, where any outcome is wanted', {
      receipt: aciReceipt({ record: REFUSED, bodies: REFUSED_BODIES }),
      more: { any_outcome: true, response: base64('{"error":{}}') },
    }),
    accepted('ok-interrupted', 'what a later boot states of a request that a kill cut', {
      receipt: aciReceipt({ record: INTERRUPTED, bodies: null }),
      more: { ...NOTHING_COMPARED, any_outcome: true },
    }),
    accepted('ok-rewrites', 'a request that the service itself changed on the way', {
      receipt: aciReceipt({ record: { ...RECORD, rewrites: ['include_usage', 'keep_alive'] } }),
    }),
    accepted('ok-clock-behind', 'a verifier whose clock is a little behind', {
      receipt: aciReceipt(),
      more: { at: RECORD.served_at - 30 },
    }),
  ]
}
