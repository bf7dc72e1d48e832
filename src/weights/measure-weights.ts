/**
 * Measures a folder of weights: every file hashed, several at once, into one digest.
 *
 * @module
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import { weightsDigest } from '../../attestation/protocol/weights-digest.ts'
import type { WeightsFile } from '../../attestation/protocol/weights-digest.ts'
import { isHashAnswer } from './hash-jobs.ts'
import { listWeights } from './list-weights.ts'
import type { ListedFile } from './list-weights.ts'
import { WeightsError } from './weights-error.ts'
import { MAX_WEIGHTS_THREADS, WEIGHTS_PROGRESS_MS } from './weights-limits.ts'

/** The script beside this module, once both are built. */
export const HASH_WORKER = new URL('./hash-worker.js', import.meta.url)

export interface Weights {
  readonly digest: Sha256Digest
  readonly files: number
  readonly bytes: number
}

/** Counts alone: names of files are the operator's. */
export interface WeightsProgress {
  readonly files: number
  readonly ofFiles: number
  readonly bytes: number
  readonly ofBytes: number
}

export interface MeasureWeightsOptions {
  /** Script of the threads; tests, which run from source, give one that they built. */
  readonly script?: URL
  /** Ends it; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: WeightsProgress) => void
  readonly progressMs?: number
}

/** One thread, until there is nothing more to take. */
function hashAll(
  worker: Worker,
  next: () => ListedFile | undefined,
  onBytes: (bytes: number) => void,
  onFile: (file: ListedFile, sha256: Hex32) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let at = next()
    const advance = () => {
      if (at === undefined) resolve()
      else worker.postMessage(at)
    }
    worker.on('message', (answer: unknown) => {
      if (!isHashAnswer(answer) || at === undefined) {
        reject(new TypeError('a thread sent what is no answer'))
      } else if (answer.kind === 'bytes') onBytes(answer.bytes)
      else if (answer.kind === 'error') reject(new WeightsError(answer.code, answer.path))
      else {
        onFile(at, answer.sha256)
        at = next()
        advance()
      }
    })
    worker.on('error', reject)
    worker.on('exit', () => reject(new Error('a thread that hashes weights ended')))
    advance()
  })
}

/**
 * @param folder absolute
 * @throws WeightsError
 */
export async function measureWeights(
  folder: string,
  options: MeasureWeightsOptions = {},
): Promise<Weights> {
  const { signal, onProgress = () => {} } = options
  const listed = await listWeights(folder)
  signal?.throwIfAborted()
  const ofBytes = listed.reduce((sum, { size }) => sum + size, 0)
  // The largest first, so that no thread starts on one when the others are done.
  const waiting = [...listed].sort((a, b) => a.size - b.size)
  const files: WeightsFile[] = []
  let bytes = 0
  const say = () => onProgress({ files: files.length, ofFiles: listed.length, bytes, ofBytes })
  const timer = setInterval(say, options.progressMs ?? WEIGHTS_PROGRESS_MS)
  const count = Math.min(availableParallelism(), MAX_WEIGHTS_THREADS, listed.length)
  const workers = Array.from({ length: count }, () => new Worker(options.script ?? HASH_WORKER))
  let stop: (() => void) | undefined
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal?.reason)
    signal?.addEventListener('abort', stop, { once: true })
  })
  stopped.catch(() => {})
  try {
    const hashing = workers.map((worker) =>
      hashAll(
        worker,
        () => waiting.pop(),
        (more) => (bytes += more),
        ({ path, size }, sha256) => files.push({ path, size, sha256 }),
      ),
    )
    await Promise.race([Promise.all(hashing), stopped])
    say()
    return { digest: weightsDigest(files, nodeCrypto), files: files.length, bytes }
  } finally {
    clearInterval(timer)
    if (stop !== undefined) signal?.removeEventListener('abort', stop)
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}
