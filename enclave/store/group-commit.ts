/**
 * Group commit: what comes while one commit is flushed goes into the next, all of it together. Nobody waits for a time to
 * pass, so an answer is held by the flush that was under way and by its own.
 *
 * @module
 */

/**
 * `group`: acknowledged when it is on the disk. `async`: acknowledged when it was handed over, so that a kill loses what
 * was not flushed; waits like `group` where the disk has failed or falls behind.
 */
export const DURABILITIES = ['group', 'async'] as const
export type Durability = (typeof DURABILITIES)[number]

/** Writes that `async` acknowledges ahead of the disk. */
export const MAX_AHEAD = 4096

export interface GroupCommit<T> {
  /** Rejects where the commit failed: nothing of it was kept. */
  write(item: T): Promise<void> | undefined
  /** As `group` does, whatever was chosen. */
  flushed(item: T): Promise<void>
  /** Resolves when nothing is left to be written, however that ended. */
  idle(): Promise<void>
}

export interface GroupCommitOptions<T> {
  readonly durability: Durability
  /** Resolves when all items are on the disk; keeps all of them or none. */
  readonly commit: (items: readonly T[]) => Promise<void>
  /** Told of each commit that failed, and how many of its items had been acknowledged. */
  readonly onFailure: (lost: number) => void
}

export function createGroupCommit<T>(options: GroupCommitOptions<T>): GroupCommit<T> {
  let items: T[] = []
  let next: PromiseWithResolversOf | null = null
  let running = false
  /** Acknowledged and not on the disk, and those of them that wait for the next commit. */
  let ahead = 0
  let early = 0
  let broken = false
  const waiting = new Set<() => void>()

  const run = async (): Promise<void> => {
    // What else this turn of the event loop brings goes along.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (next !== null) {
      const batch = items
      const done = next
      const acknowledged = early
      items = []
      next = null
      early = 0
      try {
        await options.commit(batch)
        broken = false
        done.resolve()
      } catch (error) {
        broken = true
        options.onFailure(acknowledged)
        done.reject(error)
      }
      ahead -= acknowledged
    }
    running = false
    for (const resume of waiting) resume()
    waiting.clear()
  }

  const flushed = (item: T): Promise<void> => {
    items.push(item)
    next ??= withResolvers()
    const { promise } = next
    if (!running) {
      running = true
      void run()
    }
    return promise
  }

  return {
    flushed,
    write(item) {
      const waits = options.durability === 'group' || broken || ahead >= MAX_AHEAD
      const promise = flushed(item)
      if (waits) return promise
      ahead++
      early++
      return undefined
    },
    idle: () => (running ? new Promise((resolve) => void waiting.add(resolve)) : Promise.resolve()),
  }
}

interface PromiseWithResolversOf {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** `Promise.withResolvers` came with Node 22. */
function withResolvers(): PromiseWithResolversOf {
  let resolve: () => void = () => undefined
  let reject: (error: unknown) => void = () => undefined
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  // Whoever waits is told through the promise itself; where nobody does, the failure was told already.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}
