import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MAX_ARCHIVED_BYTES } from '../../enclave/store/boots.ts'
import { StoreError } from '../../enclave/store/store-error.ts'
import { NOW, OWN, boot, newFolder, rootKey } from './store.helpers.ts'

const BROKER = { principal: 'broker', relay: true, ownerHash: null }

async function fault(opening: Promise<unknown>): Promise<string> {
  try {
    await opening
    return 'opened'
  } catch (error) {
    return error instanceof StoreError ? error.code : String(error)
  }
}

describe('what was acknowledged', () => {
  test('is found at once, by receipt id and by completion id', async () => {
    const at = await boot(newFolder(), rootKey())
    const id = await at.serve({ chatId: 'chatcmpl-1' })
    expect(at.store.get(id)?.record.receipt_id).toBe(id)
    expect(at.store.findByChatId('alice', 'chatcmpl-1')?.record.receipt_id).toBe(id)
    expect(at.store.findByChatId('bob', 'chatcmpl-1')).toBeNull()
    expect(at.store.get('rcpt-unknown')).toBeNull()
    expect(at.store.usage().receipts).toBe(1)
    expect(at.store.durable.refused()).toBe(0)
  })

  test('is told byte for byte alike by the boot after', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const first = await boot(path, key)
    const id = await first.serve({ chatId: 'chatcmpl-1' })
    const own = first.store.get(id)
    const viewed = await first.serve({}, BROKER)
    const relayed = first.store.get(viewed)
    if (own === null || relayed === null) throw new Error('not stored')
    const before = [first.issuer.document(own), first.issuer.opening(own)]
    const signed = first.issuer.legacy(own, 'ecdsa')
    const view = first.issuer.view(relayed)
    await first.store.durable.archive(first.keys.keysetDigest, '{"the":"document"}')
    await first.store.durable.close()

    const second = await boot(path, key)
    const kept = second.store.get(id)
    const keptView = second.store.get(viewed)
    if (kept === null || keptView === null) throw new Error('lost')
    expect([second.issuer.document(kept), second.issuer.opening(kept)]).toEqual(before)
    expect(second.issuer.legacy(kept, 'ecdsa')).toEqual(signed)
    // Its key is gone.
    expect(second.issuer.legacy(kept, 'ed25519')).toBeNull()
    expect(second.issuer.view(keptView)).toBe(view)
    expect(() => second.issuer.view(kept)).toThrow(TypeError)
    expect(second.store.findByChatId('alice', 'chatcmpl-1')?.record.receipt_id).toBe(id)
    expect(second.store.durable.document(first.keys.keysetDigest)).toBe('{"the":"document"}')
    expect(second.store.durable.document(second.keys.keysetDigest)).toBeNull()
    expect(second.store.usage().receipts).toBe(2)
  })

  test('a document too large to be kept is not, and nothing is kept twice', async () => {
    const at = await boot(newFolder(), rootKey())
    await at.store.durable.archive(at.keys.keysetDigest, 'x'.repeat(MAX_ARCHIVED_BYTES + 1))
    expect(at.store.durable.document(at.keys.keysetDigest)).toBeNull()
    await at.store.durable.archive(at.keys.keysetDigest, 'first')
    await at.store.durable.archive(at.keys.keysetDigest, 'second')
    expect(at.store.durable.document(at.keys.keysetDigest)).toBe('first')
  })
})

test('a completion id chosen twice names the first receipt, in one commit, in two, and after a restart', async () => {
  const [path, key] = [newFolder(), rootKey()]
  const first = await boot(path, key)
  const [one] = await Promise.all([
    first.serve({ chatId: 'chosen' }),
    first.serve({ chatId: 'chosen' }),
  ])
  await first.serve({ chatId: 'chosen' })
  const other = await first.serve({ chatId: 'chosen' }, { ...OWN, principal: 'bob' })
  expect(first.store.findByChatId('alice', 'chosen')?.record.receipt_id).toBe(one)
  expect(first.store.findByChatId('bob', 'chosen')?.record.receipt_id).toBe(other)
  await first.store.durable.close()
  const second = await boot(path, key)
  // A completion id spelled like a receipt id leads nowhere but to the receipt that it was given for.
  const imitating = await second.serve({ chatId: one }, { ...OWN, principal: 'mallory' })
  await second.serve({ chatId: 'chosen' })
  expect(second.store.findByChatId('alice', 'chosen')?.record.receipt_id).toBe(one)
  expect(second.store.get(one)?.record.receipt_id).toBe(one)
  expect(second.store.findByChatId('mallory', one)?.record.receipt_id).toBe(imitating)
})

describe('who cannot open it', () => {
  test('a second process, while the first lives', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const first = await boot(path, key)
    expect(await fault(boot(path, key))).toBe('store_in_use')
    const id = await first.serve()
    expect(first.store.get(id)).not.toBeNull()
    await first.store.durable.close()
    expect(await fault(boot(path, key))).toBe('opened')
  })

  test('whoever has another key', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const first = await boot(path, key)
    const id = await first.serve()
    await first.store.durable.close()
    expect(await fault(boot(path, rootKey()))).toBe('store_key_mismatch')
    expect(await fault(boot(path, rootKey(), { ephemeral: true }))).toBe('store_key_mismatch')
    const again = await boot(path, key)
    expect(again.store.get(id)).not.toBeNull()
  })

  test('a path too long for its lock', async () => {
    const path = join(newFolder(), 'x'.repeat(100))
    expect(await fault(boot(path, rootKey()))).toBe('store_unusable')
  })
})

