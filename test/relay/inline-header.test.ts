/** The receipt of a buffered answer in a header. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_INLINE_HEADER_LENGTH } from '../../attestation/protocol/inline-receipt.ts'
import { chat, chatBody, get, header } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { ASKED, digest, eventsOf } from './inline.helpers.ts'

let at: TestService
beforeAll(async () => {
  at = await startTestService()
})
afterAll(() => at.close())

describe('a buffered answer whose receipt was asked for', () => {
  test('has it in a header, and the model’s own body', async () => {
    const reply = await chat(at, chatBody('x'), { headers: ASKED })
    const receipt = header(reply, 'x-countersign-receipt')
    expect(eventsOf(receipt)).toContainEqual({
      type: 'response.returned',
      body_hash: digest(reply.body),
    })
    const served = await get(at, `/v1/aci/receipts/${header(reply, 'x-receipt-id')}`, {
      who: 'alice',
    })
    expect(receipt).toBe(served.text)
    const plain = await chat(at, chatBody('x'))
    expect(plain.headers['x-countersign-receipt']).toBeUndefined()
  })

  test('has it with a refusal, too, and with the view under a relay principal', async () => {
    const refused = await chat(at, '[]', { headers: ASKED })
    expect(refused.status).toBe(400)
    expect(header(refused, 'x-countersign-receipt')).toContain('"outcome":"refused"')
    const relayed = await chat(at, chatBody('x'), { who: 'broker', headers: ASKED })
    const view = header(relayed, 'x-countersign-receipt')
    expect(eventsOf(view)).toMatchObject([{ type: 'countersign.record' }])
  })

  test('has none where a name in it is not ASCII', async () => {
    const reply = await chat(at, chatBody('x', { größe: 1 }), { headers: ASKED })
    expect(reply.status).toBe(200)
    expect(reply.headers['x-countersign-receipt']).toBeUndefined()
    const many = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`member_${i}`, i]))
    const fits = await chat(at, chatBody('x', many), { headers: ASKED })
    expect(eventsOf(header(fits, 'x-countersign-receipt'))).toHaveLength(4)
  })

  test('has none where it would be longer than headers may be', async () => {
    const members = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`member_${i}`, i]))
    const reply = await chat(at, chatBody('x', members), { headers: ASKED })
    expect(reply.status).toBe(200)
    expect(reply.headers['x-countersign-receipt']).toBeUndefined()
    const id = header(reply, 'x-receipt-id')
    const served = await get(at, `/v1/aci/receipts/${id}`, { who: 'alice' })
    expect(served.body.length).toBeGreaterThan(MAX_INLINE_HEADER_LENGTH)
  })
})
