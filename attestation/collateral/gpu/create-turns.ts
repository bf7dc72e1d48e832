/**
 * Lets no more than so many run at once; the others wait in order.
 *
 * @module
 */

export type Turns = <T>(run: () => Promise<T>) => Promise<T>

export function createTurns(most: number): Turns {
  const waiting: (() => void)[] = []
  let running = 0
  return async (run) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await run()
    } finally {
      // A place is handed on, not freed, so that nobody who comes now gets past those who wait.
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
