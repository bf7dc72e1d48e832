/**
 * The thread that reads large bodies: hashes, parses and digests what would hold up every stream for tens of milliseconds.
 * It holds no key; the opening of one receipt comes with each job.
 *
 * @module
 */
import { parentPort } from 'node:worker_threads'
import { nodeCrypto } from '../../../attestation/crypto/node.ts'
import { requestMembers } from '../../../attestation/protocol/request-members.ts'
import { attestContent } from '../../../enclave/receipts/attest-content.ts'
import { createObserver } from '../answer-observer.ts'
import { readRequest, sha256Of } from '../read-request.ts'
import { RELAY_ROUTES } from '../relay-routes.ts'
import type { RelayRoute } from '../relay-routes.ts'
import type { AnswerJob, BodyAnswer, BodyJob, RequestJob } from './jobs.ts'

const port = parentPort
if (port === null) throw new Error('this module is the script of a worker thread')

function routeOf(endpoint: string): RelayRoute {
  const route = RELAY_ROUTES.find((one) => one.endpoint === endpoint)
  if (route === undefined) throw new TypeError('a job names a route of the table')
  return route
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function request(given: RequestJob, job: number, answer: (message: BodyAnswer) => void): void {
  const body = bufferOf(given.body)
  const reading = readRequest(body, given.contentType, routeOf(given.endpoint), given.rules)
  const { requestHash, model, verdict } = reading
  answer({
    part: 'reading',
    job,
    last: false,
    requestHash,
    model,
    verdict: verdict.ok
      ? {
          ok: true,
          choices: verdict.choices,
          rewritten: verdict.forward === body ? null : verdict.forward,
          forwardedHash: verdict.forwardedHash,
          rewrites: verdict.rewrites,
        }
      : verdict,
  })
  const members =
    reading.request === null ? null : requestMembers(reading.request, given.salt, nodeCrypto)
  answer({ part: 'members', job, last: true, members })
}

function read(given: AnswerJob, job: number): BodyAnswer {
  // A body is one piece: there is no line in it that could be too long.
  const observer = createObserver(routeOf(given.endpoint), given.choices, 0)
  if (given.decoded !== null) observer.body(bufferOf(given.decoded))
  const { content, ...facts } = observer.facts()
  return {
    part: 'answer',
    job,
    last: true,
    responseHash: sha256Of(given.body),
    complete: observer.complete,
    facts,
    content: attestContent(content, given.salt, nodeCrypto),
  }
}

port.on('message', (given: BodyJob & { readonly job: number }) => {
  switch (given.kind) {
    case 'request':
      request(given, given.job, (message) => port.postMessage(message))
      return
    case 'answer':
      port.postMessage(read(given, given.job))
  }
})
