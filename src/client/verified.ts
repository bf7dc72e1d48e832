/**
 * A `fetch` that verifies: `new OpenAI({ baseURL, apiKey, fetch: verified() })`.
 *
 * Before the first request it appraises the service's attestation; for each chat completion it sends a challenge, fetches
 * the receipt and compares it with what was asked and answered. A stream passes event by event, but its terminator is
 * kept back until the receipt has verified, so that no reader takes an unverified answer for a finished one.
 *
 * An answer that does not verify fails where its body is read, with a {@link VerificationError}: were the call itself to
 * fail, clients would take it for a broken connection and ask the model again. Evidence that cannot be fetched fails the
 * call, so that they do try again.
 *
 * @module
 */
import type { Check } from '../../attestation/appraiser/check.ts'
import type { ContentKind } from '../../attestation/protocol/content.ts'
import { INLINE_WANTED } from '../../attestation/protocol/inline-receipt.ts'
import { askedForm, hasByteType, hasForm, isHttpStatus } from './answer-form.ts'
import { abortable, randomBytes, readBytes, toBase64Url } from './bytes.ts'
import { CHALLENGE_BYTES, createClient } from './create-client.ts'
import type { VerifiedOptions } from './create-client.ts'
import { demandSignature } from './http-signature.ts'
import { judgeAnswer, refuseRoute, toVerdict } from './judge-answer.ts'
import type { Client, Exchange } from './judge-answer.ts'
import { readBody } from './read-answer.ts'
import { isReading, readCall, urlOf } from './read-call.ts'
import type { CompletionCall, FetchInit, FetchInput } from './read-call.ts'
import { passOn, sendOver } from './send-over.ts'
import { VerificationError } from './verification-error.ts'
import { verifyStream } from './verify-stream.ts'
import { failingResponse, withBody } from './with-body.ts'

/** Length of a buffered answer. */
export const MAX_ANSWER_BYTES = 256 * 1024 * 1024

/** Error answers say so themselves: they pass, with a verdict beside them. */
async function passError(exchange: Exchange, response: Response): Promise<Response> {
  const bytes = await readBytes(response, MAX_ANSWER_BYTES)
  const { headers, status } = response
  const verdict = await judgeAnswer(exchange, {
    headers,
    status,
    level: 'signer',
    expected: bytes === null ? {} : { responseBytes: bytes },
    fault: bytes === null ? 'answer_too_long' : null,
    plain: true,
  })
  exchange.client.report(verdict)
  return withBody(response, bytes ?? new Uint8Array(0))
}

async function verifyBuffered(
  exchange: Exchange,
  response: Response,
  kind: ContentKind,
): Promise<Response> {
  const { client, call } = exchange
  const bytes = await readBytes(response, MAX_ANSWER_BYTES)
  const read = readBody(kind, bytes, call.request, client.crypto)
  const verdict = await judgeAnswer(exchange, {
    headers: response.headers,
    status: response.status,
    level: client.level,
    expected: {
      requireOutcome: 'complete',
      ...(bytes === null ? {} : { responseBytes: bytes }),
      ...read.expected,
    },
    fault: read.fault,
    plain: read.plain,
  })
  client.report(verdict)
  if (bytes === null || (!verdict.accepted && client.throws)) {
    return failingResponse(response, new VerificationError(verdict))
  }
  return withBody(response, bytes)
}

/**
 * An answer of which only the bytes can be compared. A stream, too, is handed out when it has ended: before, nothing of it could
 * be vouched for.
 */
async function verifyBytes(exchange: Exchange, response: Response): Promise<Response> {
  const { client } = exchange
  const bytes = await readBytes(response, MAX_ANSWER_BYTES)
  const verdict = await judgeAnswer(exchange, {
    headers: response.headers,
    status: response.status,
    level: client.level,
    expected: { requireOutcome: 'complete', ...(bytes === null ? {} : { responseBytes: bytes }) },
    fault: bytes === null ? 'answer_too_long' : null,
    plain: true,
  })
  client.report(verdict)
  if (bytes === null || (!verdict.accepted && client.throws)) {
    return failingResponse(response, new VerificationError(verdict))
  }
  return withBody(response, bytes)
}

/** Nothing of the answer is handed out: its reader would look for something else in it than what was signed. */
async function refuseForm(exchange: Exchange, response: Response): Promise<Response> {
  const { client } = exchange
  if (client.throws) void response.body?.cancel().catch(() => undefined)
  const verdict = await judgeAnswer(exchange, {
    headers: response.headers,
    status: response.status,
    level: 'signer',
    expected: {},
    fault: 'answer_form_mismatch',
    plain: true,
  })
  client.report(verdict)
  return client.throws ? failingResponse(response, new VerificationError(verdict)) : response
}

