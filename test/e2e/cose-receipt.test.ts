/** The COSE form of a receipt at its route: for whom the ACI form is, and only while its boot lives. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseCoseReceipt } from '../../attestation/appraiser/receipt/parse-cose-receipt.ts'
import { chat, chatBody, errorCode, get, header } from '../harness/chat.ts'
import type { ChatHow } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { onDisk } from '../store/store.helpers.ts'

let at: TestService
let folder: string
const boot = () =>
  startTestService({
    ...onDisk(folder, new Uint8Array(32).fill(5)),
  })
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cs-store-'))
  at = await boot()
})
afterAll(async () => {
  await at.close()
  rmSync(folder, { recursive: true, force: true })
})

const asCose = (id: string, how: ChatHow) =>
  get(at, `/v1/attestation/receipts/${id}`, {
    ...how,
    headers: [...(how.headers ?? []), ['accept', 'application/cose']],
  })

async function receiptOf(who: 'alice' | 'broker'): Promise<string> {
  return header(await chat(at, chatBody('x'), { who }), 'x-receipt-id')
}

function read(body: Buffer) {
  const parsed = parseCoseReceipt(Uint8Array.from(body))
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.receipt
}

describe('a receipt asked for as application/cose', () => {
  test('is whole for its owner, with the opening in a header, and signed by the key of its role', async () => {
    const id = await receiptOf('alice')
    const reply = await asCose(id, { who: 'alice' })
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toBe('application/cose; cose-type="cose-sign1"')
    expect(header(reply, 'x-countersign-opening')).toMatch(/^[0-9a-f]{64}$/)
    const receipt = read(reply.body)
    expect(receipt.bodies).not.toBeNull()
    expect(receipt.record.receipt_id).toBe(id)
    const { keyset } = at.service.keys
    const key = keyset.receipt_signing_keys.find(({ algo }) => algo === 'countersign-cose-ed25519')
    expect(receipt.keyId).toBe(key?.key_id)
    // Deterministic: whoever asks again gets the same bytes.
    expect((await asCose(id, { who: 'alice' })).body).toEqual(reply.body)
  })

  test('is a view without opening for who holds the id of one made under a relay', async () => {
    const reply = await asCose(await receiptOf('broker'), {})
    expect(reply.status).toBe(200)
    expect(reply.headers['x-countersign-opening']).toBeUndefined()
    const receipt = read(reply.body)
    expect([receipt.bodies, receipt.whole]).toEqual([null, null])
    const hashes = at.receipts.at(-1)?.bodies
    expect(reply.body.includes(hashes?.returned ?? '-')).toBe(false)
    expect(reply.body.includes(hashes?.received ?? '-')).toBe(false)
  })

  test('is not there for others, and stays JSON for who asks for nothing', async () => {
    const id = await receiptOf('alice')
    const other = await asCose(id, { who: 'bob' })
    expect([other.status, errorCode(other)]).toEqual([404, 'not_found'])
    expect((await asCose(id, {})).status).toBe(401)
    const json = await get(at, `/v1/attestation/receipts/${id}`, { who: 'alice' })
    expect(json.headers['content-type']).toBe('application/json')
  })

  test('is refused by name once its boot is gone, whose key alone could sign it', async () => {
    const id = await receiptOf('alice')
    await at.close()
    at = await boot()
    const reply = await asCose(id, { who: 'alice' })
    expect([reply.status, errorCode(reply)]).toEqual([406, 'encoding_unavailable'])
    const json = await get(at, `/v1/attestation/receipts/${id}`, { who: 'alice' })
    expect(json.status).toBe(200)
  })
})
