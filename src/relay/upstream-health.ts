/**
 * Whether one address of an upstream is used: what its requests met (passive) and what it says of itself (active).
 *
 * A circuit breaker. So many failures in a row take the address out for a back-off, which doubles each time up to its cap;
 * then a single request is let through, and what becomes of that one decides.
 *
 * @module
 */
import type { Limits } from '../limits.ts'

/**
 * `connect`: no connection could be made, or it was lost unused. `answer`: the server went silent or away before it
 * answered, or answered 502, 503 or 504. `check`: its health route said so, or did not answer.
 */
export type FailureKind = 'connect' | 'answer' | 'check'

export type HealthState = 'up' | 'out' | 'probing'

export interface UpstreamHealth {
  readonly state: HealthState
  /** A request may be sent there now. */
  readonly usable: boolean
  /** A request is sent there. @returns the number of the probe of an address that is out, else 0 */
  enter(): number
  /** The request is over. A probe that got no verdict, e.g. because its client left, makes way for the next one. */
  leave(probe: number): void
  /** A connection was there for a request: an address that was out for want of one is back. */
  connected(): void
  /** The server answered a request by itself. */
  answered(): void
  /** @param probe as `enter` gave it; 0 for checks */
  failed(kind: FailureKind, probe: number): void
  /** The health route answered: not the word of the model, so it does not undo failures of real answers. */
  passedCheck(): void
}

export type HealthLimits = Pick<
  Limits,
  'upstreamFailures' | 'upstreamBackoffMs' | 'upstreamBackoffMaxMs'
>

export interface HealthOptions {
  readonly limits: HealthLimits
  /** Called when an address that was out is used again. */
  readonly onUp?: () => void
  /** Monotonic milliseconds. */
  readonly nowMs?: () => number
}

export function createUpstreamHealth(options: HealthOptions): UpstreamHealth {
  const { upstreamFailures, upstreamBackoffMs, upstreamBackoffMaxMs } = options.limits
  const now = options.nowMs ?? (() => performance.now())
  let failures = 0
  let lastKind: FailureKind = 'connect'
  let probes = 0
  /** The one that is under way; 0: none. */
  let probing = 0
  let out: { readonly until: number; readonly backoffMs: number } | null = null

  const up = () => {
    failures = 0
    probing = 0
    if (out === null) return
    out = null
    options.onUp?.()
  }

  return {
    get state() {
      if (out === null) return 'up'
      return probing === 0 ? 'out' : 'probing'
    },
    get usable() {
      return out === null || (probing === 0 && now() >= out.until)
    },
    enter() {
      if (out === null) return 0
      return (probing = ++probes)
    },
    leave(probe) {
      if (probe !== 0 && probe === probing) probing = 0
    },
    connected() {
      if (lastKind === 'connect') up()
    },
    answered: up,
    failed(kind, probe) {
      if (out !== null) {
        // Of an address that is out only its probe has a say, or the check that would have come before the next probe.
        const due = probing === 0 && now() >= out.until
        if (kind === 'check' ? !due : probe === 0 || probe !== probing) return
      }
      lastKind = kind
      failures++
      probing = 0
      if (out === null && failures < upstreamFailures) return
      const backoffMs = Math.min(
        out === null ? upstreamBackoffMs : out.backoffMs * 2,
        upstreamBackoffMaxMs,
      )
      out = { until: now() + backoffMs, backoffMs }
    },
    passedCheck() {
      if (lastKind !== 'answer') up()
    },
  }
}
