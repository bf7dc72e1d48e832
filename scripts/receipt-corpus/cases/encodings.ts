/** A receipt in both encodings at once: of one record, and genuine ones of two. */
import { toHex } from '../../../attestation/protocol/hex.ts'
import { bodiesCommitment } from '../../../attestation/protocol/record.ts'
import type { ReceiptRecord } from '../../../attestation/protocol/record.ts'
import { nodeCrypto } from '../../../attestation/crypto/node.ts'
import { vectorsOf } from '../../corpus/vector.ts'
import type { Vector } from '../../corpus/vector.ts'
import {
  aciReceipt,
  BODIES,
  coseMessage,
  digestOf,
  inputOf,
  KEYS,
  OPENING,
  RECORD,
} from '../world.ts'
import type { Issue } from '../world.ts'

const { accepted, malformed, rejected } = vectorsOf(inputOf)

const both = (aci: Issue, cose: Issue = aci) => ({
  aci: aciReceipt(aci),
  cose: coseMessage(cose),
})
const changed = (change: Partial<ReceiptRecord>): Issue => ({ record: { ...RECORD, ...change } })

function differing(
  id: string,
  title: string,
  [aci, cose]: readonly [Issue, Issue],
  more: object = {},
): Vector {
  const receipt = both(aci, cose)
  return rejected(`both-${id}`, 'receipt_encodings_differ', title, { receipt, more: { ...more } })
}

export function encodingCases(): Vector[] {
  const view: Issue = { bodies: null }
  const otherBodies = { ...BODIES, forwarded: digestOf('other') }
  const otherwise: Issue = {
    bodies: otherBodies,
    record: { ...RECORD, bodies: bodiesCommitment(otherBodies, OPENING, nodeCrypto) },
  }
  const signer = { level: 'signer', request: null, response: null }
  return [
    accepted('ok-both', 'a receipt in both encodings', { receipt: both({}) }),
    accepted('ok-both-view', 'a view in both encodings', {
      receipt: both(view),
      more: { level: 'content' },
    }),
    accepted('ok-both-signer', 'both encodings, and nothing of the exchange', {
      receipt: both({}),
      more: signer,
    }),
    differing('other-sequence', 'the COSE_Sign1 is of another place in the log', [
      {},
      changed({ sequence: 2 }),
    ]),
    differing('other-time', 'the COSE_Sign1 is of another second', [
      {},
      changed({ served_at: RECORD.served_at - 1 }),
    ]),
    differing(
      'other-receipt',
      'the COSE_Sign1 is another receipt',
      [{}, changed({ receipt_id: 'rcpt-00000000000000000000000000000002' })],
      { receipt_id: null },
    ),
    differing('other-content', 'the COSE_Sign1 has another digest of content', [
      {},
      changed({ content_digest: digestOf('other') }),
    ]),
    differing('other-usage', 'the COSE_Sign1 has other usage', [{}, changed({ usage: null })]),
    differing('other-bodies', 'the COSE_Sign1 names other bodies', [{}, otherwise]),
    differing('other-bodies-alone', 'other bodies under one commitment', [
      {},
      { bodies: otherBodies },
    ]),
    differing(
      'whole-and-part',
      'one says that the answer was delivered whole, the other that it was not',
      [
        { record: { ...RECORD, outcome: 'downstream_closed' }, whole: true },
        { record: { ...RECORD, outcome: 'downstream_closed' }, whole: false },
      ],
      { any_outcome: true },
    ),
    differing('view-beside-full', 'a view beside a full COSE_Sign1', [view, {}], {
      level: 'content',
    }),
    differing('full-beside-view', 'a full receipt beside a view as COSE_Sign1', [{}, view], {
      level: 'content',
    }),
    rejected('both-signature-of-aci', 'receipt_signature_invalid', 'a stranger signed the text', {
      receipt: both({ signer: KEYS.stranger }, {}),
    }),
    rejected(
      'both-signature-of-cose',
      'receipt_signature_invalid',
      'a stranger signed the COSE_Sign1',
      { receipt: both({}, { signer: KEYS.stranger }) },
    ),
    rejected(
      'both-hash-of-cose',
      'record_hash_mismatch',
      'the COSE_Sign1 states another hash of the record',
      { receipt: both({}, { hash: digestOf('other') }) },
    ),
    rejected('both-replayed', 'opening_mismatch', 'both with the opening of another receipt', {
      receipt: both({}),
      more: { opening: toHex(OPENING).replaceAll('0e', '0f') },
    }),
    malformed('both-aci-malformed', 'receipt_malformed', 'a text that is no receipt', {
      receipt: { aci: '{}', cose: coseMessage() },
    }),
    malformed('both-cose-malformed', 'receipt_malformed', 'bytes that are no COSE_Sign1', {
      receipt: { aci: aciReceipt(), cose: coseMessage().subarray(0, -1) },
    }),
  ]
}
