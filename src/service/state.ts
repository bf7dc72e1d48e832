/**
 * Whether the service may take inference requests, and if not, why.
 *
 * @module
 */
import type { ServiceErrorCode } from '../errors.ts'

export interface ServiceState {
  /** Null while requests are taken. */
  readonly refusal: ServiceErrorCode | null
  readonly open: number
  attested(): void
  drain(): void
  /** A request begins; call the result when it is over. */
  enter(): () => void
  /** Resolves when no request is open, or after `limitMs`. */
  idle(limitMs: number): Promise<void>
}

export interface StateOptions {
  readonly maxOpen: number
  /** Unix seconds after which the keyset is refused by verifiers. */
  readonly keysetNotAfter: number
  readonly now: () => number
}

export function createServiceState(options: StateOptions): ServiceState {
  let attested = false
  let draining = false
  let open = 0
  const waiting = new Set<() => void>()
  return {
    get refusal() {
      if (draining) return 'draining'
      if (!attested) return 'not_attested'
      // Past it, every verifier refuses the receipts: better no answer than one that nobody can check.
      if (options.now() >= options.keysetNotAfter) return 'keyset_expired'
      return open >= options.maxOpen ? 'overloaded' : null
    },
    get open() {
      return open
    },
    attested: () => (attested = true),
    drain: () => (draining = true),
    enter() {
      open++
      let left = false
      return () => {
        if (left) return
        left = true
        open--
        if (open === 0) for (const resume of waiting) resume()
      }
    },
    idle: (limitMs) =>
      open === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            const timer = setTimeout(resolve, limitMs)
            waiting.add(() => {
              clearTimeout(timer)
              resolve()
            })
          }),
  }
}
