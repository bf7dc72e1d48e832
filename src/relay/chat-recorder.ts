/**
 * The recorder that signs: reads the request, looks at the answer, and settles the receipt.
 *
 * @module
 */
import { createHash, hash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { hexToSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { RewriteName } from '../../attestation/protocol/record.ts'
import { requestMembers } from '../../attestation/protocol/request-members.ts'
import type { RequestMember } from '../../attestation/protocol/request-members.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { ReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import { createObserver } from './answer-observer.ts'
import type { Observer } from './answer-observer.ts'
import { MAX_LABEL } from './chat-observer.ts'
import { readConstraints } from './read-constraints.ts'
import type { AdmittedRequest, ReadResult, Recorder, Recording, Settlement } from './recording.ts'
import { readForm } from './read-form.ts'
import { readJsonRequest } from './read-json-request.ts'
import type { RelayRoute } from './relay-routes.ts'
import { expectedChoices, judgeFields, judgeRequest } from './request-policy.ts'
import type { RequestPolicy } from './request-policy.ts'
import { rewriteRequest } from './rewrite-request.ts'
import type { RequestRewrites } from './rewrite-request.ts'

export interface ChatRecorderOptions {
  readonly issuer: ReceiptIssuer
  readonly policy: RequestPolicy
  /** Changes to requests that the configuration asks for. */
  readonly rewrites: RequestRewrites
  readonly sseLineBytes: number
}

export function createChatRecorder(options: ChatRecorderOptions): Recorder {
  return { admit: (request) => new ChatRecording(options, request) }
}

/** Pieces of a stream, and bytes of them, that are put aside and then hashed and read in one go. */
const PIECES_AT_ONCE = 32
const BYTES_AT_ONCE = 32 * 1024

class ChatRecording implements Recording {
  readonly headers: readonly string[]
  readonly #options: ChatRecorderOptions
  readonly #admission
  /** Running over a stream's bytes, or the final value of a buffered body. */
  #response: Hash | Sha256Digest | null = null
  #requestHash: Sha256Digest | null = null
  #forwardedHash: Sha256Digest | null = null
  /** Until its members are digested; a parsed body can be many times the size of its text. */
  #request: JsonObject | null = null
  #members: readonly RequestMember[] | null = null
  #modelRequested: string | null = null
  #rewrites: readonly RewriteName[] = []
  #responseBytes = 0
  /** Sent, and neither hashed nor read yet. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #observer: Observer | null = null
  readonly #route: RelayRoute

  constructor(options: ChatRecorderOptions, request: AdmittedRequest) {
    this.#options = options
    const { ownership, challenge, route, method } = request
    this.#route = route
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

  readRequest(body: Buffer, contentType: string): ReadResult {
    this.#requestHash = sha256(body)
    if (this.#route.body === 'multipart') return this.#readForm(body, contentType)
    const read = readJsonRequest(body)
    if (!read.ok) return read
    const { request } = read
    this.#request = request
    this.#setModel(request['model'])
    const refusal = judgeRequest(request, this.#route, this.#options.policy)
    if (refusal !== null) return { ok: false, code: refusal }
    const constraints = readConstraints(request)
    if (typeof constraints === 'string') return { ok: false, code: constraints }
    const choices = expectedChoices(request, this.#route)
    this.#observer = createObserver(this.#route, choices, this.#options.sseLineBytes)
    const { bytes, applied } = rewriteRequest(body, request, {
      endpoint: this.#route.endpoint,
      rewrites: this.#options.rewrites,
      constraints,
    })
    this.#rewrites = applied
    this.#forwardedHash = applied.length === 0 ? this.#requestHash : sha256(bytes)
    return { ok: true, facts: { model: this.#modelRequested, forward: bytes } }
  }

  #setModel(model: unknown): void {
    if (typeof model === 'string' && model.length <= MAX_LABEL && model.isWellFormed()) {
      this.#modelRequested = model
    }
  }

  /** A form has no members that could be compared after an intermediary wrote it anew: its hash is all there is. */
  #readForm(body: Buffer, contentType: string): ReadResult {
    const form = readForm(body, contentType)
    if (!form.ok) {
      return {
        ok: false,
        code: form.why === 'malformed' ? 'form_malformed' : 'body_duplicate_member',
      }
    }
    this.#setModel(form.model)
    const refusal = judgeFields(form.names, this.#options.policy)
    if (refusal !== null) return { ok: false, code: refusal }
    this.#observer = createObserver(this.#route, 1, this.#options.sseLineBytes)
    this.#forwardedHash = this.#requestHash
    return { ok: true, facts: { model: this.#modelRequested, forward: body } }
  }

  digestRequest(): void {
    if (this.#request === null) return
    this.#members = requestMembers(this.#request, this.#admission.salt, nodeCrypto)
    this.#request = null
  }

  cutRequest(body: Buffer): void {
    this.#requestHash = sha256(body)
  }

  pass(chunk: Buffer): boolean {
    const observer = this.#observer
    if (observer === null) return true
    if (observer.canWait(chunk)) {
      this.#waiting.push(chunk)
      this.#waitingBytes += chunk.length
      const full = this.#waiting.length >= PIECES_AT_ONCE || this.#waitingBytes >= BYTES_AT_ONCE
      if (full) this.#readWaiting()
      return true
    }
    this.#readWaiting()
    observer.stream(chunk)
    if (observer.terminatorInSight) return false
    this.#hash(chunk)
    return true
  }

  get terminated(): boolean {
    return this.#observer?.terminated ?? false
  }

  sent(chunk: Buffer): void {
    this.#hash(chunk)
  }

  #readWaiting(): void {
    const [first] = this.#waiting
    if (first === undefined) return
    const bytes =
      this.#waiting.length === 1 ? first : Buffer.concat(this.#waiting, this.#waitingBytes)
    this.#waiting = []
    this.#waitingBytes = 0
    this.#hash(bytes)
    this.#observer?.streamWaiting(bytes)
  }

  #hash(bytes: Buffer): void {
    if (typeof this.#response === 'string') return
    this.#response ??= createHash('sha256')
    this.#response.update(bytes)
    this.#responseBytes += bytes.length
  }

  /** Of what was sent: a request that went nowhere was not changed on its way. */
  #rewritesOf({ forwarded, keptAlive }: Settlement): readonly RewriteName[] {
    const request = forwarded ? this.#rewrites : []
    return keptAlive === true ? ([...request, 'keep_alive'] as const).toSorted() : request
  }

  get receiptId(): string {
    return this.#admission.receiptId
  }

  get responseBytes(): number {
    return this.#responseBytes
  }

  buffered(body: Buffer, decoded: Buffer | null): void {
    this.#response = sha256(body)
    this.#responseBytes = body.length
    if (decoded !== null) this.#observer?.body(decoded)
  }

  get complete(): boolean {
    this.#readWaiting()
    return this.#observer?.complete ?? false
  }

  settle(settlement: Settlement): Promise<void> | null {
    this.#readWaiting()
    const facts = this.#observer?.facts()
    this.digestRequest()
    return this.#options.issuer.settle(this.#admission, {
      outcome: settlement.outcome,
      status: settlement.status,
      backend: settlement.backend,
      requestHash: this.#requestHash ?? EMPTY_HASH,
      forwardedHash: settlement.forwarded ? this.#forwardedHash : null,
      responseHash: this.#responseHash(),
      responseBytes: this.#responseBytes,
      whole: settlement.whole,
      members: this.#members,
      chatId: facts?.chatId ?? null,
      modelRequested: this.#modelRequested,
      modelServed: facts?.modelServed ?? null,
      content: facts?.content ?? { status: 'none', content: null, uncovered: [] },
      finishReasons: facts?.finishReasons ?? [],
      usage: facts?.usage ?? null,
      rewrites: this.#rewritesOf(settlement),
    })
  }

  #responseHash(): Sha256Digest {
    if (this.#response === null) return EMPTY_HASH
    if (typeof this.#response === 'string') return this.#response
    return hexToSha256Digest(this.#response.digest('hex'))
  }
}

function sha256(bytes: Buffer): Sha256Digest {
  return hexToSha256Digest(hash('sha256', bytes))
}

const EMPTY_HASH = sha256(Buffer.alloc(0))
