/**
 * Does a piece of work again and again, one at a time: at the time that it names itself, and after a failure at growing
 * distances. Nobody waits for it.
 *
 * @module
 */

export interface RefreshLoop {
  /** Does the work now, or once more after the run that is under way. */
  wake(): void
  close(): void
}

export interface RefreshLoopOptions {
  /** @returns milliseconds until the next run; null: it failed. Must not throw, and must end by itself */
  readonly work: () => Promise<number | null>
  readonly firstRetryMs: number
  readonly maxRetryMs: number
}

/** Starts with the first `wake`. */
export function createRefreshLoop(options: RefreshLoopOptions): RefreshLoop {
  const { work, firstRetryMs, maxRetryMs } = options
  let timer: NodeJS.Timeout | null = null
  let running = false
  let again = false
  let closed = false
  let failures = 0

  const run = async (): Promise<void> => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    running = true
    again = false
    const nextMs = await work()
    running = false
    if (closed) return
    failures = nextMs === null ? failures + 1 : 0
    const delay = nextMs ?? Math.min(firstRetryMs * 2 ** Math.min(failures - 1, 30), maxRetryMs)
    timer = setTimeout(() => void run(), again ? 0 : delay)
    timer.unref()
  }
  return {
    wake() {
      if (closed) return
      if (running) again = true
      else void run()
    },
    close() {
      closed = true
      if (timer !== null) clearTimeout(timer)
    },
  }
}
