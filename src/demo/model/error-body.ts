/**
 * Error bodies of vLLM: `{"error":{"message","type","param","code"}}`, `param` null when unknown, `code` the status.
 *
 * vllm/entrypoints/serve/exception_handling/error_response.py @ba638200 (type names by status),
 * handlers/validation.py @4da14a5c (request validation: 400, type `Bad Request`, Python's repr of each pydantic error),
 * handlers/http.py @0f17ee06 (unknown route: the status phrase is message and type), vllm/exceptions.py (a client error
 * prints `(parameter=…, value=…)` after its message). Read on 2026-11-23.
 *
 * @module
 */
import type { JsonValue } from '../../../attestation/protocol/json.ts'

/** vLLM cuts an echoed input after this many characters (`_MAX_ERROR_INPUT_CHARS`). */
const MAX_ECHOED_CHARACTERS = 200

export interface DemoError {
  readonly status: number
  readonly message: string
  readonly type: string
  readonly param: string | null
}

/** The members of the error body, in vLLM's order. */
export function errorMembers(error: DemoError): {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: number
  }
} {
  return {
    error: { message: error.message, type: error.type, param: error.param, code: error.status },
  }
}

/** 400 `BadRequestError`: vLLM's own check of a parameter (`VLLMValidationError`). */
export function badParameter(message: string, param: string, value?: number): DemoError {
  const shown = value === undefined ? '' : `, value=${String(value)}`
  return {
    status: 400,
    message: `${message} (parameter=${param}${shown})`,
    type: 'BadRequestError',
    param,
  }
}

/** 400 `Bad Request`: pydantic refused the body. `input` is what stood at `loc`, `ctx` what the JSON parser said. */
export function badShape(
  type: string,
  loc: string,
  msg: string,
  input: JsonValue | undefined,
  ctx?: string,
): DemoError {
  const fields = [
    `'type': ${pythonRepr(type)}`,
    `'loc': ${pythonRepr(loc)}`,
    `'msg': ${pythonRepr(msg)}`,
    `'input': ${pythonRepr(summary(input))}`,
  ]
  if (ctx !== undefined) fields.push(`'ctx': {'error': ${pythonRepr(ctx)}}`)
  return {
    status: 400,
    message: `1 validation error:\n  {${fields.join(', ')}}`,
    type: 'Bad Request',
    param: loc,
  }
}

/** 400 for a body that is not declared as JSON (`validate_json_request`). */
export const UNSUPPORTED_MEDIA_TYPE: DemoError = {
  status: 400,
  message: "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
  type: 'Bad Request',
  param: null,
}

/** 404 of a model that is not served. */
export function unknownModel(model: string): DemoError {
  const message = `The model \`${model}\` does not exist.`
  return { status: 404, message, type: 'NotFoundError', param: 'model' }
}

/** 422: media that cannot be fetched (`VLLMUnprocessableEntityError`). The demo model fetches nothing. */
export const UNREACHABLE_MEDIA: DemoError = {
  status: 422,
  message: 'Failed to fetch media: the demo model has no network (parameter=messages)',
  type: 'UnprocessableEntityError',
  param: 'messages',
}

/** 500 for finish reason `error`, in a body or as the event before `[DONE]` (`GenerationError`). */
export const GENERATION_ERROR: DemoError = {
  status: 500,
  message: 'Internal server error',
  type: 'InternalServerError',
  param: null,
}

/** 404 or 405 of Starlette: the phrase twice. */
export function routeError(status: 404 | 405): DemoError {
  const phrases = { 404: 'Not Found', 405: 'Method Not Allowed' }
  return { status, message: phrases[status], type: phrases[status], param: null }
}

function summary(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return 'None'
  if (Array.isArray(value)) return `<list of ${String(value.length)} items>`
  if (typeof value === 'object') return `<dict of ${String(Object.keys(value).length)} items>`
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  const text = String(value)
  return text.length > MAX_ECHOED_CHARACTERS
    ? `${text.slice(0, MAX_ECHOED_CHARACTERS)}...[truncated]`
    : text
}

function pythonRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote
}
