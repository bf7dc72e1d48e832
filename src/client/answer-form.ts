/**
 * Whether an answer has the form that was asked for. Its reader decides by what it asked, not by what came: an SDK that
 * awaits a stream finds no event in a JSON body and takes that for an empty answer, without an error.
 *
 * @module
 */
import type { JsonObject } from '../../attestation/protocol/json.ts'

/** Readers decode both as UTF-8, whatever a header says; so nothing else may be said. */
const EVENT_STREAM = /^text\/event-stream(?: *; *charset="?utf-?8"?)? *$/i
const JSON_BODY = /^application\/json(?: *; *charset="?utf-?8"?)? *$/i

/** Readers take 204 for an answer of nothing, and others for something else. */
export const ANSWER_STATUS = 200

/** RFC 9110 §15: there is no other. `Response` throws for one above. */
export function isHttpStatus(status: number): boolean {
  return status >= 100 && status <= 599
}

export type AnswerForm = 'stream' | 'body'

/** What the reader of the answer awaits; anything true is taken for "stream", as clients do. */
export function askedForm(request: JsonObject | null): AnswerForm {
  return Boolean(request?.['stream']) ? 'stream' : 'body'
}

/**
 * @param response a 2xx answer
 * @returns false also for another status than 200
 */
export function hasForm(response: Response, form: AnswerForm): boolean {
  const type = response.headers.get('content-type') ?? ''
  const expected = form === 'stream' ? EVENT_STREAM : JSON_BODY
  return response.status === ANSWER_STATUS && response.body !== null && expected.test(type)
}
