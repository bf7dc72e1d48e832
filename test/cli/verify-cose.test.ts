import { afterAll, beforeAll, expect, test } from 'vitest'
import { startMachine, TOKEN } from './evidence.helpers.ts'
import type { Boot, Machine } from './evidence.helpers.ts'

let machine: Machine
let boot: Boot
beforeAll(async () => {
  machine = await startMachine()
  boot = await machine.boot()
})
afterAll(async () => {
  await boot.close()
  await machine.close()
})

test('--receipt takes a COSE_Sign1, bodies and all, and refuses a forged one', async () => {
  const { id, ...bodies } = await boot.ask()
  const headers = { authorization: `Bearer ${TOKEN}`, accept: 'application/cose' }
  const answer = await fetch(`${boot.url}/v1/attestation/receipts/${id}`, { headers })
  const opening = answer.headers.get('x-countersign-opening') ?? ''
  const message = new Uint8Array(await answer.arrayBuffer())
  const document = await (await fetch(`${boot.url}/attestation`)).text()
  const receipt = machine.file('receipt.cose', message)
  const good = await machine.judge(document, { receipt, opening, ...bodies })
  expect(good.out).toContain('level reached: bytes')
  expect(good.exit).toBe(0)
  message[message.length - 1] = (message.at(-1) ?? 0) ^ 1
  const forged = machine.file('forged.cose', message)
  const bad = await machine.judge(document, { receipt: forged, opening, ...bodies })
  expect(bad.out).toContain('receipt_signature_invalid')
  expect(bad.exit).toBe(10)
})
