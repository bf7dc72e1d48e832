/**
 * The thread that reads large bodies: hashes, parses and digests what would hold up every stream for tens of milliseconds.
 * It holds no key; the opening of one receipt comes with each job.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { nodeCrypto } from '../../../attestation/crypto/node.ts'
import { hexToSha256Digest } from '../../../attestation/protocol/hex.ts'
import { requestMembers } from '../../../attestation/protocol/request-members.ts'
import { attestContent } from '../../../enclave/receipts/attest-content.ts'
import { createObserver } from '../answer-observer.ts'
import { readRequest, sha256Of } from '../read-request.ts'
import { RELAY_ROUTES } from '../relay-routes.ts'
import type { RelayRoute } from '../relay-routes.ts'
import type { AnswerJob, BodyAnswer, BodyJob, HashJob, RequestJob } from './jobs.ts'
import { memoryOf } from './worker-pool.ts'

const port = parentPort
if (port === null) throw new Error('this module is the script of a worker thread')

function routeOf(endpoint: string): RelayRoute {
  const route = RELAY_ROUTES.find((one) => one.endpoint === endpoint)
  if (route === undefined) throw new TypeError('a job names a route of the table')
  return route
}

/** In one piece, which belongs to nobody else. */
function joined(pieces: readonly Uint8Array[]): Buffer {
  const [only] = pieces
  if (pieces.length !== 1 || only === undefined) return Buffer.concat(pieces)
  return Buffer.from(only.buffer, only.byteOffset, only.length)
}

/** What is short may lie in memory that Node keeps for short buffers, and that cannot be handed back. */
function returnable(bytes: Buffer): Uint8Array {
  return bytes.length < Buffer.poolSize ? Uint8Array.from(bytes) : bytes
}

type Tell = (message: BodyAnswer, handed?: readonly Uint8Array[]) => void

function request(given: RequestJob, job: number, tell: Tell): void {
  const body = joined(given.pieces)
  const reading = readRequest(body, given.contentType, routeOf(given.endpoint), given.rules)
  const { requestHash, model, verdict } = reading
  if (verdict.ok) {
    const forward = returnable(verdict.forward)
    const { choices, forwardedHash, rewrites } = verdict
    const told = { ok: true, choices, forward, forwardedHash, rewrites } as const
    tell({ part: 'reading', job, last: false, requestHash, model, verdict: told }, [forward])
  } else {
    tell({ part: 'reading', job, last: false, requestHash, model, verdict })
  }
  const members =
    reading.request === null ? null : requestMembers(reading.request, given.salt, nodeCrypto)
  tell({ part: 'members', job, last: true, members })
}

function answer(given: AnswerJob, job: number, tell: Tell): void {
  const sent = joined(given.pieces)
  // A body is one piece: there is no line in it that could be too long.
  const observer = createObserver(routeOf(given.endpoint), given.choices, 0)
  const text = given.decoded === undefined ? sent : given.decoded
  if (text !== null) observer.body(Buffer.from(text.buffer, text.byteOffset, text.length))
  const { content, ...facts } = observer.facts()
  const body = returnable(sent)
  tell(
    {
      part: 'answer',
      job,
      last: true,
      responseHash: sha256Of(sent),
      complete: observer.complete,
      facts,
      content: attestContent(content, given.salt, nodeCrypto),
      body,
    },
    [body],
  )
}

function hashOf(given: HashJob, job: number, tell: Tell): void {
  const hash = createHash('sha256')
  for (const piece of given.pieces) hash.update(piece)
  tell({ part: 'hash', job, last: true, hash: hexToSha256Digest(hash.digest('hex')) })
}

const tell: Tell = (message, handed = []) => port.postMessage(message, memoryOf(handed))

port.on('message', (given: BodyJob & { readonly job: number }) => {
  switch (given.kind) {
    case 'request':
      request(given, given.job, tell)
      return
    case 'answer':
      answer(given, given.job, tell)
      return
    case 'hash':
      hashOf(given, given.job, tell)
  }
})
