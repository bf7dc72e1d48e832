/**
 * Places at the addresses of one upstream, and the one line for them. The client library has a line of its own, but one
 * that nobody can leave: a request whose client is gone would keep its body there until its turn came.
 *
 * @module
 */
import type { UpstreamHealth } from './upstream-health.ts'

/** What is balanced: an address with its health. */
export interface Target {
  readonly health: UpstreamHealth
}

export interface Place<T extends Target> {
  readonly target: T
  /** Not 0 for the one request that tries whether an address is back. */
  readonly probe: number
}

export interface Balancer<T extends Target> {
  readonly waiting: number
  /** Some address may be used, now or as soon as it has a place. */
  readonly usable: boolean
  open(target: T): number
  /**
   * Takes a place at the address with the fewest open requests among those that may be used.
   * @param tried addresses that are left out
   * @returns null where none has a place
   */
  take(tried?: ReadonlySet<T>): Place<T> | null
  /** Stands in line. @returns leaves the line */
  wait(enter: (place: Place<T>) => void): () => void
  /** Gives a place back: call it once. */
  give(place: Place<T>): void
  /** An address can be used again: who waits may enter. */
  serve(): void
}

export function createBalancer<T extends Target>(
  targets: readonly T[],
  placesEach: number,
): Balancer<T> {
  const open = new Map<T, number>(targets.map((target) => [target, 0]))
  const openAt = (target: T) => open.get(target) ?? 0
  // A Set keeps the order of arrival and lets go of any member at once.
  const line = new Set<(place: Place<T>) => void>()
  /** Among equals each has its turn, so that a quiet service uses, and learns about, all of them. */
  let turn = 0

  const take = (tried?: ReadonlySet<T>): Place<T> | null => {
    let best: T | null = null
    let bestAt = 0
    for (let i = 0; i < targets.length; i++) {
      const at = (turn + i) % targets.length
      const target = targets[at]
      if (target === undefined || tried?.has(target) === true || !target.health.usable) continue
      if (openAt(target) >= placesEach) continue
      if (best !== null && openAt(target) >= openAt(best)) continue
      best = target
      bestAt = at
    }
    if (best === null) return null
    turn = (bestAt + 1) % targets.length
    open.set(best, openAt(best) + 1)
    return { target: best, probe: best.health.enter() }
  }

  const serve = () => {
    for (const enter of line) {
      const place = take()
      if (place === null) return
      line.delete(enter)
      enter(place)
    }
  }

  return {
    get waiting() {
      return line.size
    },
    get usable() {
      return targets.some((target) => target.health.usable)
    },
    open: openAt,
    take,
    wait(enter) {
      line.add(enter)
      return () => line.delete(enter)
    },
    give({ target, probe }) {
      open.set(target, openAt(target) - 1)
      target.health.leave(probe)
      if (line.size > 0) serve()
    },
    serve,
  }
}