test('what was sealed under a key that ended with its process goes at the next start', async () => {
  const path = newFolder()
  const first = await boot(path, rootKey(), { ephemeral: true })
  const id = await first.serve()
  await first.store.durable.close()
  const second = await boot(path, rootKey(), { ephemeral: true })
  expect(second.store.get(id)).toBeNull()
  expect(second.store.usage().receipts).toBe(0)
  expect(first.store.durable.found.lost).toEqual({ boots: 0, receipts: 0 })
  expect(second.store.durable.found.lost).toEqual({ boots: 1, receipts: 1 })
})

test('the volume shows no id, principal, address or text, nor the opening', async () => {
  const [path, key] = [newFolder(), rootKey()]
  const at = await boot(path, key)
  const id = await at.serve({ chatId: 'chatcmpl-secret', modelServed: 'a-model-of-ours' })
  const receipt = at.store.get(id)
  await at.store.durable.archive(at.keys.keysetDigest, '{"document":"of ours"}')
  await at.store.durable.close()
  const bytes = readFileSync(join(path, 'receipts.mdb'))
  const texts = [id, 'chatcmpl-secret', 'a-model-of-ours', 'alice', 'complete', 'of ours']
  for (const text of [...texts, receipt?.kept?.opening ?? '', at.keys.address.address]) {
    expect(bytes.includes(text), text).toBe(false)
  }
  expect(bytes.includes(Buffer.from(key))).toBe(false)
  expect(bytes.includes(Buffer.from(at.keys.bootId, 'hex'))).toBe(true)
})

describe('retention', () => {
  test('by age: older receipts go, what leads to them goes too, and then their boot', async () => {
    const [path, key] = [newFolder(), rootKey()]
    let now = NOW
    const options = { retention: { days: 1, bytes: 1024 ** 3 }, now: () => now }
    const first = await boot(path, key, options)
    const old = await first.serve({ chatId: 'reused' })
    await first.store.durable.archive(first.keys.keysetDigest, 'of the first boot')
    await first.store.durable.close()
    const second = await boot(path, key, options)
    now += 86_400
    const kept = await second.serve()
    expect(second.store.get(old)).not.toBeNull()
    now += 1
    await second.store.durable.probe()
    expect(second.store.get(old)).toBeNull()
    expect(second.store.get(kept)).not.toBeNull()
    expect(second.store.findByChatId('alice', 'reused')).toBeNull()
    // The name is free again.
    const renamed = await second.serve({ chatId: 'reused' })
    expect(second.store.findByChatId('alice', 'reused')?.record.receipt_id).toBe(renamed)
    expect(second.store.durable.refused()).toBe(0)
    await second.store.durable.close()
    const third = await boot(path, key, options)
    expect(third.store.durable.document(first.keys.keysetDigest)).toBeNull()
    expect(third.store.get(kept)).not.toBeNull()
  })

  test('by size: the oldest go first and the file stops growing', async () => {
    const path = newFolder()
    const bytes = 512 * 1024
    const at = await boot(path, rootKey(), { retention: { days: 30, bytes } })
    const ids: string[] = []
    let size = 0
    for (let i = 0; i < 40; i++) {
      const chatId = (n: number) => `chat-${String(i)}-${String(n)}`
      ids.push(
        ...(await Promise.all(
          Array.from({ length: 32 }, (_, n) => at.serve({ chatId: chatId(n) })),
        )),
      )
      if (i === 19) size = readFileSync(join(path, 'receipts.mdb')).length
    }
    expect(at.store.usage().bytes).toBeLessThan(bytes * 1.3)
    expect(at.store.get(ids[0] ?? '')).toBeNull()
    expect(at.store.get(ids.at(-1) ?? '')).not.toBeNull()
    expect(at.store.findByChatId('alice', 'chat-39-31')).not.toBeNull()
    const found = ids.map((id) => at.store.get(id) !== null)
    // Nothing but the oldest is missing.
    expect(found.indexOf(true)).toBe(found.lastIndexOf(false) + 1)
    expect(readFileSync(join(path, 'receipts.mdb')).length).toBeLessThan(size * 1.3)
    expect(at.store.durable.refused()).toBe(0)
  })
})

test('a clone and a volume that was rolled back are written under keys of their own', async () => {
  const [path, clone, key] = [newFolder(), newFolder(), rootKey()]
  const first = await boot(path, key)
  const id = await first.serve()
  await first.store.durable.close()
  cpSync(path, clone, { recursive: true })
  const [one, two] = [await boot(path, key), await boot(clone, key)]
  // Equal number, equal position, equal nonce: only the key is another.
  const [a, b] = [await one.serve(), await two.serve()]
  expect(one.keys.bootId).not.toBe(two.keys.bootId)
  expect([one.store.get(id), two.store.get(id)].map((found) => found?.record.receipt_id)).toEqual([
    id,
    id,
  ])
  expect([one.store.get(b), two.store.get(a)]).toEqual([null, null])
})
