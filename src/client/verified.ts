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
import { sha256 } from '@noble/hashes/sha2.js'
import type { TrustedKeyset } from '../../attestation/appraiser/appraise-document.ts'
import { fail } from '../../attestation/appraiser/check.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import type { CheckCode } from '../../attestation/appraiser/codes.ts'
import { DEFAULT_POLICY, parsePolicy } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { verifyReceipt } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type {
  ExpectedExchange,
  ReceiptLevel,
  ReceiptVerdict,
} from '../../attestation/appraiser/receipt/verify-receipt.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { contentOfCompletion } from '../../attestation/protocol/chat-content.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { parseJson } from '../../attestation/protocol/json.ts'
import { AnswerEvents } from './answer-events.ts'
import { isPlainCompletion } from './answer-shape.ts'
import { createAttestations } from './attestations.ts'
import type { AttestationOutcome, Attestations } from './attestations.ts'
import { abortable, randomBytes, readBytes, toBase64Url } from './bytes.ts'
import { fetchReceipt, readOpening, receiptIdOf } from './fetch-receipt.ts'
import { readCall } from './read-call.ts'
import type { CompletionCall, FetchInit, FetchInput } from './read-call.ts'
import { VerificationError, firstFailure } from './verification-error.ts'
import type { ClientVerdict } from './verification-error.ts'

/** Bytes of a challenge and of an owner's secret. */
export const CHALLENGE_BYTES = 32
/** Length of a buffered answer. */
export const MAX_ANSWER_BYTES = 256 * 1024 * 1024
/** Milliseconds that a stream gets to end after its terminator. */
export const DONE_GRACE_MS = 5_000

const ENDPOINT = '/v1/chat/completions'
/** Fetch standard, "null body status": a response with one of these must have no body. */
const NULL_BODY_STATUSES = new Set([101, 103, 204, 205, 304])

type WantedLevel = Exclude<ReceiptLevel, 'none'>

export interface VerifiedOptions {
  /** Members of an `AppraisalPolicy`; those not given have their default. */
  readonly policy?: Partial<AppraisalPolicy>
  /** What each finished answer must reach; default `content`, which holds through intermediaries that re-encode. */
  readonly level?: WantedLevel
  /** Called once for every chat completion, also one that was given up. */
  readonly onVerdict?: (verdict: ClientVerdict) => void
  /** `report` hands out answers that do not verify, too; then `onVerdict` is all there is. Default `throw`. */
  readonly onFailure?: 'throw' | 'report'
  /** Default: the global one. */
  readonly fetch?: typeof fetch
  readonly crypto?: CryptoPort
  /** Unix seconds. */
  readonly now?: () => number
  /** Whoever shows these bytes owns the receipts. Default: random, for this client alone. */
  readonly ownerSecret?: Uint8Array
}

interface Client {
  readonly fetch: typeof fetch
  readonly crypto: CryptoPort
  readonly now: () => number
  readonly policy: AppraisalPolicy
  readonly level: WantedLevel
  readonly throws: boolean
  readonly report: (verdict: ClientVerdict) => void
  readonly ownerHash: string
  readonly ownerSecret: string
  readonly attestations: Attestations
}

/** One request that was sent, and what is known of the service. */
interface Exchange {
  readonly client: Client
  readonly call: CompletionCall
  readonly authorization: string | null
  readonly challenge: string
  /** Null where the service did not verify and failures are only reported. */
  readonly trusted: TrustedKeyset | null
  readonly attestation: readonly Check[]
}

/** What is known of an answer when it is judged. */
interface Answer {
  readonly headers: Headers
  readonly level: WantedLevel
  readonly expected: ExpectedExchange
  /** Found while the answer was read. */
  readonly fault: CheckCode | null
  /** Every reader takes the same text from it, see `answer-shape.ts`. */
  readonly plain: boolean
}

const PROVES_RECEIPT = 'The answer has a receipt.'
const PROVES_ANSWER = 'The answer can be read in one way only, and to its end.'

function createClient(options: VerifiedOptions): Client {
  const parsed = parsePolicy(options.policy ?? DEFAULT_POLICY)
  if (!parsed.ok) throw new TypeError(`policy: ${parsed.detail}`)
  const { policy } = parsed
  const underlying = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  const crypto = options.crypto ?? nodeCrypto
  const now = options.now ?? (() => Math.floor(Date.now() / 1000))
  const secret = options.ownerSecret ?? randomBytes(CHALLENGE_BYTES)
  return {
    fetch: underlying,
    crypto,
    now,
    policy,
    level: options.level ?? 'content',
    throws: options.onFailure !== 'report',
    report(verdict) {
      try {
        options.onVerdict?.(verdict)
      } catch {
        // A reporter that fails must not decide whether an answer is handed out.
      }
    },
    ownerHash: toHex(crypto.sha256(secret)),
    ownerSecret: toBase64Url(secret),
    attestations: createAttestations({ fetch: underlying, crypto, policy, now }),
  }
}

