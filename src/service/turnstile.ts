/**
 * Lets work through a few pieces at a time, so that a crowd which arrives at once does not hold up everything else: between two
 * turns of the event loop streams are read and written.
 *
 * @module
 */

export interface Turnstile {
  /** Runs it now, or in a later turn behind what came before. What it throws is its own. */
  pass(work: () => void): void
}

/** @param perTurn pieces of work in one turn of the event loop */
export function createTurnstile(perTurn: number): Turnstile {
  let queue: (() => void)[] = []
  let passed = 0
  let scheduled = false

  const turn = (): void => {
    const now = queue.slice(0, perTurn)
    queue = queue.slice(perTurn)
    passed = now.length
    scheduled = false
    // Before the work: an exception of a piece must not strand the rest.
    if (now.length > 0) schedule()
    for (const work of now) work()
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(turn)
  }

  return {
    pass(work) {
      schedule()
      if (queue.length > 0 || passed >= perTurn) {
        queue.push(work)
        return
      }
      passed++
      work()
    },
  }
}
