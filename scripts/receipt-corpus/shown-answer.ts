/**
 * Answers as their reader has them, beside the receipt of what the enclave said: as a view, so that the words alone are compared.
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { bodiesCommitment } from '../../attestation/protocol/record.ts'
import type { ReceiptRecord } from '../../attestation/protocol/record.ts'
import { requestMembers } from '../../attestation/protocol/request-members.ts'
import { vectorsOf } from '../corpus/vector.ts'
import type { Vector, VectorCode } from '../corpus/vector.ts'
import {
  aciReceipt,
  base64,
  contentOf,
  coseMessage,
  digestOf,
  inputOf,
  objectOf,
  OPENING,
  RECORD,
} from './world.ts'
import type { Issue } from './world.ts'

const { accepted, rejected } = vectorsOf(inputOf)

export interface Exchange {
  readonly issue: Issue
  readonly request: string
}

/** @param answer a body that says what the enclave said, in one piece or as a stream */
export function exchangeOf(request: string, answer: string): Exchange {
  const { choices } = objectOf(answer)
  const reasons = (Array.isArray(choices) ? choices : []).map((choice: unknown) =>
    isJsonObject(choice) ? choice['finish_reason'] : null,
  )
  const content = contentOf(answer)
  const record: ReceiptRecord = {
    ...RECORD,
    ...content,
    content_kind: content.content_digest === null ? 'none' : 'chat/v1',
    finish_reasons: reasons.map((reason) => (typeof reason === 'string' ? reason : null)),
    members: requestMembers(objectOf(request), OPENING, nodeCrypto),
  }
  return { issue: { bodies: null, record }, request }
}

/** The same with the full receipt, where these are the enclave's own bytes. */
export function fullExchange(request: string, response: string): Exchange {
  const { issue } = exchangeOf(request, response)
  const [received, returned] = [digestOf(request), digestOf(response)]
  const bodies = { received, forwarded: received, returned }
  const record = {
    ...(issue.record ?? RECORD),
    bodies: bodiesCommitment(bodies, OPENING, nodeCrypto),
    response_bytes: response.length,
  }
  return { issue: { bodies, record }, request }
}

/** One vector in each encoding. */
export function shownAnswer(
  id: string,
  code: VectorCode | 'ok',
  title: string,
  { issue, request }: Exchange,
  response: string | Uint8Array,
  rest: object = {},
): Vector[] {
  const more = { request: base64(request), response: base64(response), level: 'content', ...rest }
  const aci = { receipt: aciReceipt(issue), more }
  const cose = { receipt: coseMessage(issue), more }
  const titleOfCose = `${title}; as COSE_Sign1`
  return code === 'ok'
    ? [accepted(`ok-${id}`, title, aci), accepted(`ok-cose-${id}`, titleOfCose, cose)]
    : [rejected(id, code, title, aci), rejected(`cose-${id}`, code, titleOfCose, cose)]
}
