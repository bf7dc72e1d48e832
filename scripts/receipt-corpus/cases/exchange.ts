/** Genuine receipts shown for an exchange that is not theirs. */
import { toHex } from '../../../attestation/protocol/hex.ts'
import { vectorsOf } from '../../corpus/vector.ts'
import type { VectorCode, Vector } from '../../corpus/vector.ts'
import {
  aciReceipt,
  base64,
  coseMessage,
  inputOf,
  OPENING,
  RECORD,
  REQUEST,
  RESPONSE,
} from '../world.ts'
import type { Issue } from '../world.ts'
import { CUT_RECEIPT, INTERRUPTED } from './accepted.ts'

const { rejected } = vectorsOf(inputOf)

function both(
  id: string,
  code: VectorCode,
  title: string,
  more: Readonly<Record<string, unknown>>,
  issue: Issue = {},
): Vector[] {
  return [
    rejected(id, code, title, { receipt: aciReceipt(issue), more }),
    rejected(`cose-${id}`, code, `${title}; as COSE_Sign1`, { receipt: coseMessage(issue), more }),
  ]
}

const request = (text: string) => ({ request: base64(text), level: 'content' })
const response = (text: string) => ({ response: base64(text), level: 'content' })
const VIEW: Issue = { bodies: null }

export function exchangeCases(): Vector[] {
  return [
    ...both('replayed-challenge', 'challenge_mismatch', 'of a request with another challenge', {
      challenge: 'b3RoZXItY2hhbGxlbmdlLTIyYnl0ZXM',
    }),
    ...both(
      'replayed-without-challenge',
      'challenge_mismatch',
      'of a request without a challenge',
      {},
      {
        record: { ...RECORD, challenge: null },
      },
    ),
    ...both('replayed-id', 'receipt_id_mismatch', 'of another id than the answer named', {
      receipt_id: 'rcpt-00000000000000000000000000000002',
    }),
    ...both('replayed-endpoint', 'endpoint_mismatch', 'of another endpoint', {
      endpoint: '/v1/completions',
    }),
    ...both('replayed-opening', 'opening_mismatch', 'with the opening of another receipt', {
      opening: toHex(OPENING).replaceAll('0e', '0f'),
    }),
    ...both('request-byte', 'request_hash_mismatch', 'one byte of the request differs', {
      request: base64(REQUEST.replace('2+2', '2+3')),
    }),
    ...both('request-space', 'request_hash_mismatch', 'the request has a space more', {
      request: base64(`${REQUEST} `),
    }),
    ...both('response-byte', 'response_hash_mismatch', 'one byte of the answer differs', {
      response: base64(RESPONSE.replace('"4"', '"5"')),
    }),
    ...both('response-cut', 'response_hash_mismatch', 'the answer lacks its last byte', {
      response: base64(RESPONSE.slice(0, -1)),
    }),
    ...both('bodies-turned', 'request_hash_mismatch', 'request and answer changed places', {
      request: base64(RESPONSE),
      response: base64(REQUEST),
    }),
    ...both(
      'view-for-bytes',
      'receipt_is_view',
      'bytes are to be compared, and a view shows none',
      {},
      VIEW,
    ),
    ...both('level-bytes-without-bodies', 'level_not_reached', 'the level bytes without a body', {
      request: null,
      response: null,
    }),
    ...both(
      'level-content-without-members',
      'level_not_reached',
      'the level content without the request',
      {
        request: null,
        level: 'content',
      },
      VIEW,
    ),
    ...both(
      'content-changed',
      'content_digest_mismatch',
      'the answer says something else',
      response(RESPONSE.replace('"4"', '"5"')),
      VIEW,
    ),
    ...both(
      'content-finish-reason',
      'content_digest_mismatch',
      'the answer ends for another reason',
      response(RESPONSE.replace('"stop"', '"length"')),
      VIEW,
    ),
    ...both(
      'content-choice-added',
      'content_digest_mismatch',
      'the answer has a choice more',
      response(
        RESPONSE.replace(
          '}],',
          '},{"index":1,"message":{"role":"assistant","content":"5"},"finish_reason":"stop"}],',
        ),
      ),
      VIEW,
    ),
    ...both(
      'content-member-added',
      'content_member_added',
      'the answer has a member that was not sent',
      response(RESPONSE.replace('"created"', '"system_fingerprint":"fp","created"')),
      VIEW,
    ),
    ...both(
      'content-tool-call-added',
      'content_digest_mismatch',
      'the answer has a tool call more',
      response(
        RESPONSE.replace(
          '"content":"4"',
          '"content":"4","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]',
        ),
      ),
      VIEW,
    ),
    ...both(
      'member-added',
      'request_member_added',
      'the enclave got a member that was not sent',
      request(REQUEST.replace(',"seed":7', '')),
      VIEW,
    ),
    ...both(
      'member-removed',
      'request_member_removed',
      'the enclave did not get a member that was sent',
      request(REQUEST.replace('"seed"', '"logit_bias":{"1":9},"seed"')),
      VIEW,
    ),
    ...both(
      'member-changed',
      'request_member_changed',
      'the enclave got another value of a member',
      request(REQUEST.replace('0.5', '0.25')),
      VIEW,
    ),
    ...both(
      'outcome-cut',
      'outcome_not_complete',
      'of an answer that was cut',
      { response: null, level: 'signer' },
      CUT_RECEIPT,
    ),
    ...both(
      'outcome-interrupted',
      'outcome_not_complete',
      'of a request that a kill cut',
      {
        request: null,
        response: null,
        opening: null,
        level: 'signer',
      },
      { record: INTERRUPTED, bodies: null },
    ),
  ]
}
