/** A service whose keyset is due to be renewed as soon as the test lets its clock say so. */
import { afterEach, expect } from 'vitest'
import { openStage } from '../client/client.helpers.ts'
import type { Stage } from '../client/client.helpers.ts'
import type { TestServiceOptions } from '../harness/service.ts'

export const DAY_MS = 86_400_000
export const POLL = { timeout: 10_000, interval: 20 }

/** A service that began more than half of a keyset's life ago, and judges itself all the time; `today()` tells it the time. */
export async function began(options: TestServiceOptions = {}) {
  const clock = { days: -0.6 }
  const stage = await openStage({
    nowMs: () => Date.now() + clock.days * DAY_MS,
    config: { keyset_days: 1 },
    limits: { gateMs: 30 },
    ...options,
  })
  open.push(stage)
  const { keys } = stage.at.service
  return {
    stage,
    clock,
    /** The service's clock, for clients that share it. */
    now: () => Math.floor(Date.now() / 1000 + clock.days * 86_400),
    keys,
    first: keys.current,
    async today() {
      clock.days = 0
      const before = keys.current
      await expect.poll(() => keys.current, POLL).not.toBe(before)
    },
  }
}

export const open: Stage[] = []
afterEach(async () => {
  for (const stage of open.splice(0)) await stage.close()
})
