/**
 * Whether the service may take inference requests, and if not, why.
 *
 * @module
 */
import type { DocumentWarning } from '../../enclave/attestation/attestor.ts'
import type { ServiceErrorCode } from '../errors.ts'

export interface ServiceState {
  /** Null while requests are taken. */
  readonly refusal: ServiceErrorCode | null
  /** The part of it that is about the evidence, with the stable code of the check that failed where one did. */
  readonly attestation: {
    readonly refusal: 'not_attested' | 'keyset_expired' | null
    readonly cause: string | null
  }
  readonly open: number
  /** A shutdown has been announced; requests are still taken until it begins. */
  readonly leaving: boolean
  attested(): void
  /** The service's own evidence does not pass, or cannot be had. */
  notAttested(cause: string): void
  leave(): void
  drain(): void
  /** A request begins; call the result when it is over. */
  enter(): () => void
  /** Resolves when no request is open, or after `limitMs`. */
  idle(limitMs: number): Promise<void>
}

export interface StateOptions {
  readonly maxOpen: number
  /** Unix seconds after which the keyset in force is refused by verifiers. */
  readonly keysetNotAfter: () => number
  /** The clock is behind a date that a vendor signed. */
  readonly clockSetBack: () => boolean
  readonly now: () => number
  /** The store takes no receipts. */
  readonly storeRefuses: () => boolean
}

/** For the document: whoever asks while nothing is served learns why, as readiness and metrics say it. */
export function refusalWarning({
  attestation: { refusal, cause },
}: Pick<ServiceState, 'attestation'>): DocumentWarning | null {
  return refusal === null
    ? null
    : { code: cause ?? refusal, detail: 'no inference request is taken while this lasts' }
}

export function createServiceState(options: StateOptions): ServiceState {
  let attested = false
  let cause: string | null = null
  let leaving = false
  let draining = false
  let open = 0
  const waiting = new Set<() => void>()
  const attestation = (): 'not_attested' | 'keyset_expired' | null => {
    if (!attested || options.clockSetBack()) return 'not_attested'
    // Past it, every verifier refuses the receipts: better no answer than one that nobody can check.
    return options.now() >= options.keysetNotAfter() ? 'keyset_expired' : null
  }
  return {
    get refusal() {
      if (draining) return 'draining'
      const why = attestation()
      if (why !== null) return why
      // The answer could not be given without its receipt: better not to ask the model at all.
      if (options.storeRefuses()) return 'store_unavailable'
      return open >= options.maxOpen ? 'overloaded' : null
    },
    get attestation() {
      const setBack = options.clockSetBack() ? 'clock_set_back' : null
      return { refusal: attestation(), cause: setBack ?? (attested ? null : cause) }
    },
    get open() {
      return open
    },
    get leaving() {
      return leaving
    },
    attested() {
      attested = true
      cause = null
    },
    notAttested(why) {
      attested = false
      cause = why
    },
    leave: () => (leaving = true),
    drain() {
      leaving = true
      draining = true
    },
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
