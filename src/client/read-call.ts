/**
 * One call of `fetch` as plain values: the exact bytes that will be sent are what the receipt is compared with.
 *
 * @module
 */
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { operationOf } from './operation.ts'
import type { Operation } from './operation.ts'

export type FetchInput = Parameters<typeof fetch>[0]
export type FetchInit = NonNullable<Parameters<typeof fetch>[1]>

export interface CompletionCall {
  readonly url: string
  readonly operation: Operation
  /** Without the operation and query. */
  readonly base: string
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer>
  /** The body as an object, null where it is none. */
  readonly request: JsonObject | null
  readonly signal: AbortSignal | null
  /** Everything else that the caller asked of `fetch`. */
  readonly init: FetchInit
}

interface SentBody {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** What `fetch` would say of it by itself: of a form, its boundary. */
  readonly type: string | null
}

async function bodyBytes(body: unknown): Promise<SentBody> {
  if (typeof body === 'string') return { bytes: new TextEncoder().encode(body), type: null }
  // A copy, so that the caller cannot change what is sent while it is on its way.
  if (body instanceof Uint8Array) return { bytes: Uint8Array.from(body), type: null }
  if (body instanceof ArrayBuffer) return { bytes: new Uint8Array(body.slice(0)), type: null }
  const sent = new Response(body as ConstructorParameters<typeof Response>[0])
  return {
    bytes: new Uint8Array(await sent.arrayBuffer()),
    type: sent.headers.get('content-type'),
  }
}

function methodOf(input: FetchInput, init: FetchInit): string {
  return (init.method ?? (input instanceof Request ? input.method : 'GET')).toUpperCase()
}

export function urlOf(input: FetchInput): string {
  return input instanceof Request ? input.url : String(input)
}

/** The call asks for something that is there, and sends nothing to be answered. */
export function isReading(input: FetchInput, init: FetchInit): boolean {
  return ['GET', 'HEAD'].includes(methodOf(input, init))
}

/** @returns null for a call whose answer has no receipt */
export async function readCall(input: FetchInput, init: FetchInit): Promise<CompletionCall | null> {
  const request = input instanceof Request ? input : null
  const url = urlOf(input)
  if (methodOf(input, init) !== 'POST') return null
  const path = url.split(/[?#]/, 1)[0] ?? ''
  const operation = operationOf(path)
  if (operation === null) return null
  const given = init.body ?? null
  const { bytes: body, type } =
    given !== null
      ? await bodyBytes(given)
      : request !== null
        ? { bytes: new Uint8Array(await request.clone().arrayBuffer()), type: null }
        : { bytes: new Uint8Array(0), type: null }
  const headers = new Headers(init.headers ?? request?.headers)
  if (type !== null && !headers.has('content-type')) headers.set('content-type', type)
  const parsed = parseJson(body)
  return {
    url,
    operation,
    base: path.slice(0, -operation.suffix.length),
    headers,
    body,
    request: parsed.ok && isJsonObject(parsed.value) ? parsed.value : null,
    signal: init.signal ?? request?.signal ?? null,
    init,
  }
}
