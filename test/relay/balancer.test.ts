/** Which address a request goes to, and what takes an address out and brings it back. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBalancer } from '../../src/relay/balancer.ts'
import type { Place, Target } from '../../src/relay/balancer.ts'
import { createUpstreamHealth } from '../../src/relay/upstream-health.ts'
import type { FailureKind, UpstreamHealth } from '../../src/relay/upstream-health.ts'

const LIMITS = { upstreamFailures: 3, upstreamBackoffMs: 1_000, upstreamBackoffMaxMs: 5_000 }

interface Clock {
  now: number
}

function healthAt(clock: Clock, onUp?: () => void): UpstreamHealth {
  return createUpstreamHealth({
    limits: LIMITS,
    nowMs: () => clock.now,
    ...(onUp === undefined ? {} : { onUp }),
  })
}

function failTimes(health: UpstreamHealth, times: number, kind: FailureKind = 'connect') {
  for (let i = 0; i < times; i++) health.failed(kind, 0)
}

describe('an address', () => {
  test('goes out after three failures in a row, and one success in between starts the count anew', () => {
    const health = healthAt({ now: 0 })
    failTimes(health, 2)
    health.answered()
    failTimes(health, 2)
    expect([health.state, health.usable]).toEqual(['up', true])
    failTimes(health, 1)
    expect([health.state, health.usable]).toEqual(['out', false])
  })

  test('lets one probe through when its back-off is over, and no other beside it', () => {
    const clock = { now: 0 }
    const health = healthAt(clock)
    failTimes(health, 3)
    clock.now = 999
    expect(health.usable).toBe(false)
    clock.now = 1_000
    expect(health.usable).toBe(true)
    expect(health.enter()).not.toBe(0)
    expect([health.state, health.usable]).toEqual(['probing', false])
    health.answered()
    expect([health.state, health.usable, health.enter()]).toEqual(['up', true, 0])
  })

  test('waits twice as long after each probe that fails, up to the cap', () => {
    const clock = { now: 0 }
    const health = healthAt(clock)
    failTimes(health, 3)
    const waits: number[] = []
    for (let i = 0; i < 5; i++) {
      const from = clock.now
      while (!health.usable) clock.now += 10
      waits.push(clock.now - from)
      health.failed('connect', health.enter())
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 5_000, 5_000])
  })

  test('is not kept out longer by requests that were on their way when it went out', () => {
    const clock = { now: 0 }
    const health = healthAt(clock)
    failTimes(health, 20)
    clock.now = 1_000
    expect(health.usable).toBe(true)
    const probe = health.enter()
    failTimes(health, 5)
    expect(health.state).toBe('probing')
    health.failed('connect', probe)
    clock.now = 2_999
    expect(health.usable).toBe(false)
    clock.now = 3_000
    expect(health.usable).toBe(true)
  })

  test('whose probe was left by its client lets the next one try at once', () => {
    const clock = { now: 0 }
    const health = healthAt(clock)
    failTimes(health, 3)
    clock.now = 1_000
    const first = health.enter()
    health.leave(first)
    expect(health.usable).toBe(true)
    const second = health.enter()
    // The first one's end comes late: it is not the second one's.
    health.leave(first)
    expect(health.state).toBe('probing')
    health.leave(second)
    expect(health.state).toBe('out')
  })

  test.each([
    ['connect', true],
    ['check', true],
    ['answer', false],
  ] as const)('that is out for %s: a health check that passes brings it back: %s', (kind, back) => {
    const health = healthAt({ now: 0 })
    failTimes(health, 3, kind)
    health.passedCheck()
    expect(health.usable).toBe(back)
  })

  test('that is out for want of a connection is back with the first one, before any answer', () => {
    const clock = { now: 0 }
    const health = healthAt(clock)
    failTimes(health, 3)
    clock.now = 1_000
    health.enter()
    health.connected()
    expect(health.usable).toBe(true)
  })

  test('that connects and then fails stays out: a connection alone proves nothing then', () => {
    const clock = { now: 0 }
    const health = healthAt(clock)
    failTimes(health, 3, 'answer')
    clock.now = 1_000
    const probe = health.enter()
    health.connected()
    expect(health.state).toBe('probing')
    health.failed('answer', probe)
    expect(health.state).toBe('out')
  })

  test('whose checks fail just before its probe is due spares the request', () => {
    const clock = { now: 0 }
    const health = healthAt(clock)
    failTimes(health, 3, 'check')
    clock.now = 1_000
    health.failed('check', 0)
    expect(health.usable).toBe(false)
    clock.now = 2_999
    health.failed('check', 0)
    clock.now = 3_000
    expect(health.usable).toBe(true)
  })
})

function targets(count: number, clock: Clock = { now: 0 }) {
  return Array.from({ length: count }, () => ({ health: healthAt(clock) }))
}

describe('a request', () => {
  test('goes to the address with the fewest open requests; among equals each has its turn', () => {
    const [a, b, c] = targets(3)
    if (a === undefined || b === undefined || c === undefined) throw new Error('three')
    const all = [a, b, c]
    const balancer = createBalancer(all, 10)
    const took = () => {
      const place = balancer.take()
      if (place === null) throw new Error('no place')
      return place
    }
    const places = [took(), took(), took(), took()]
    expect(places.map(({ target }) => all.indexOf(target))).toEqual([0, 1, 2, 0])
    for (const place of places.slice(1, 3)) balancer.give(place)
    expect(all.map((target) => balancer.open(target))).toEqual([2, 0, 0])
    expect([took(), took(), took()].map(({ target }) => all.indexOf(target))).toEqual([1, 2, 1])
  })

  test('avoids an address that is out, and one that it has tried', () => {
    const [a, b] = targets(2)
    if (a === undefined || b === undefined) throw new Error('two')
    const balancer = createBalancer([a, b], 10)
    failTimes(a.health, 3)
    expect([balancer.take()?.target, balancer.take()?.target]).toEqual([b, b])
    expect(balancer.take(new Set([b]))).toBeNull()
    expect(balancer.usable).toBe(true)
    failTimes(b.health, 3)
    expect([balancer.take(), balancer.usable]).toEqual([null, false])
  })

  test('waits its turn in the order of arrival, and is not called once it has left the line', () => {
    const [a] = targets(1)
    if (a === undefined) throw new Error('one')
    const balancer = createBalancer([a], 1)
    const first = balancer.take()
    const called: string[] = []
    const held: Place<Target>[] = []
    const enter = (name: string) => (place: Place<Target>) => {
      called.push(name)
      held.push(place)
    }
    const leave = balancer.wait(enter('second'))
    balancer.wait(enter('third'))
    balancer.wait(enter('fourth'))
    leave()
    expect(balancer.waiting).toBe(2)
    if (first === null) throw new Error('no place')
    balancer.give(first)
    expect(called).toEqual(['third'])
    for (const place of held) balancer.give(place)
    expect(called).toEqual(['third', 'fourth'])
    expect(balancer.waiting).toBe(0)
  })

  test('in line enters as soon as an address is back', () => {
    const clock = { now: 0 }
    const all: Target[] = []
    const balancer = createBalancer(all, 1)
    const health = healthAt(clock, () => balancer.serve())
    all.push({ health })
    failTimes(health, 3)
    let entered = 0
    balancer.wait(() => entered++)
    health.passedCheck()
    expect(entered).toBe(1)
  })

  test('whatever happens: places are never given twice, never lost, and least open is least', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('take', 'give', 'fail', 'up'), fc.nat(63)), {
          maxLength: 200,
        }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        (steps, count, each) => {
          const clock = { now: 0 }
          const all = targets(count, clock)
          const balancer = createBalancer(all, each)
          const held: Place<Target>[] = []
          for (const [step, n] of steps) {
            const target = all[n % count]
            if (step === 'take') {
              const usable = all.filter((one) => one.health.usable && balancer.open(one) < each)
              const least = Math.min(...usable.map((one) => balancer.open(one)))
              const place = balancer.take()
              expect(place === null).toBe(usable.length === 0)
              if (place === null) continue
              expect(balancer.open(place.target)).toBe(least + 1)
              held.push(place)
            } else if (step === 'give') {
              const [place] = held.splice(n % Math.max(held.length, 1), 1)
              if (place !== undefined) balancer.give(place)
            } else if (step === 'fail') target?.health.failed('connect', 0)
            else {
              clock.now += n * 100
              if (n % 2 === 0) target?.health.answered()
            }
            for (const one of all) {
              expect(balancer.open(one)).toBe(held.filter((place) => place.target === one).length)
              expect(balancer.open(one)).toBeLessThanOrEqual(each)
            }
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})