function toVerdict(
  exchange: Exchange,
  receiptId: string | null,
  checks: readonly Check[],
  receipt: ReceiptVerdict | null,
): ClientVerdict {
  const { trusted, call } = exchange
  return {
    accepted: checks.every(({ status }) => status !== 'fail'),
    level: receipt?.level ?? 'none',
    code: firstFailure(checks),
    checks,
    receiptId,
    keysetDigest: receipt?.record?.keyset_digest ?? trusted?.keysetDigest ?? null,
    simulated: trusted?.simulated ?? null,
    outcome: receipt?.record?.outcome ?? null,
    url: call.url,
  }
}

/** Fetches and verifies the receipt of an answer. Never rejects. */
async function judge(exchange: Exchange, answer: Answer): Promise<ClientVerdict> {
  const { client, call, authorization, challenge, trusted } = exchange
  const { crypto, policy } = client
  const checks: Check[] = []
  if (answer.fault !== null) checks.push(fail('client.answer', answer.fault, PROVES_ANSWER))
  const receiptId = receiptIdOf(answer.headers)
  const without = (code: CheckCode): ClientVerdict =>
    toVerdict(exchange, receiptId, [...checks, fail('client.receipt', code, PROVES_RECEIPT)], null)
  if (trusted === null) return toVerdict(exchange, receiptId, exchange.attestation, null)
  if (receiptId === null) return without('receipt_missing')
  const { fetch, ownerSecret } = client
  const { base } = call
  const receipt = await fetchReceipt({ fetch, base, receiptId, authorization, ownerSecret })
  if (receipt === null) return without('receipt_unavailable')
  const opening = receipt.opening ?? readOpening(answer.headers.get('x-countersign-opening'))
  const verify = (keyset: TrustedKeyset): ReceiptVerdict =>
    verifyReceipt(receipt.document, {
      crypto,
      policy,
      at: client.now(),
      trusted: keyset,
      level: answer.level,
      ...(opening === null ? {} : { opening }),
      expected: {
        endpoint: ENDPOINT,
        challenge,
        receiptId,
        requestBytes: call.body,
        ...(call.request === null ? {} : { request: call.request }),
        ...answer.expected,
      },
    })
  const withShape = (verdict: ReceiptVerdict): readonly Check[] =>
    answer.plain || verdict.level === 'bytes'
      ? [...checks, ...verdict.checks]
      : [...checks, ...verdict.checks, fail('client.answer', 'answer_ambiguous', PROVES_ANSWER)]
  let verdict = verify(trusted)
  if (firstFailure(verdict.checks) !== 'receipt_other_keyset') {
    return toVerdict(exchange, receiptId, withShape(verdict), verdict)
  }
  // The service has restarted, or another one answered: what it attests to now decides.
  const renewed = await client.attestations.renew(base, authorization, trusted)
  if (!renewed.ok) {
    const both = [...checks, ...verdict.checks, ...renewed.checks]
    return toVerdict({ ...exchange, trusted: null }, receiptId, both, null)
  }
  verdict = verify(renewed.trusted)
  return toVerdict(
    { ...exchange, trusted: renewed.trusted },
    receiptId,
    withShape(verdict),
    verdict,
  )
}

/** A response like `from` with another body. */
function withBody(
  from: Response,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
): Response {
  const { status, statusText, headers } = from
  const response = new Response(NULL_BODY_STATUSES.has(status) ? null : body, {
    status,
    statusText,
    headers,
  })
  Object.defineProperty(response, 'url', { value: from.url })
  return response
}

function failingBody(error: Error): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.error(error)
    },
  })
}

/** Error answers say so themselves: they pass, with a verdict beside them. */
async function passError(exchange: Exchange, response: Response): Promise<Response> {
  const bytes = await readBytes(response, MAX_ANSWER_BYTES)
  const { headers } = response
  const verdict = await judge(exchange, {
    headers,
    level: 'signer',
    expected: bytes === null ? {} : { responseBytes: bytes },
    fault: bytes === null ? 'answer_too_long' : null,
    plain: true,
  })
  exchange.client.report(verdict)
  return withBody(response, bytes ?? new Uint8Array(0))
}

async function verifyBuffered(exchange: Exchange, response: Response): Promise<Response> {
  const { client } = exchange
  const bytes = await readBytes(response, MAX_ANSWER_BYTES)
  const parsed = bytes === null ? null : parseJson(bytes)
  const completion = parsed?.ok === true ? parsed.value : null
  const verdict = await judge(exchange, {
    headers: response.headers,
    level: client.level,
    expected: {
      requireOutcome: 'complete',
      ...(bytes === null ? {} : { responseBytes: bytes }),
      content: contentOfCompletion(completion),
    },
    fault: bytes === null ? 'answer_too_long' : null,
    plain: isPlainCompletion(completion),
  })
  client.report(verdict)
  if (bytes === null || (!verdict.accepted && client.throws)) {
    return withBody(response, failingBody(new VerificationError(verdict)))
  }
  return withBody(response, bytes)
}

