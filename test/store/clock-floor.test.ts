import { expect, test } from 'vitest'
import { MAX_RENEWED } from '../../enclave/store/boots.ts'
import { openTables } from '../../enclave/store/open-tables.ts'
import { createClockFloor } from '../../src/service/clock-floor.ts'
import { CLOCK_SKEW_S } from '../../src/service/gate.ts'
import { startTestService } from '../harness/service.ts'
import { chat, chatBody, errorCode, get, jsonObject } from '../harness/chat.ts'
import { NOW, boot, newFolder, onDisk, rootKey } from './store.helpers.ts'

test('the clock floor is kept for later boots, whatever their order, and nobody else can write one', async () => {
  const [path, key] = [newFolder(), rootKey()]
  const first = await boot(path, key)
  expect(first.store.durable.clockFloor).toBeNull()
  await first.store.durable.keepClockFloor(NOW)
  await first.store.durable.keepClockFloor(NOW + 5)
  await first.store.durable.close()
  const second = await boot(path, key)
  expect(second.store.durable.clockFloor).toBe(NOW + 5)
  await second.store.durable.close()

  const tables = await openTables(path)
  const row = tables.meta.get(Buffer.from('floor'))
  if (row === undefined) throw new Error('no floor')
  for (const forged of [Buffer.alloc(0), row.subarray(0, 40), flipped(row)]) {
    await tables.meta.put(Buffer.from('floor'), forged)
    await tables.close()
    const third = await boot(path, key)
    expect(third.store.durable.clockFloor).toBeNull()
    expect(third.store.durable.refused()).toBe(1)
    await third.store.durable.close()
    Object.assign(tables, await openTables(path))
  }
  await tables.close()
})

function flipped(row: Buffer): Buffer {
  const copy = Buffer.from(row)
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1)
  return copy
}

test('the floor is the later of what the store kept and what was verified since, and is kept when it rises', async () => {
  const kept: number[] = []
  let newest: number | null = null
  let now = NOW
  const floor = createClockFloor({
    stapler: { newestSignedAt: () => newest },
    durable: { clockFloor: NOW, keepClockFloor: (at) => Promise.resolve(void kept.push(at)) },
    now: () => now,
  })
  expect([floor.value(), floor.ahead()]).toEqual([NOW, false])
  await floor.keep()
  newest = NOW - 60
  await floor.keep()
  expect([floor.value(), kept]).toEqual([NOW, []])
  newest = NOW + 60
  await floor.keep()
  await floor.keep()
  expect([floor.value(), kept]).toEqual([NOW + 60, [NOW + 60]])
  now = NOW + 60 - CLOCK_SKEW_S
  expect(floor.ahead()).toBe(false)
  now--
  expect(floor.ahead()).toBe(true)
  now = NaN
  expect(floor.ahead()).toBe(true)
})

test('a clock that was set back before a restart is refused by the next boot, before it has anything signed', async () => {
  const [path, key] = [newFolder(), rootKey()]
  const first = await boot(path, key)
  await first.store.durable.keepClockFloor(Math.floor(Date.now() / 1000))
  await first.store.durable.close()
  let backMs = 30 * 86_400_000
  const at = await startTestService({
    nowMs: () => Date.now() - backMs,
    gate: () => null,
    ...onDisk(path, key),
  })
  const refused = await chat(at, chatBody('x'))
  expect([refused.status, errorCode(refused)]).toEqual([503, 'not_attested'])
  const ready = await get(at, '/health/ready')
  expect(jsonObject(ready.body)['attested']).toMatchObject({ cause: 'clock_set_back' })
  // Between two judgements, too.
  backMs = 0
  const status = async () => (await chat(at, chatBody('x'))).status
  await expect.poll(status, { timeout: 10_000 }).toBe(200)
  backMs = 30 * 86_400_000
  expect(await status()).toBe(503)
  await at.close()
})

test('the documents of renewed keysets are found by later boots, the oldest give way, and all go with their boot', async () => {
  const [path, key] = [newFolder(), rootKey()]
  const first = await boot(path, key)
  const { durable } = first.store
  const digest = (n: number) => `sha256:${String(n).padStart(64, '0')}`
  await durable.archive(first.keys.keysetDigest, 'document of the first')
  for (let n = 0; n <= MAX_RENEWED; n++) await durable.archive(digest(n), `document ${String(n)}`)
  await durable.archive(digest(5), 'another')
  const expected = (store: typeof durable) => {
    expect(store.document(first.keys.keysetDigest)).toBe('document of the first')
    expect(store.document(digest(0))).toBeNull()
    expect(store.document(digest(1))).toBe('document 1')
    expect(store.document(digest(5))).toBe('document 5')
    expect(store.document(digest(MAX_RENEWED))).toBe(`document ${String(MAX_RENEWED)}`)
  }
  expected(durable)
  const id = await first.serve()
  await durable.close()
  const second = await boot(path, key)
  expected(second.store.durable)
  expect(second.store.get(id)).not.toBeNull()
  await second.store.durable.close()

  const later = await boot(path, key, { now: () => NOW + 40 * 86_400 })
  await later.serve()
  await later.store.durable.close()
  const last = await boot(path, key)
  expect(last.store.get(id)).toBeNull()
  expect(last.store.durable.document(digest(1))).toBeNull()
  expect(last.store.durable.document(first.keys.keysetDigest)).toBeNull()
  await last.store.durable.close()
  const tables = await openTables(path)
  expect([...tables.documents.getKeys()]).toEqual([])
  await tables.close()
})