/** What a call gets whose service did not verify. */
function refuseService(client: Client, call: CompletionCall, checks: readonly Check[]): Response {
  const exchange = {
    client,
    call,
    authorization: null,
    challenge: '',
    signature: null,
    trusted: null,
    attestation: checks,
    channel: 'intermediary',
  } as const
  const verdict = toVerdict(exchange, null, checks, null)
  client.report(verdict)
  const error = new VerificationError(verdict)
  if (error.code === 'attestation_unavailable') throw error
  return failingResponse(null, error)
}

/** Anthropic's clients send their key in a header of its own; what reads evidence and receipts takes the usual one. */
function authorizationOf(headers: Headers): string | null {
  const key = headers.get('x-api-key')
  return headers.get('authorization') ?? (key === null ? null : `Bearer ${key}`)
}

async function complete(client: Client, call: CompletionCall): Promise<Response> {
  const authorization = authorizationOf(call.headers)
  const outcome = await abortable(client.attestations.get(call.base, authorization), call.signal)
  // Nothing goes to a service that is only reported on, where the policy says who may read it.
  const needed = client.throws || client.policy.channel === 'bound'
  if (!outcome.ok && needed) return refuseService(client, call, outcome.checks)
  const challenge = toBase64Url(randomBytes(CHALLENGE_BYTES))
  const headers = new Headers(call.headers)
  headers.set('x-countersign-challenge', challenge)
  headers.set('x-countersign-owner', client.ownerHash)
  const { kind } = call.operation
  if (client.inline && kind !== null) headers.set('x-countersign-inline', INLINE_WANTED)
  const form = askedForm(call.request)
  const demand =
    client.httpSignature && (kind === null || form !== 'stream')
      ? demandSignature(call.url, call.body, client.crypto)
      : null
  for (const [name, value] of demand?.fields ?? []) headers.set(name, value)
  // The receipt is over the bytes as they were sent; fetch would undo a compression without a trace.
  headers.set('accept-encoding', 'identity')
  const sending = await sendOver(client, {
    ...{ url: call.url, base: call.base, authorization, outcome },
    init: {
      ...call.init,
      method: 'POST',
      headers,
      body: call.body,
      ...(call.signal === null ? {} : { signal: call.signal }),
    },
  })
  if (!sending.sent) return refuseService(client, call, sending.checks)
  const { response, channel, outcome: found } = sending
  const exchange: Exchange = {
    client,
    call,
    authorization,
    challenge,
    signature: demand?.request ?? null,
    trusted: found.ok ? found.trusted : null,
    attestation: found.checks,
    channel,
  }
  if (!isHttpStatus(response.status)) return refuseForm(exchange, response)
  if (!response.ok) return passError(exchange, response)
  if (kind === null) {
    return hasByteType(response, call.operation.endpoint)
      ? verifyBytes(exchange, response)
      : refuseForm(exchange, response)
  }
  if (!hasForm(response, form)) return refuseForm(exchange, response)
  const { body } = response
  return form === 'stream' && body !== null
    ? verifyStream(exchange, response, body as ReadableStream<Uint8Array>, kind)
    : verifyBuffered(exchange, response, kind)
}

/**
 * Makes a `fetch` that verifies every answer that has a receipt, i.e. those to a POST to a path that ends as one in `operation.ts`.
 * Completions, messages, responses and embeddings are compared by what they say, the others by their bytes. GET and HEAD pass through untouched and unverified; every
 * other request is refused unless `otherRequests` is `pass`.
 *
 * @throws TypeError for a policy with an unknown or malformed member
 */
export function verified(options: VerifiedOptions = {}): typeof fetch {
  return fetchVerifying(createClient(options), options.otherRequests === 'pass')
}

/**
 * The same for a client that was put together elsewhere, e.g. with a keyset that was judged already.
 *
 * @param passes whether requests whose answers nobody vouches for are sent
 */
export function fetchVerifying(client: Client, passes = false): typeof fetch {
  return async (input: FetchInput, init: FetchInit = {}) => {
    const call = await readCall(input, init)
    if (call !== null) return complete(client, call)
    if (!passes && !isReading(input, init)) {
      throw new VerificationError(refuseRoute(urlOf(input)))
    }
    return passOn(client, input, init)
  }
}
