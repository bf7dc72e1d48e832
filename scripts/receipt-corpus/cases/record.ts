/** Records that were changed, with and without a signature over the change, and records of somewhere else. */
import type { ReceiptRecord } from '../../../attestation/protocol/record.ts'
import { vectorsOf } from '../../corpus/vector.ts'
import type { Vector } from '../../corpus/vector.ts'
import {
  aciReceipt,
  AT,
  BODIES,
  BOOT_ID,
  coseMessage,
  digestOf,
  hashOf,
  inputOf,
  KEYS,
  keysetOf,
  NOT_AFTER,
  RECORD,
} from '../world.ts'

const { rejected } = vectorsOf(inputOf)

const OTHER = digestOf('another one')
/** Of each member, another value that a record could have. */
const CHANGES: readonly Partial<ReceiptRecord>[] = [
  { backend: 'vllm-1' },
  { bodies: OTHER },
  { challenge: null },
  { chat_id: 'chatcmpl-2' },
  { content_digest: OTHER },
  { content_kind: 'text/v1' },
  { content_status: 'partial' },
  { content_uncovered: ['service_tier'] },
  { endpoint: '/v1/completions' },
  { finish_reasons: ['length'] },
  { members: [] },
  { method: 'PUT' },
  { model_requested: 'demo-2' },
  { model_served: 'demo-v3' },
  { outcome: 'upstream_error' },
  { receipt_id: 'rcpt-00000000000000000000000000000002' },
  { response_bytes: 1 },
  { rewrites: ['include_usage'] },
  { sequence: 2 },
  { served_at: RECORD.served_at - 1 },
  { status: 201 },
  { usage: null },
]

/** The signature of the genuine receipt, over something else. */
function withOldSignature(text: string): string {
  const signature = /"signature":"[0-9a-f]{128}"/
  return text.replace(signature, signature.exec(aciReceipt())?.[0] ?? '')
}

function changed(): Vector[] {
  return CHANGES.flatMap((change) => {
    const [name = ''] = Object.keys(change)
    const record = { ...RECORD, ...change }
    const id = name.replaceAll('_', '-')
    return [
      rejected(`record-${id}-changed`, 'receipt_signature_invalid', `${name} changed, hash too`, {
        receipt: withOldSignature(aciReceipt({ record })),
      }),
      rejected(
        `record-${id}-not-hashed`,
        'record_hash_mismatch',
        `${name} is not what was hashed`,
        {
          receipt: aciReceipt({ record, hash: hashOf(RECORD) }),
        },
      ),
      rejected(`cose-record-${id}-not-hashed`, 'record_hash_mismatch', 'the same as COSE_Sign1', {
        receipt: coseMessage({ record, hash: hashOf(RECORD) }),
      }),
    ]
  })
}

/** Both encodings of one record. */
function both(
  id: string,
  code: Parameters<typeof rejected>[1],
  title: string,
  issue: object,
  more = {},
): Vector[] {
  return [
    rejected(id, code, title, { receipt: aciReceipt(issue), more }),
    rejected(`cose-${id}`, code, `${title}; as COSE_Sign1`, { receipt: coseMessage(issue), more }),
  ]
}

const otherBoot = BOOT_ID.replaceAll('b', 'c') as ReceiptRecord['boot_id']

export function recordCases(): Vector[] {
  const otherKeyset = { ...RECORD, keyset_digest: OTHER }
  return [
    ...changed(),
    ...both('keyset-other', 'receipt_other_keyset', 'names another keyset', {
      record: otherKeyset,
    }),
    ...both('boot-other', 'receipt_other_boot', 'of another boot', {
      record: { ...RECORD, boot_id: otherBoot },
    }),
    ...both('config-other', 'receipt_other_config', 'of another configuration', {
      record: { ...RECORD, config_digest: OTHER },
    }),
    ...both(
      'time-after-keyset',
      'receipt_keyset_expired',
      'made when its keyset had ended',
      {
        record: { ...RECORD, served_at: NOT_AFTER + 1 },
      },
      { at: NOT_AFTER + 10 },
    ),
    ...both('time-future', 'receipt_from_future', 'made an hour from now', {
      record: { ...RECORD, served_at: AT + 3600 },
    }),
    ...both('key-of-a-stranger', 'receipt_signature_invalid', 'signed by a key of no keyset', {
      signer: KEYS.stranger,
    }),
    ...both('key-of-the-log', 'receipt_signature_invalid', 'signed by the key of the log', {
      signer: KEYS.log,
    }),
    ...both('key-of-legacy-texts', 'receipt_signature_invalid', 'signed by the legacy key', {
      signer: KEYS.legacy,
    }),
    ...both(
      'kid-of-legacy-texts',
      'receipt_other_keyset',
      'names the legacy key and is signed by it',
      {
        signer: KEYS.legacy,
        keyId: 'legacy-1',
      },
    ),
    ...both('kid-unknown', 'receipt_other_keyset', 'names a key of no keyset', {
      keyId: 'receipt-2',
    }),
    rejected('key-of-cose', 'receipt_signature_invalid', 'an ACI receipt signed by the COSE key', {
      receipt: aciReceipt({ signer: KEYS.cose }),
    }),
    rejected(
      'cose-key-of-aci',
      'receipt_signature_invalid',
      'a COSE receipt signed by the ACI key',
      {
        receipt: coseMessage({ signer: KEYS.receipt }),
      },
    ),
    rejected(
      'keyset-without-receipt-key',
      'receipt_other_keyset',
      'judged by a keyset that cannot sign it',
      {
        receipt: aciReceipt(),
        more: { keyset: keysetOf(NOT_AFTER, { log: KEYS.log }) },
      },
    ),
    rejected('keyset-renewed', 'receipt_other_keyset', 'judged by the same keys with another end', {
      receipt: aciReceipt(),
      more: { keyset: keysetOf(NOT_AFTER + 1) },
    }),
    ...both(
      'outcome-complete-with-error-status',
      'outcome_inconsistent',
      'complete, with the status of an error',
      {
        record: { ...RECORD, status: 502 },
      },
    ),
    ...both(
      'outcome-complete-without-finish-reason',
      'outcome_inconsistent',
      'complete, and a choice never finished',
      {
        record: { ...RECORD, finish_reasons: ['stop', null] },
      },
    ),
    ...both(
      'outcome-complete-and-aborted',
      'outcome_inconsistent',
      'complete, and the model server aborted',
      {
        record: { ...RECORD, finish_reasons: ['abort'] },
      },
    ),
    ...both('outcome-complete-in-part', 'outcome_inconsistent', 'complete, and the body in part', {
      whole: false,
      bodies: BODIES,
    }),
  ]
}
