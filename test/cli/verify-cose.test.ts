import { expect, test } from 'vitest'
import { bootedMachine, TOKEN } from './evidence.helpers.ts'

const here = bootedMachine()

test('--receipt takes a COSE_Sign1, bodies and all, and refuses a forged one', async () => {
  const { id, ...bodies } = await here.boot.ask()
  const headers = { authorization: `Bearer ${TOKEN}`, accept: 'application/cose' }
  const answer = await fetch(`${here.boot.url}/v1/attestation/receipts/${id}`, { headers })
  const opening = answer.headers.get('x-countersign-opening') ?? ''
  const message = new Uint8Array(await answer.arrayBuffer())
  const document = await (await fetch(`${here.boot.url}/attestation`)).text()
  const receipt = here.machine.file('receipt.cose', message)
  const good = await here.machine.judge(document, { receipt, opening, ...bodies })
  expect(good.out).toContain('level reached: bytes')
  expect(good.exit).toBe(0)
  message[message.length - 1] = (message.at(-1) ?? 0) ^ 1
  const forged = here.machine.file('forged.cose', message)
  const bad = await here.machine.judge(document, { receipt: forged, opening, ...bodies })
  expect(bad.out).toContain('receipt_signature_invalid')
  expect(bad.exit).toBe(10)
})
