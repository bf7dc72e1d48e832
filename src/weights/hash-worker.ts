/**
 * A thread that hashes the files of a folder of weights, one at a time, each when it is told to.
 *
 * @module
 */
import { parentPort } from 'node:worker_threads'
import { hashFile } from './hash-file.ts'
import type { HashAnswer } from './hash-jobs.ts'
import { isListedFile } from './hash-jobs.ts'
import { WeightsError } from './weights-error.ts'
import { WEIGHTS_READ_BYTES } from './weights-limits.ts'

const port = parentPort
if (port === null) throw new Error('this module is the script of a worker thread')

const buffer = new Uint8Array(WEIGHTS_READ_BYTES)
const tell = (answer: HashAnswer) => port.postMessage(answer)

port.on('message', (job: unknown) => {
  if (!isListedFile(job)) throw new TypeError('a job is a listed file')
  try {
    tell({ kind: 'hash', sha256: hashFile(job, buffer, (bytes) => tell({ kind: 'bytes', bytes })) })
  } catch (error) {
    if (!(error instanceof WeightsError)) throw error
    tell({ kind: 'error', code: error.code, path: error.path })
  }
})
