import { expect, describe, test } from 'vitest'
import { chat, chatBody, errorCode, get, header, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import { SERVER, sharedAt, startRedis } from './redis.helpers.ts'
import { rootKey } from './store.helpers.ts'

describe.skipIf(SERVER === null)('replicas that share a store', () => {
  test('a receipt made at one is fetched at the other, by its owner alone, and so is the document that vouches for it', async () => {
    const [redis, key] = [await startRedis(), rootKey()]
    const a = await startTestService(sharedAt(redis.target, key))
    const b = await startTestService(sharedAt(redis.target, key))
    const answer = await chat(a, chatBody('x'))
    const id = header(answer, 'x-receipt-id')
    const path = `/v1/aci/receipts/${id}`
    const own = await get(a, path, { who: 'alice' })
    const there = await get(b, path, { who: 'alice' })
    expect([there.status, there.body.toString()]).toEqual([200, own.body.toString()])
    expect((await get(b, path, { who: 'bob' })).status).toBe(404)
    expect(errorCode(await get(b, path))).toBe('unauthorized')

    const digest = a.service.keys.keysetDigest
    expect(b.service.keys.keysetDigest).not.toBe(digest)
    const document = await get(b, `/attestation/keysets/${digest}`)
    expect(jsonObject(document.body)).toMatchObject({ keyset: a.service.keys.keyset })
    await Promise.all([a.close(), b.close()])
  })
})
