/**
 * One call of `fetch` as plain values: the exact bytes that will be sent are what the receipt is compared with.
 *
 * @module
 */
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'

export type FetchInput = Parameters<typeof fetch>[0]
export type FetchInit = NonNullable<Parameters<typeof fetch>[1]>

/** The operation that is verified; whatever precedes it is the base URL. */
const CHAT_PATH = '/chat/completions'

export interface CompletionCall {
  readonly url: string
  /** Without `/chat/completions` and query. */
  readonly base: string
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer>
  /** The body as an object, null where it is none. */
  readonly request: JsonObject | null
  readonly signal: AbortSignal | null
  /** Everything else that the caller asked of `fetch`. */
  readonly init: FetchInit
}

async function bodyBytes(body: unknown): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof body === 'string') return new TextEncoder().encode(body)
  // A copy, so that the caller cannot change what is sent while it is on its way.
  if (body instanceof Uint8Array) return Uint8Array.from(body)
  if (body instanceof ArrayBuffer) return new Uint8Array(body.slice(0))
  return new Uint8Array(
    await new Response(body as ConstructorParameters<typeof Response>[0]).arrayBuffer(),
  )
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

/** @returns null for a call that is not a chat completion */
export async function readCall(input: FetchInput, init: FetchInit): Promise<CompletionCall | null> {
  const request = input instanceof Request ? input : null
  const url = urlOf(input)
  if (methodOf(input, init) !== 'POST') return null
  const path = url.split(/[?#]/, 1)[0] ?? ''
  if (!path.endsWith(CHAT_PATH)) return null
  const given = init.body ?? null
  const body =
    given !== null
      ? await bodyBytes(given)
      : request === null
        ? new Uint8Array(0)
        : new Uint8Array(await request.clone().arrayBuffer())
  const parsed = parseJson(body)
  return {
    url,
    base: path.slice(0, -CHAT_PATH.length),
    headers: new Headers(init.headers ?? request?.headers),
    body,
    request: parsed.ok && isJsonObject(parsed.value) ? parsed.value : null,
    signal: init.signal ?? request?.signal ?? null,
    init,
  }
}
