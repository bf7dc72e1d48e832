import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createTurnstile } from '../../src/service/turnstile.ts'

test('a crowd passes in its order, a few in each turn of the event loop', async () => {
  const turnstile = createTurnstile(3)
  const passed: number[] = []
  for (let n = 0; n < 8; n++) turnstile.pass(() => passed.push(n))
  expect(passed).toEqual([0, 1, 2])
  await turn()
  expect(passed).toEqual([0, 1, 2, 3, 4, 5])
  // Who comes later stands behind who waits.
  turnstile.pass(() => passed.push(8))
  expect(passed).toHaveLength(6)
  await turn()
  await turn()
  expect(passed).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
})

test('nobody waits where nobody is', async () => {
  const turnstile = createTurnstile(1)
  let passed = 0
  for (let n = 1; n <= 3; n++) {
    turnstile.pass(() => void passed++)
    expect(passed).toBe(n)
    await turn()
    await turn()
  }
})
