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

const CHARSET = / *; *charset="?utf-?8"?$/i
const JSON_ALONE: readonly string[] = ['application/json']
/** Of what is compared by its bytes, which say nothing of the type that they are shown as: of a text as HTML a browser runs what it says. */
const BYTE_TYPES: readonly (readonly [RegExp, readonly string[]])[] = [
  [
    /^\/v1\/audio\//,
    ['application/json', 'text/event-stream', 'text/plain', 'text/vtt', 'application/x-subrip'],
  ],
  [/^\/v1\/images\//, ['application/json', 'text/event-stream']],
]

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

/** Whole: nobody asks for a part, and a reader would take it for all. */
function isWhole({ status, body, headers }: Response): boolean {
  return status === ANSWER_STATUS && body !== null && !headers.has('content-range')
}

/**
 * @param endpoint whose answers are compared by their bytes
 * @param response a 2xx answer
 * @returns false also for another status than 200
 */
export function hasByteType(response: Response, endpoint: string): boolean {
  const type = (response.headers.get('content-type') ?? '').trim().replace(CHARSET, '')
  const types = BYTE_TYPES.find(([path]) => path.test(endpoint))?.[1] ?? JSON_ALONE
  return isWhole(response) && types.includes(type.toLowerCase())
}

/**
 * @param response a 2xx answer
 * @returns false also for another status than 200
 */
export function hasForm(response: Response, form: AnswerForm): boolean {
  const type = response.headers.get('content-type') ?? ''
  const expected = form === 'stream' ? EVENT_STREAM : JSON_BODY
  return isWhole(response) && expected.test(type)
}
