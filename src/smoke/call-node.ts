/**
 * One call to the node that is tried, with its bytes as sent and received.
 *
 * @module
 */
import { readBytes } from '../client/bytes.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { SmokeCode } from './smoke-codes.ts'

/** Milliseconds for one answer: a large model may be slow, and its first answer slower. */
export const CALL_MS = 120_000
/** Bytes of one answer. */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024

export interface SmokeNode {
  /** Ends in `/v1`. */
  readonly base: string
  /** Bearer token; null where none is sent. */
  readonly token: string | null
  readonly fetch: typeof fetch
  readonly callMs: number
}

export interface NodeAnswer {
  readonly status: number
  readonly headers: Headers
  /** Empty for GET. */
  readonly sent: Uint8Array
  readonly received: Uint8Array
  /** Null where the body is no JSON object. */
  readonly json: JsonObject | null
}

/** What kept a probe from having an answer at all. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure'
  readonly code: SmokeCode
  constructor(code: SmokeCode, seen: string) {
    super(seen)
    this.code = code
  }
}

export interface NodeCall {
  /** Below the base, e.g. `/models`. */
  readonly path: string
  /** Sent with POST; absent: GET. */
  readonly body?: Uint8Array | JsonObject
  /** In place of the node's; null: none. */
  readonly token?: string | null
}

/** What OpenSSL says of an answer that is no TLS. */
const NO_TLS = 'ERR_SSL_WRONG_VERSION_NUMBER'

/** The system's code alone: messages quote addresses. */
export function causeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === NO_TLS || code === 'EPROTO') return `${code}: is it http, without TLS?`
  return typeof code === 'string' && /^[A-Za-z0-9_]{1,64}$/.test(code) ? code : 'no connection'
}

/** @throws CallFailure */
export async function callNode(node: SmokeNode, call: NodeCall): Promise<NodeAnswer> {
  const { body, token = node.token } = call
  const sent =
    body === undefined
      ? new Uint8Array(0)
      : body instanceof Uint8Array
        ? body
        : new Uint8Array(Buffer.from(JSON.stringify(body), 'utf8'))
  const signal = AbortSignal.timeout(node.callMs)
  try {
    const response = await node.fetch(`${node.base}${call.path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        accept: 'application/json, text/event-stream',
        'accept-encoding': 'identity',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: Uint8Array.from(sent) }),
      // A token must not follow to a place that nobody named.
      redirect: 'manual',
      signal,
    })
    const received = await readBytes(response, MAX_ANSWER_BYTES)
    if (received === null)
      throw new CallFailure('answer_too_long', `over ${MAX_ANSWER_BYTES} bytes`)
    const parsed = parseJson(received)
    const json = parsed.ok && isJsonObject(parsed.value) ? parsed.value : null
    return { status: response.status, headers: response.headers, sent, received, json }
  } catch (error) {
    if (error instanceof CallFailure) throw error
    if (signal.aborted) throw new CallFailure('node_slow', `${node.callMs} ms`)
    throw new CallFailure('node_unreachable', causeOf(error))
  }
}
