/**
 * Places at an upstream, and the line for them. The client library has a line of its own, but one that nobody can leave: a
 * request whose client is gone would keep its body there until its turn came.
 *
 * @module
 */

export interface Slots {
  /** Requests that have a place. */
  readonly taken: number
  readonly waiting: number
  /**
   * Calls `enter` as soon as a place is free, at once where one is.
   * @returns gives the place back, or leaves the line; only its first call does anything
   */
  take(enter: () => void): () => void
}

export function createSlots(places: number): Slots {
  let taken = 0
  // A Set keeps the order of arrival and lets go of any member at once.
  const line = new Set<() => void>()

  const leave = () => {
    taken--
    const next = line.values().next().value
    if (next === undefined) return
    line.delete(next)
    taken++
    next()
  }

  return {
    get taken() {
      return taken
    },
    get waiting() {
      return line.size
    },
    take(enter) {
      let left = false
      let placed = false
      const begin = () => {
        placed = true
        enter()
      }
      if (taken < places) {
        taken++
        begin()
      } else {
        line.add(begin)
      }
      return () => {
        if (left) return
        left = true
        if (placed) leave()
        else line.delete(begin)
      }
    },
  }
}
