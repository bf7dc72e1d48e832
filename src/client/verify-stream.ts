/**
 * The streamed way: passes an answer on while it comes, and its terminator when the receipt has verified.
 *
 * @module
 */
import { sha256 } from '@noble/hashes/sha2.js'
import type { ContentKind } from '../../attestation/protocol/content.ts'
import { AnswerEvents } from './answer-events.ts'
import { InlineReceipts } from './inline-receipts.ts'
import { judgeAnswer } from './judge-answer.ts'
import type { Exchange } from './judge-answer.ts'
import { readEvents } from './read-answer.ts'
import { VerificationError } from './verification-error.ts'
import { withBody } from './with-body.ts'

/** Milliseconds that a stream gets to end after its terminator, however often something comes meanwhile. */
export const DONE_GRACE_MS = 5_000

type Read = { readonly done: boolean; readonly value?: Uint8Array | undefined }

/** After the terminator nothing is worth waiting for long. */
async function readWithin(
  reader: { read(): Promise<Read>; cancel(): Promise<void> },
  ms: number | null,
): Promise<Read> {
  if (ms === null) return reader.read()
  // What is there already would win against any timer, and there could be no end of it.
  if (ms <= 0) return { done: true }
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

/** @param body of `response`, read by nobody else */
export function verifyStream(
  exchange: Exchange,
  response: Response,
  body: ReadableStream<Uint8Array>,
  kind: ContentKind,
): Response {
  const { client } = exchange
  const { headers, status } = response
  const reader = body.getReader()
  const events = new AnswerEvents(kind, client.crypto)
  const inline = new InlineReceipts()
  const hash = sha256.create()
  let over = false
  /** From the first read after the terminator on: a slow reader costs the service nothing of it. */
  let deadlineMs: number | null = null

  /** The reader left, or the connection broke: what was said cannot be compared, who served it can. */
  const giveUp = (): void => {
    if (over) return
    over = true
    void judgeAnswer(exchange, {
      headers,
      status,
      level: 'signer',
      expected: {},
      fault: null,
      plain: true,
    }).then(client.report)
  }

  /** @returns whether the reader has got something */
  const take = (
    value: Uint8Array,
    controller: ReadableStreamDefaultController<Uint8Array>,
  ): boolean => {
    hash.update(value)
    const release = events.push(value)
    // Only looked at: whoever wants reports wants the answer as it came, however it was framed.
    const out = client.throws ? release : value
    if (out.length > 0) controller.enqueue(out)
    return out.length > 0
  }

  const finish = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    over = true
    events.end()
    void reader.cancel().catch(() => undefined)
    const { expected, fault, plain } = readEvents(events)
    const verdict = await judgeAnswer(
      exchange,
      fault === null
        ? {
            headers,
            status,
            level: client.level,
            expected: {
              requireOutcome: 'complete',
              responseHash: hash.digest(),
              ...expected,
            },
            fault,
            plain,
            inline: inline.receipt(),
          }
        : { headers, status, level: 'signer', expected, fault, plain },
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
          if (events.done) deadlineMs ??= performance.now() + DONE_GRACE_MS
          const left = deadlineMs === null ? null : deadlineMs - performance.now()
          try {
            read = await readWithin(reader, left)
          } catch (error) {
            giveUp()
            throw error
          }
          const { value } = read
          if (read.done || value === undefined) {
            take(inline.end(), controller)
            await finish(controller)
            return
          }
          const taken = take(inline.push(value), controller)
          if (client.throws && events.fault !== null) {
            await finish(controller)
            return
          }
          if (taken) return
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
