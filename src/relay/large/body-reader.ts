/**
 * Reads large bodies in worker threads, so that no stream waits for somebody else's million tokens or picture.
 *
 * @module
 */
import type { Sha256Digest } from '../../../attestation/protocol/hex.ts'
import type { RequestMember } from '../../../attestation/protocol/request-members.ts'
import type { RequestReading } from '../read-request.ts'
import { isBodyAnswer } from './jobs.ts'
import type {
  AnswerAnswer,
  AnswerJob,
  BodyAnswer,
  BodyJob,
  MembersAnswer,
  ReadingAnswer,
  RequestJob,
} from './jobs.ts'
import { createWorkerPool } from './worker-pool.ts'

export interface LargeRequest {
  /** As soon as it is known what to do with the request. Rejects where the thread broke down. */
  readonly reading: Promise<Omit<RequestReading, 'request'>>
  /** Digests of its members, later; null where the body was not a JSON object. Rejects where the thread broke down. */
  readonly members: Promise<readonly RequestMember[] | null>
}

export interface BodyReader {
  request(job: RequestJob): LargeRequest
  answer(job: AnswerJob): Promise<AnswerAnswer>
  hash(pieces: readonly Uint8Array[]): Promise<Sha256Digest>
  close(): Promise<void>
}

/** The script beside this module, once both are built. */
export const BODY_WORKER = new URL('./body-worker.js', import.meta.url)

function brokeDown(): Error {
  return new Error('the thread that reads large bodies broke down')
}

function readingOf(answer: ReadingAnswer): Omit<RequestReading, 'request'> {
  const { requestHash, model, verdict } = answer
  if (!verdict.ok) return { requestHash, model, verdict }
  const { buffer, byteOffset, length } = verdict.forward
  const forward = Buffer.from(buffer, byteOffset, length)
  const { choices, forwardedHash, rewrites } = verdict
  return { requestHash, model, verdict: { ok: true, choices, forward, forwardedHash, rewrites } }
}

/** @param script of the thread; tests, which run from source, give one that they built */
export function createBodyReader(script: URL = BODY_WORKER): BodyReader {
  const pool = createWorkerPool<BodyJob, BodyAnswer>(script, isBodyAnswer)
  return {
    request(job) {
      let takeMembers: (answer: MembersAnswer | null) => void = () => {}
      const members = new Promise<readonly RequestMember[] | null>((resolve, reject) => {
        takeMembers = (answer) => {
          if (answer === null) reject(brokeDown())
          else resolve(answer.members)
        }
      })
      // Who has left before they came does not wait for them.
      members.catch(() => {})
      const reading = new Promise<Omit<RequestReading, 'request'>>((resolve, reject) => {
        pool.run(job, job.pieces, (answer) => {
          if (answer?.part === 'reading') {
            resolve(readingOf(answer))
          } else {
            takeMembers(answer?.part === 'members' ? answer : null)
            // Of no effect where the reading came first, as it does.
            reject(brokeDown())
          }
        })
      })
      return { reading, members }
    },
    answer: (job) =>
      new Promise((resolve, reject) => {
        pool.run(job, job.pieces, (answer) => {
          if (answer?.part === 'answer') resolve(answer)
          else reject(brokeDown())
        })
      }),
    hash: (pieces) =>
      new Promise((resolve, reject) => {
        pool.run({ kind: 'hash', pieces }, pieces, (answer) => {
          if (answer?.part === 'hash') resolve(answer.hash)
          else reject(brokeDown())
        })
      }),
    close: () => pool.close(),
  }
}
