/**
 * Which of many equal log lines is written: the first, and one a minute while it goes on.
 *
 * @module
 */

/** Milliseconds until what is still so is said again. */
export const SAY_AGAIN_MS = 60_000

export interface SayAgain {
  /** @returns whether `what` is to be written now */
  due(what: string): boolean
  /** It is over: when it comes back, that is news. */
  over(): void
}

/** @param nowMs a clock that does not go back */
export function createSayAgain(nowMs: () => number = () => performance.now()): SayAgain {
  let said: { readonly what: string; readonly at: number } | null = null
  return {
    due(what) {
      const at = nowMs()
      if (said?.what === what && at - said.at < SAY_AGAIN_MS) return false
      said = { what, at }
      return true
    },
    over() {
      said = null
    },
  }
}
