/**
 * The recorder that signs: reads the request, looks at the answer, and settles the receipt.
 *
 * @module
 */
import { digestHex } from '../../attestation/protocol/hex.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { RewriteName } from '../../attestation/protocol/record.ts'
import { requestMembers } from '../../attestation/protocol/request-members.ts'
import type { RequestMember } from '../../attestation/protocol/request-members.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { NO_CONTENT, attestContent } from '../../enclave/receipts/attest-content.ts'
import type { Exchange as Settled, ReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { HttpSigner } from '../../enclave/http-signatures/http-signer.ts'
import { createObserver } from './answer-observer.ts'
import type { BodyReader } from './large/body-reader.ts'
import { LARGE_BODY_BYTES } from './large/gather.ts'
import type { Gathered } from './large/gather.ts'
import { wishedHeaders } from './answer-wishes.ts'
import type { AnswerWishes } from './answer-wishes.ts'
import type { AnswerAnswer } from './large/jobs.ts'
import { readRequest, sha256Of } from './read-request.ts'
import type { RequestReading, RequestRules } from './read-request.ts'
import type { AdmittedRequest, ReadResult, Recorder, Recording, Settlement } from './recording.ts'
import type { RelayRoute } from './relay-routes.ts'
import { EMPTY_HASH } from './response-digest.ts'
import { WatchedAnswer } from './watched-answer.ts'

export interface ChatRecorderOptions {
  readonly issuer: ReceiptIssuer
  readonly rules: RequestRules
  /** Reads what is large. */
  readonly bodies: BodyReader
  readonly httpSigner: HttpSigner
  readonly sseLineBytes: number
}

export function createChatRecorder(options: ChatRecorderOptions): Recorder {
  return { admit: (request) => new ChatRecording(options, request) }
}

type Members = readonly RequestMember[] | null

class ChatRecording implements Recording {
  readonly headers: readonly string[]
  readonly #options: ChatRecorderOptions
  readonly #admission
  readonly #sent = new WatchedAnswer()
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
  readonly #route: RelayRoute
  readonly #wishes: AnswerWishes | null
  readonly inline: boolean
  #responseHash: Sha256Digest = EMPTY_HASH
  #inlineReceipt: string | null = null

  constructor(options: ChatRecorderOptions, request: AdmittedRequest) {
    this.#options = options
    const { ownership, challenge, route, method, wishes } = request
    this.#route = route
    this.#wishes = wishes
    this.inline = wishes?.inline ?? false
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
    this.#sent.show(createObserver(this.#route, choices, this.#options.sseLineBytes))
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
    return this.#sent.pass(chunk)
  }

  get terminated(): boolean {
    return this.#sent.observe((observer) => observer.terminated) ?? false
  }

  sent(chunk: Buffer): void {
    this.#sent.digest.add(chunk)
  }

  get receiptId(): string {
    return this.#admission.receiptId
  }

  get inlineReceipt(): string | null {
    return this.#inlineReceipt
  }

  wishedHeaders(status: number): readonly string[] {
    if (this.#wishes === null) return NONE
    const { receiptId, method } = this.#admission
    const answer = {
      status,
      receiptId,
      method,
      receipt: this.#inlineReceipt,
      requestHash: digestBytes(this.#requestHash ?? EMPTY_HASH),
      responseHash: digestBytes(this.#responseHash),
      responseBytes: this.responseBytes,
    }
    return wishedHeaders(this.#wishes, answer, this.#options.httpSigner)
  }

  get responseBytes(): number {
    return this.#sent.digest.bytes
  }

  buffered(body: Gathered, decoded?: Buffer | null): Promise<Buffer> | Buffer {
    if (body.large || (decoded ?? EMPTY).length >= LARGE_BODY_BYTES) {
      return this.#readLargeAnswer(
        body.large ? body.pieces : [Uint8Array.from(body.bytes)],
        decoded,
      )
    }
    const { bytes } = body
    this.#sent.digest.set(sha256Of(bytes), bytes.length)
    const text = decoded === undefined ? bytes : decoded
    if (text !== null) this.#sent.observe((observer) => observer.body(text))
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
    this.#sent.digest.set(answer.responseHash, answer.body.length)
    return bufferOf(answer.body)
  }

  get complete(): boolean {
    if (this.#largeAnswer !== null) return this.#largeAnswer.complete
    this.#sent.readWaiting()
    return this.#sent.observe((observer) => observer.complete) ?? false
  }

  settle(settlement: Settlement): Promise<void> | null {
    this.#sent.readWaiting()
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
      responseHash: (this.#responseHash = this.#sent.digest.end()),
      responseBytes: this.#sent.digest.bytes,
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
      this.#sent.observe((observer) => {
        const facts = observer.facts()
        return { facts, content: attestContent(facts.content, salt, nodeCrypto) }
      }) ?? { facts: null, content: NO_CONTENT }
    )
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function digestBytes(digest: Sha256Digest): Buffer {
  return Buffer.from(digestHex(digest), 'hex')
}

const EMPTY = Buffer.alloc(0)
const NONE: readonly string[] = []
