/**
 * The recorder that signs: reads the request, looks at the answer, and settles the receipt.
 *
 * @module
 */
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { RewriteName } from '../../attestation/protocol/record.ts'
import { requestMembers } from '../../attestation/protocol/request-members.ts'
import type { RequestMember } from '../../attestation/protocol/request-members.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { NO_CONTENT, attestContent } from '../../enclave/receipts/attest-content.ts'
import type { Exchange as Settled, ReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import { createObserver } from './answer-observer.ts'
import type { Observer } from './answer-observer.ts'
import type { BodyReader } from './large/body-reader.ts'
import { LARGE_BODY_BYTES } from './large/gather.ts'
import type { Gathered } from './large/gather.ts'
import type { AnswerAnswer } from './large/jobs.ts'
import { readRequest, sha256Of } from './read-request.ts'
import type { RequestReading, RequestRules } from './read-request.ts'
import type { AdmittedRequest, ReadResult, Recorder, Recording, Settlement } from './recording.ts'
import type { RelayRoute } from './relay-routes.ts'
import { EMPTY_HASH, ResponseDigest } from './response-digest.ts'

export interface ChatRecorderOptions {
  readonly issuer: ReceiptIssuer
  readonly rules: RequestRules
  /** Reads what is large. */
  readonly bodies: BodyReader
  readonly sseLineBytes: number
}

export function createChatRecorder(options: ChatRecorderOptions): Recorder {
  return { admit: (request) => new ChatRecording(options, request) }
}

type Members = readonly RequestMember[] | null

/** Pieces of a stream, and bytes of them, that are put aside and then hashed and read in one go. */
const PIECES_AT_ONCE = 32
const BYTES_AT_ONCE = 32 * 1024

class ChatRecording implements Recording {
  readonly headers: readonly string[]
  readonly #options: ChatRecorderOptions
  readonly #admission
  readonly #response = new ResponseDigest()
  #requestHash: Sha256Digest | null = null
  #forwardedHash: Sha256Digest | null = null
  /** Until its members are digested; a parsed body can be many times the size of its text. */
  #request: JsonObject | null = null
  #members: Members = null
  /** Of a request that a worker thread reads. */
  #largeMembers: Promise<Members> | null = null
  #largeRequestHash: Promise<Sha256Digest> | null = null
  #largeAnswer: AnswerAnswer | null = null
  #choices = 1
  #modelRequested: string | null = null
  #rewrites: readonly RewriteName[] = []
  /** Sent, and neither hashed nor read yet. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #observer: Observer | null = null
  /** Reading the answer failed by a fault of ours. */
  #broken = false
  readonly #route: RelayRoute
  readonly inline: boolean
  #inlineReceipt: string | null = null

  constructor(options: ChatRecorderOptions, request: AdmittedRequest) {
    this.#options = options
    const { ownership, challenge, route, method, inline } = request
    this.#route = route
    this.inline = inline
    this.#admission = options.issuer.admit({
      ownership,
      challenge,
      endpoint: route.endpoint,
      method,
    })
    const { receiptId, opening } = this.#admission
    this.headers = [
      'X-Receipt-Id',
      receiptId,
      'ZG-Res-Key',
      receiptId,
      'X-Countersign-Opening',
      opening,
    ]
  }

  readRequest(body: Gathered, contentType: string): ReadResult | Promise<ReadResult> {
    if (body.large) return this.#readLarge(body.pieces, contentType)
    const reading = readRequest(body.bytes, contentType, this.#route, this.#options.rules)
    this.#request = reading.request
    return this.#take(reading)
  }

  /** Never rejects. */
  async #readLarge(pieces: readonly Uint8Array[], contentType: string): Promise<ReadResult> {
    const { reading, members } = this.#options.bodies.request({
      kind: 'request',
      pieces,
      contentType,
      endpoint: this.#route.endpoint,
      rules: this.#options.rules,
      salt: this.#admission.salt,
    })
    try {
      const result = this.#take(await reading)
      this.#largeMembers = members
      return result
    } catch {
      // It was handed over, and is gone with the thread.
      return { ok: false, code: 'internal_error', lost: true }
    }
  }

  #take({ requestHash, model, verdict }: Omit<RequestReading, 'request'>): ReadResult {
    this.#requestHash = requestHash
    this.#modelRequested = model
    if (!verdict.ok) return verdict
    const { choices, forward, forwardedHash, rewrites } = verdict
    this.#choices = choices
    this.#observer = createObserver(this.#route, choices, this.#options.sseLineBytes)
    this.#forwardedHash = forwardedHash
    this.#rewrites = rewrites
    return { ok: true, facts: { model, forward } }
  }

  digestRequest(): void {
    if (this.#request === null) return
    this.#members = requestMembers(this.#request, this.#admission.salt, nodeCrypto)
    this.#request = null
  }

  cutRequest(body: Gathered): void {
    if (body.large) this.#largeRequestHash = this.#options.bodies.hash(body.pieces)
    else this.#requestHash = sha256Of(body.bytes)
  }

  pass(chunk: Buffer): boolean {
    const observer = this.#observer
    if (observer === null) return true
    if (this.#broken) return false
    try {
      if (observer.canWait(chunk)) {
        this.#waiting.push(chunk)
        this.#waitingBytes += chunk.length
        const full = this.#waiting.length >= PIECES_AT_ONCE || this.#waitingBytes >= BYTES_AT_ONCE
        if (full) this.#readWaiting()
        return true
      }
      this.#readWaiting()
      observer.stream(chunk)
      if (observer.terminatorInSight || this.#broken) return false
    } catch {
      this.#broken = true
      return false
    }
    this.#response.add(chunk)
    return true
  }

  /**
   * Asks the observer, if there is one to be asked. A fault of ours in reading an answer costs the answer its content, and
   * the rest of a stream is held to its end; it must not end what goes on around it.
   */
  #observe<T>(ask: (observer: Observer) => T): T | null {
    if (this.#observer === null || this.#broken) return null
    try {
      return ask(this.#observer)
    } catch {
      this.#broken = true
      return null
    }
  }

  get terminated(): boolean {
    return this.#observe((observer) => observer.terminated) ?? false
  }

  sent(chunk: Buffer): void {
    this.#response.add(chunk)
  }

  #readWaiting(): void {
    const [first] = this.#waiting
    if (first === undefined) return
    const bytes =
      this.#waiting.length === 1 ? first : Buffer.concat(this.#waiting, this.#waitingBytes)
    this.#waiting = []
    this.#waitingBytes = 0
    this.#response.add(bytes)
    this.#observe((observer) => observer.streamWaiting(bytes))
  }

  get receiptId(): string {
    return this.#admission.receiptId
  }

  get inlineReceipt(): string | null {
    return this.#inlineReceipt
  }

  get responseBytes(): number {
    return this.#response.bytes
  }

  buffered(body: Gathered, decoded?: Buffer | null): Promise<Buffer> | Buffer {
    if (body.large || (decoded ?? EMPTY).length >= LARGE_BODY_BYTES) {
      return this.#readLargeAnswer(
        body.large ? body.pieces : [Uint8Array.from(body.bytes)],
        decoded,
      )
    }
    const { bytes } = body
    this.#response.set(sha256Of(bytes), bytes.length)
    const text = decoded === undefined ? bytes : decoded
    if (text !== null) this.#observe((observer) => observer.body(text))
    return bytes
  }

  async #readLargeAnswer(
    pieces: readonly Uint8Array[],
    decoded: Buffer | null | undefined,
  ): Promise<Buffer> {
    const answer = await this.#options.bodies.answer({
      kind: 'answer',
      pieces,
      decoded,
      endpoint: this.#route.endpoint,
      choices: this.#choices,
      salt: this.#admission.salt,
    })
    this.#largeAnswer = answer
    this.#response.set(answer.responseHash, answer.body.length)
    return bufferOf(answer.body)
  }

  get complete(): boolean {
    if (this.#largeAnswer !== null) return this.#largeAnswer.complete
    this.#readWaiting()
    return this.#observe((observer) => observer.complete) ?? false
  }

  settle(settlement: Settlement): Promise<void> | null {
    this.#readWaiting()
    this.digestRequest()
    return this.#largeMembers === null && this.#largeRequestHash === null
      ? this.#issue(settlement, this.#members)
      : this.#issueLarge(settlement)
  }

  /** Rejects where a thread broke down: a receipt must not say that there were no members, or no body. */
  async #issueLarge(settlement: Settlement): Promise<void> {
    this.#requestHash = (await this.#largeRequestHash) ?? this.#requestHash
    await this.#issue(settlement, await this.#largeMembers)
  }

  #issue(settlement: Settlement, members: Members): Promise<void> | null {
    const { facts, content } = this.#answer()
    const settled: Settled = {
      outcome: settlement.outcome,
      status: settlement.status,
      backend: settlement.backend,
      requestHash: this.#requestHash ?? EMPTY_HASH,
      forwardedHash: settlement.forwarded ? this.#forwardedHash : null,
      responseHash: this.#response.end(),
      responseBytes: this.#response.bytes,
      whole: settlement.whole,
      members,
      chatId: facts?.chatId ?? null,
      modelRequested: this.#modelRequested,
      modelServed: facts?.modelServed ?? null,
      content,
      finishReasons: facts?.finishReasons ?? [],
      usage: facts?.usage ?? null,
      rewrites: this.#rewritesOf(settlement),
    }
    const { issuer } = this.#options
    if (!this.inline) return issuer.settle(this.#admission, settled)
    return issuer.settle(this.#admission, settled, (document) => {
      this.#inlineReceipt = document
    })
  }

  /** Of what was sent: a request that went nowhere was not changed on its way. */
  #rewritesOf({ forwarded, keptAlive }: Settlement): readonly RewriteName[] {
    const request = forwarded ? this.#rewrites : []
    return keptAlive === true ? ([...request, 'keep_alive'] as const).toSorted() : request
  }

  /** What the answer said, as far as it was read. */
  #answer(): Pick<AnswerAnswer, 'content'> & { readonly facts: AnswerAnswer['facts'] | null } {
    if (this.#largeAnswer !== null) return this.#largeAnswer
    const { salt } = this.#admission
    return (
      this.#observe((observer) => {
        const facts = observer.facts()
        return { facts, content: attestContent(facts.content, salt, nodeCrypto) }
      }) ?? { facts: null, content: NO_CONTENT }
    )
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

const EMPTY = Buffer.alloc(0)