type Read = { readonly done: boolean; readonly value?: Uint8Array | undefined }

/** After the terminator nothing is worth waiting for long. */
async function readWithin(
  reader: { read(): Promise<Read>; cancel(): Promise<void> },
  ms: number | null,
): Promise<Read> {
  if (ms === null) return reader.read()
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<Read>((resolve) => {
    timer = setTimeout(() => resolve({ done: true }), ms)
  })
  const read = reader.read()
  read.catch(() => undefined)
  try {
    return await Promise.race([read, late])
  } finally {
    clearTimeout(timer)
  }
}

function verifyStream(
  exchange: Exchange,
  response: Response,
  body: ReadableStream<Uint8Array>,
): Response {
  const { client } = exchange
  const { headers } = response
  const reader = body.getReader()
  const events = new AnswerEvents()
  const hash = sha256.create()
  let over = false

  /** The reader left, or the connection broke: what was said cannot be compared, who served it can. */
  const giveUp = (): void => {
    if (over) return
    over = true
    void judge(exchange, { headers, level: 'signer', expected: {}, fault: null, plain: true }).then(
      client.report,
    )
  }

  const finish = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    over = true
    events.end()
    void reader.cancel().catch(() => undefined)
    const { fault } = events
    const verdict = await judge(
      exchange,
      fault === null
        ? {
            headers,
            level: client.level,
            expected: {
              requireOutcome: 'complete',
              responseHash: hash.digest(),
              content: events.content(),
            },
            fault,
            plain: events.plain,
          }
        : { headers, level: 'signer', expected: {}, fault, plain: true },
    )
    client.report(verdict)
    if (!verdict.accepted && client.throws) {
      controller.error(new VerificationError(verdict))
      return
    }
    if (client.throws && events.held.length > 0) controller.enqueue(events.held)
    controller.close()
  }

  const source = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          let read: Read
          try {
            read = await readWithin(reader, events.done ? DONE_GRACE_MS : null)
          } catch (error) {
            giveUp()
            throw error
          }
          const { value } = read
          if (read.done || value === undefined) {
            await finish(controller)
            return
          }
          hash.update(value)
          const release = events.push(value)
          if (!client.throws) {
            // Only looked at: whoever wants reports wants the answer as it came, however it was framed.
            controller.enqueue(value)
            return
          }
          if (release.length > 0) controller.enqueue(release)
          if (events.fault !== null) {
            await finish(controller)
            return
          }
          if (release.length > 0) return
        }
      },
      async cancel(reason) {
        giveUp()
        await reader.cancel(reason)
      },
    },
    // Nothing is read ahead of the reader: back-pressure reaches the service.
    { highWaterMark: 0 },
  )
  return withBody(response, source)
}

/** What a call gets whose service did not verify. */
function refuseService(
  client: Client,
  call: CompletionCall,
  outcome: AttestationOutcome,
): Response {
  const exchange = {
    client,
    call,
    authorization: null,
    challenge: '',
    trusted: null,
    attestation: outcome.checks,
  }
  const verdict = toVerdict(exchange, null, outcome.checks, null)
  client.report(verdict)
  const error = new VerificationError(verdict)
  if (error.code === 'attestation_unavailable') throw error
  return new Response(failingBody(error), { headers: { 'content-type': 'application/json' } })
}

async function complete(client: Client, call: CompletionCall): Promise<Response> {
  const authorization = call.headers.get('authorization')
  const outcome = await abortable(client.attestations.get(call.base, authorization), call.signal)
  if (!outcome.ok && client.throws) return refuseService(client, call, outcome)
  const challenge = toBase64Url(randomBytes(CHALLENGE_BYTES))
  const headers = new Headers(call.headers)
  headers.set('x-countersign-challenge', challenge)
  headers.set('x-countersign-owner', client.ownerHash)
  // The receipt is over the bytes as they were sent; fetch would undo a compression without a trace.
  headers.set('accept-encoding', 'identity')
  const response = await client.fetch(call.url, {
    ...call.init,
    method: 'POST',
    headers,
    body: call.body,
    ...(call.signal === null ? {} : { signal: call.signal }),
  })
  const exchange: Exchange = {
    client,
    call,
    authorization,
    challenge,
    trusted: outcome.ok ? outcome.trusted : null,
    attestation: outcome.checks,
  }
  if (!response.ok) return passError(exchange, response)
  const type = response.headers.get('content-type') ?? ''
  const { body } = response
  return body !== null && /^text\/event-stream\b/i.test(type)
    ? verifyStream(exchange, response, body as ReadableStream<Uint8Array>)
    : verifyBuffered(exchange, response)
}

/**
 * Makes a `fetch` that verifies chat completions; all other requests pass through untouched.
 *
 * @throws TypeError for a policy with an unknown or malformed member
 */
export function verified(options: VerifiedOptions = {}): typeof fetch {
  const client = createClient(options)
  return async (input: FetchInput, init: FetchInit = {}) => {
    const call = await readCall(input, init)
    return call === null ? client.fetch(input, init) : complete(client, call)
  }
}
