import { describe, expect, onTestFinished, test } from 'vitest'
import { chat, chatBody, errorCode, get, header, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import { openSharedPlace } from '../../src/shared-store/open-shared-place.ts'
import { SERVER, at, replica, sharedAt, startRedis } from './redis.helpers.ts'
import { NOW, OWN, rootKey, until } from './store.helpers.ts'

const RELAY = { principal: 'broker', relay: true, ownerHash: null } as const
const DAY_S = 86_400

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
    // By the completion id too, and with what only its owner gets.
    const { id: chatId } = jsonObject(answer.body)
    const wrapped = jsonObject(
      (await get(b, `/v1/attestation/receipts/${String(chatId)}`, { who: 'alice' })).body,
    )
    expect(wrapped).toEqual({
      document: own.body.toString(),
      opening: header(answer, 'x-countersign-opening'),
    })
    const signature = await get(b, `/v1/signature/${id}`, { who: 'alice' })
    expect(jsonObject(signature.body)).toMatchObject({
      signing_address: a.service.keys.address.address,
      document: own.body.toString(),
    })

    const digest = a.service.keys.keysetDigest
    expect(b.service.keys.keysetDigest).not.toBe(digest)
    const document = await get(b, `/attestation/keysets/${digest}`)
    expect(jsonObject(document.body)).toMatchObject({ keyset: a.service.keys.keyset })
    expect((await get(b, `/attestation/keysets/sha256:${'00'.repeat(32)}`)).status).toBe(404)
    expect((await get(b, '/v1/aci/receipts/rcpt-nobody', { who: 'alice' })).status).toBe(404)
    await Promise.all([a.close(), b.close()])
  })

  test('a server that dies takes the node out, lets no answer out without its receipt, and brings it back with its document', async () => {
    const [redis, key] = [await startRedis(), rootKey()]
    const a = await startTestService(sharedAt(redis.target, key))
    const b = await startTestService(sharedAt(redis.target, key))
    const id = header(await chat(a, chatBody('x')), 'x-receipt-id')
    const ready = async () => (await get(a, '/health/ready')).status === 200
    const storeOf = async () => jsonObject((await get(a, '/health/ready')).body)['store']
    expect(await ready()).toBe(true)

    await redis.kill()
    // Nobody has to ask for an answer first.
    await until(async () => !(await ready()))
    expect(await storeOf()).toEqual({
      ready: false,
      code: 'store_unavailable',
      cause: 'shared_store_unreachable',
    })
    const asked = a.model.requests.length
    const refused = await chat(a, chatBody('x'))
    expect([refused.status, errorCode(refused)]).toEqual([503, 'store_unavailable'])
    expect(a.model.requests).toHaveLength(asked)
    // Its own disk is there; what only the others may have is not said to be nowhere.
    expect((await get(a, `/v1/aci/receipts/${id}`, { who: 'alice' })).status).toBe(200)
    expect(errorCode(await get(b, `/v1/aci/receipts/${id}`, { who: 'alice' }))).toBe(
      'store_unavailable',
    )
    const { keysetDigest } = a.service.keys
    expect(errorCode(await get(b, `/attestation/keysets/${keysetDigest}`))).toBe(
      'store_unavailable',
    )

    // Empty: what it held is gone.
    await redis.start()
    await until(ready)
    const next = header(await chat(a, chatBody('x')), 'x-receipt-id')
    await until(async () => (await get(b, '/health/ready')).status === 200)
    expect((await get(b, `/v1/aci/receipts/${next}`, { who: 'alice' })).status).toBe(200)
    expect((await get(b, `/attestation/keysets/${keysetDigest}`)).status).toBe(200)
    expect(a.log.map(({ message }) => message)).toContain('the shared store takes receipts again')
    await Promise.all([a.close(), b.close()])
  })

  test('an answer whose receipt the server does not take is cut, and the model is not asked for the next', async () => {
    const redis = await startRedis()
    const a = await startTestService(sharedAt(redis.target, rootKey()))
    await chat(a, chatBody('x'))
    redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    redis.cli('CONFIG', 'SET', 'maxmemory', '1')
    const ended = await chat(a, chatBody('x', { stream: true })).then(
      ({ body }) => body.includes('[DONE]'),
      () => false,
    )
    expect(ended).toBe(false)
    const ready = jsonObject((await get(a, '/health/ready')).body)
    expect(ready['store']).toMatchObject({ ready: false, cause: 'shared_store_full' })
    expect(errorCode(await chat(a, chatBody('x')))).toBe('store_unavailable')
    redis.cli('CONFIG', 'SET', 'maxmemory', '0')
    await until(async () => (await get(a, '/health/ready')).status === 200)
    expect((await chat(a, chatBody('x'))).status).toBe(200)
    await a.close()
  })

  test('a receipt of a boot that was never heard of is named and signed as that boot did', async () => {
    const [redis, key] = [await startRedis(), rootKey()]
    const [a, b] = [await replica(at(redis.target), key), await replica(at(redis.target), key)]
    const id = await a.serve()
    const found = await b.store.get(id)
    const own = a.local.get(id)
    if (found === null || own === null) throw new Error('not found')
    expect(b.issuer.document(found)).toBe(a.issuer.document(own))
    expect(found.kept).toEqual(own.kept)
    // What only that boot could sign is not made up.
    expect(b.issuer.cose(found, 'full')).toBeNull()
    expect(b.issuer.legacy(found, 'ed25519')).toBeNull()
  })

  test('a completion id that a client chose keeps leading to the first receipt, at every replica', async () => {
    const [redis, key] = [await startRedis(), rootKey()]
    const [a, b, c] = [
      await replica(at(redis.target), key),
      await replica(at(redis.target), key),
      await replica(at(redis.target), key),
    ]
    const first = await a.serve({ chatId: 'chatcmpl-1' }, RELAY)
    const second = await b.serve({ chatId: 'chatcmpl-1' }, RELAY)
    // The second is on the disk of this one, under that very name.
    expect(b.local.findByChatId('broker', 'chatcmpl-1')?.record.receipt_id).toBe(second)
    for (const { store } of [a, b, c]) {
      const found = await store.findByChatId('broker', 'chatcmpl-1')
      expect(found?.record.receipt_id).toBe(first)
      expect((await store.get(second))?.record.receipt_id).toBe(second)
      expect(await store.findByChatId('alice', 'chatcmpl-1')).toBeNull()
    }
    // Where the first is gone, its name still is not the second's.
    for (const row of redis.keys().filter((one) => one.includes(':r:'))) redis.cli('DEL', row)
    expect(await b.store.findByChatId('broker', 'chatcmpl-1')).toBeNull()
  })

  test('shows the server no id, name or text, and no two rows of one nonce under one key', async () => {
    const [redis, key] = [await startRedis(), rootKey()]
    const [a, b] = [await replica(at(redis.target), key), await replica(at(redis.target), key)]
    const ids: string[] = []
    for (let i = 0; i < 20; i++)
      ids.push(await (i % 2 === 0 ? a : b).serve({ chatId: `chat-${i}` }))
    await a.store.durable?.archive(a.keys.keysetDigest, '{"a":"document"}')
    const keys = redis.keys()
    const dump = keys.map((one) => `${one} ${redis.cli('--no-raw', 'GET', one)}`).join('\n')
    for (const word of [
      ...ids,
      'chat-',
      'alice',
      'document',
      'demo',
      a.keys.keysetDigest.slice(7),
    ]) {
      expect(dump).not.toContain(word)
    }
    for (const one of keys) {
      expect(one).toMatch(/^countersign:1:[cdr]:[0-9a-f]{32}$/)
      expect(Number(redis.cli('TTL', one))).toBeGreaterThan(0)
    }
    expect(keys.filter((one) => one.includes(':r:'))).toHaveLength(20)
    const place = openSharedPlace(redis.target, { onLost: () => undefined })
    onTestFinished(() => place.close())
    const used = new Set<string>()
    for (const one of keys.filter((name) => /:[dr]:/.test(name))) {
      const value = (await place.read(one)) ?? Buffer.alloc(0)
      // Boot id and nonce: format and time stand before, ciphertext behind.
      used.add(value.toString('hex', 5, 5 + 32 + 12))
    }
    expect(used.size).toBe(21)
  })

  test('expires at the server, and is not served past its time where the server keeps it', async () => {
    const [redis, key] = [await startRedis(), rootKey()]
    let now = NOW
    const a = await replica(at(redis.target), key)
    const b = await replica(at(redis.target), key, { now: () => now })
    const id = await a.serve({ chatId: 'chat-1' })
    const [row] = redis.keys().filter((one) => one.includes(':r:'))
    const ttl = Number(redis.cli('TTL', row ?? ''))
    expect(ttl).toBeGreaterThan(30 * DAY_S - 60)
    expect(ttl).toBeLessThanOrEqual(30 * DAY_S)
    now = NOW + 30 * DAY_S
    expect(await b.store.get(id)).not.toBeNull()
    now += 1
    expect(await b.store.get(id)).toBeNull()
  })

  test('another app, with another root key, sees nothing of it', async () => {
    const redis = await startRedis()
    const a = await replica(at(redis.target), rootKey())
    const other = await replica(at(redis.target), rootKey())
    const id = await a.serve({ chatId: 'chat-1' })
    expect(await other.store.get(id)).toBeNull()
    expect(await other.store.findByChatId(OWN.principal, 'chat-1')).toBeNull()
  })

  test('a restart of a replica goes on under another key, and reads what the boot before it shared', async () => {
    const [redis, key] = [await startRedis(), rootKey()]
    const a = await replica(at(redis.target), key)
    const id = await a.serve()
    await a.store.durable?.close()
    const again = await replica(at(redis.target), key)
    expect((await again.store.get(id))?.record.boot_id).toBe(a.keys.bootId)
  })

  test('with async an answer waits for neither, and a failure afterwards is told', async () => {
    const redis = await startRedis()
    const a = await replica(at(redis.target), rootKey(), { durability: 'async' })
    await a.serve()
    redis.signal('SIGSTOP')
    const began = performance.now()
    await a.serve()
    expect(performance.now() - began).toBeLessThan(1_000)
    await until(() => a.failures() > 0)
    redis.signal('SIGCONT')
    expect(a.faults).toContain('shared_store_slow')
  })
})
