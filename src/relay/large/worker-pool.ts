/**
 * Worker threads that take turns at jobs, each job answered by one or more messages.
 *
 * @module
 */
import { Worker } from 'node:worker_threads'

/** Threads; a job takes a core for tens of milliseconds, and the event loop needs one of its own. */
export const MAX_WORKERS = 2
/** MiB of heap of one thread. What does not fit ends the thread and fails its jobs, not the service. */
const WORKER_HEAP_MB = 1024

/** One message of a worker about a job. */
export interface WorkerAnswer {
  readonly job: number
  /** No other will follow. */
  readonly last: boolean
}

/** The memory behind views, each once. */
export function memoryOf(views: readonly Uint8Array[]): ArrayBuffer[] {
  const memory = new Set<ArrayBuffer>()
  for (const { buffer } of views) if (buffer instanceof ArrayBuffer) memory.add(buffer)
  return [...memory]
}

export interface WorkerPool<Job, Answer extends WorkerAnswer> {
  /**
   * Hands a job to the thread that has fewest.
   *
   * @param handed memory of the job that goes over to the thread; it cannot be used here afterwards
   * @param take called for each answer. For `null` no (other) answer will come: the thread broke down or the pool is closed
   */
  run(job: Job, handed: readonly Uint8Array[], take: (answer: Answer | null) => void): void
  close(): Promise<void>
}

interface Thread<Answer> {
  readonly worker: Worker
  readonly jobs: Map<number, (answer: Answer | null) => void>
}

/** @param isAnswer what a worker says is read, not believed */
export function createWorkerPool<Job extends object, Answer extends WorkerAnswer>(
  script: URL,
  isAnswer: (value: unknown) => value is Answer,
): WorkerPool<Job, Answer> {
  const threads = new Set<Thread<Answer>>()
  let next = 0
  let closed = false

  const startThread = (): Thread<Answer> => {
    const worker = new Worker(script, {
      resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
    })
    const thread: Thread<Answer> = { worker, jobs: new Map() }
    threads.add(thread)
    worker.on('message', (message: unknown) => {
      if (!isAnswer(message)) throw new TypeError('a worker sent what is no answer')
      const take = thread.jobs.get(message.job)
      if (message.last) thread.jobs.delete(message.job)
      take?.(message)
    })
    const gone = () => {
      threads.delete(thread)
      const left = [...thread.jobs.values()]
      thread.jobs.clear()
      for (const take of left) take(null)
    }
    // Without this an error in the thread would be one of the process; `exit` follows it.
    worker.on('error', gone)
    worker.on('exit', gone)
    // A thread that waits for work keeps nobody alive.
    worker.unref()
    return thread
  }

  const idlest = (): Thread<Answer> => {
    let found: Thread<Answer> | null = null
    for (const thread of threads) {
      if (found === null || thread.jobs.size < found.jobs.size) found = thread
    }
    if (found === null || (found.jobs.size > 0 && threads.size < MAX_WORKERS)) return startThread()
    return found
  }

  return {
    run(job, handed, take) {
      if (closed) {
        take(null)
        return
      }
      const thread = idlest()
      const id = next++
      thread.jobs.set(id, take)
      thread.worker.postMessage({ ...job, job: id }, memoryOf(handed))
    },
    async close() {
      closed = true
      await Promise.all([...threads].map(({ worker }) => worker.terminate()))
    },
  }
}
