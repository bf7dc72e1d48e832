import { expect, test } from 'vitest'
import { SAY_AGAIN_MS, createSayAgain } from '../../src/service/say-again.ts'

test('what goes on is said once a minute, what is new or has come back at once', () => {
  let now = 0
  const trouble = createSayAgain(() => now)
  const said = (what: string, at: number) => {
    now = at
    return trouble.due(what)
  }
  expect(said('nvml_cc_off', 0)).toBe(true)
  expect(said('nvml_cc_off', 2_000)).toBe(false)
  expect(said('nvml_cc_off', SAY_AGAIN_MS - 1)).toBe(false)
  expect(said('nvml_cc_off', SAY_AGAIN_MS)).toBe(true)
  expect(said('agent_unreachable', SAY_AGAIN_MS + 1)).toBe(true)
  expect(said('nvml_cc_off', SAY_AGAIN_MS + 2)).toBe(true)
  trouble.over()
  expect(said('nvml_cc_off', SAY_AGAIN_MS + 3)).toBe(true)
})
