/**
 * Reads an answer, live or saved, and says what there is to compare of it and why it may not be believed. Both callers go
 * through here, so that a saved answer is refused for whatever the same answer would have been refused on the wire.
 *
 * @module
 */
import { fail } from '../../attestation/appraiser/check.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import type { CheckCode } from '../../attestation/appraiser/codes.ts'
import type {
  ExpectedExchange,
  ReceiptVerdict,
} from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { contentOfBody } from '../../attestation/protocol/content-kinds.ts'
import type { ContentKind } from '../../attestation/protocol/content.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { AnswerEvents } from './answer-events.ts'
import { askedForm } from './answer-form.ts'
import { isPlainBody } from './shape-of.ts'

export interface AnswerReading {
  /** What it says; empty where it has a fault. */
  readonly expected: Pick<ExpectedExchange, 'content' | 'model'>
  readonly fault: CheckCode | null
  /** Every reader takes the same text from it, see `answer-shape.ts`. */
  readonly plain: boolean
}

const PROVES_ANSWER = 'The answer can be read in one way only, and to its end.'

/** @param fault found while an answer was read */
export function judgeFault(fault: CheckCode | null): readonly Check[] {
  return fault === null ? [] : [fail('client.answer', fault, PROVES_ANSWER)]
}

/** An answer that readers may take in several ways is believed only where its bytes are the enclave's own. */
export function judgePlainness(plain: boolean, { checks }: ReceiptVerdict): readonly Check[] {
  const statusOf = (id: string) => checks.find((check) => check.id === id)?.status
  // Bytes that answer another request than the one given are no better than an answer reframed.
  const asked = statusOf('receipt.request_bytes')
  const own =
    statusOf('receipt.response_bytes') === 'pass' && (asked === 'pass' || asked === 'skip')
  return plain || own ? [] : judgeFault('answer_ambiguous')
}

/** @param body null where it was not read to its end */
export function readBody(
  kind: ContentKind,
  body: Uint8Array | null,
  request: JsonObject | null,
  crypto: CryptoPort,
): AnswerReading {
  const parsed = body === null ? null : parseJson(body)
  const value = parsed?.ok === true ? parsed.value : null
  const model = isJsonObject(value) ? value['model'] : null
  return {
    expected: {
      content: contentOfBody(kind, value, crypto),
      model: typeof model === 'string' ? model : null,
    },
    fault: body === null ? 'answer_too_long' : null,
    plain: isPlainBody(kind, value, request),
  }
}

/** @param events after their end. A stream with a fault says less than was said: nothing of it is compared. */
export function readEvents(events: AnswerEvents): AnswerReading {
  const { fault, model, plain } = events
  if (fault !== null) return { expected: {}, fault, plain: true }
  return { expected: { content: events.content(), model }, fault, plain }
}

/**
 * An answer that was saved: there is no Content-Type to go by, so its form is the one that its bytes have.
 *
 * @param asked null where the request is not known; its body as an object, null where it is none
 */
export function readSaved(
  kind: ContentKind,
  answer: Uint8Array,
  asked: { readonly request: JsonObject | null } | null,
  crypto: CryptoPort,
): AnswerReading {
  const form = parseJson(answer).ok ? 'body' : 'stream'
  if (asked !== null && askedForm(asked.request) !== form) {
    return { expected: {}, fault: 'answer_form_mismatch', plain: true }
  }
  if (form === 'body') return readBody(kind, answer, asked?.request ?? null, crypto)
  const events = new AnswerEvents(kind, crypto)
  events.push(answer)
  events.end()
  return readEvents(events)
}
