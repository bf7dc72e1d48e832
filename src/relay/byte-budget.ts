/**
 * Memory that all request bodies share.
 *
 * @module
 */

export interface ByteBudget {
  readonly taken: number
  /** @returns whether so many more bytes may be held */
  take(bytes: number): boolean
  give(bytes: number): void
}

export function createByteBudget(limit: number): ByteBudget {
  let taken = 0
  return {
    get taken() {
      return taken
    },
    take(bytes) {
      if (taken + bytes > limit) return false
      taken += bytes
      return true
    },
    give: (bytes) => (taken -= bytes),
  }
}
