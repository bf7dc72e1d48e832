/** What a host does to the volume: changed, moved, cut and rolled-back entries, and a disk that fills. */
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { describe, expect, test } from 'vitest'
import { parseReceipt } from '../../attestation/appraiser/receipt/parse-receipt.ts'
import { StoreError } from '../../enclave/store/store-error.ts'
import { storeWarnings } from '../../enclave/store/store-warnings.ts'
import { accountForInterrupted } from '../../src/service/account-for-interrupted.ts'
import { OWN, boot, exchange, newFolder, rootKey } from './store.helpers.ts'

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const

/** The volume's owner at work: the tables as LMDB has them, without the key. */
async function tamper(
  path: string,
  name: string,
  change: (entries: [Buffer, Buffer][]) => readonly [Buffer, Buffer][],
): Promise<void> {
  const root = open<Buffer, Buffer>({
    path: join(path, 'receipts.mdb'),
    noSubdir: true,
    maxDbs: 16,
    ...BINARY,
  })
  const table = root.openDB<Buffer, Buffer>({ name, ...BINARY })
  const entries = [...table.getRange()].map(({ key, value }): [Buffer, Buffer] => [
    Buffer.from(key),
    Buffer.from(value),
  ])
  for (const [key, value] of change(entries)) await table.put(key, value)
  await root.close()
}

async function entriesOf(path: string, name: string): Promise<readonly [Buffer, Buffer][]> {
  let found: readonly [Buffer, Buffer][] = []
  await tamper(path, name, (entries) => {
    found = entries
    return []
  })
  return found
}

async function filled(): Promise<{ path: string; key: Uint8Array; ids: string[] }> {
  const [path, key] = [newFolder(), rootKey()]
  const first = await boot(path, key)
  const ids: string[] = []
  for (let i = 0; i < 4; i++) ids.push(await first.serve({ chatId: `chat-${String(i)}` }))
  await first.store.durable.archive(first.keys.keysetDigest, 'a document')
  await first.store.durable.close()
  return { path, key, ids }
}

/** How many of the receipts are found by id, by completion id, and how many entries were refused for it. */
async function told(path: string, key: Uint8Array, ids: readonly string[]): Promise<number[]> {
  const at = await boot(path, key)
  const byId = ids.filter((id) => at.store.get(id)?.record.receipt_id === id)
  const byChat = ids.filter(
    (id, i) => at.store.findByChatId('alice', `chat-${String(i)}`)?.record.receipt_id === id,
  )
  const refused = at.store.durable.refused()
  await at.store.durable.close()
  return [byId.length, byChat.length, refused]
}

describe('a receipt that the volume changed is refused and counted, never served', () => {
  test('one bit of each, anywhere in it', async () => {
    const { path, key, ids } = await filled()
    await tamper(path, 'records', (entries) =>
      entries.map(([id, value], i) => {
        const at = [0, 6, 40, value.length - 1][i] ?? 0
        value.writeUInt8(value.readUInt8(at) ^ 1, at)
        return [id, value]
      }),
    )
    expect(await told(path, key, ids)).toEqual([0, 0, 8])
  })

  test('swapped with another', async () => {
    const { path, key, ids } = await filled()
    await tamper(path, 'records', (entries) =>
      entries.map(([id], i) => [id, entries[(i + 1) % entries.length]?.[1] ?? Buffer.alloc(0)]),
    )
    expect(await told(path, key, ids)).toEqual([0, 0, 8])
  })

  test('reached by the name of another: neither by receipt id nor by completion id', async () => {
    for (const table of ['receipts', 'chats']) {
      const { path, key, ids } = await filled()
      await tamper(path, table, (entries) =>
        entries.map(([name], i) => [
          name,
          entries[(i + 1) % entries.length]?.[1] ?? Buffer.alloc(0),
        ]),
      )
      const found = await told(path, key, ids)
      expect(found).toEqual(table === 'receipts' ? [0, 4, 4] : [4, 0, 4])
    }
  })

  test('copied to a place of the next boot, whose positions are the same', async () => {
    const { path, key, ids } = await filled()
    const second = await boot(path, key)
    const later = await second.serve()
    await second.store.durable.close()
    await tamper(path, 'records', (entries) => {
      const [first, last] = [entries[0], entries.at(-1)]
      return first === undefined || last === undefined ? [] : [[last[0], first[1]]]
    })
    expect(await told(path, key, [...ids, later])).toEqual([4, 4, 1])
  })

  test('cut to nothing', async () => {
    const { path, key, ids } = await filled()
    await tamper(path, 'records', (entries) => entries.map(([id]) => [id, Buffer.alloc(0)]))
    expect(await told(path, key, ids)).toEqual([0, 0, 8])
  })

  test('under another boot id than its own', async () => {
    const { path, key, ids } = await filled()
    await tamper(path, 'boots', (entries) =>
      entries.map(([id, value]) => [id, Buffer.concat([Buffer.alloc(32, 7), value.subarray(32)])]),
    )
    expect((await told(path, key, ids)).slice(0, 2)).toEqual([0, 0])
    const at = await boot(path, key)
    // Not the boot that looked above.
    expect(storeWarnings(at.store.durable.found)).toEqual([
      { cause: 'store_boots_unreadable', boots: 1 },
    ])
  })

  test('so is a document, and an admission', async () => {
    const { path, key } = await filled()
    for (const table of ['documents', 'admissions']) {
      await tamper(path, table, (entries) =>
        (entries.length === 0
          ? [[Buffer.alloc(12, 1), Buffer.alloc(64)] as [Buffer, Buffer]]
          : entries
        ).map(([id, value]) => [id, Buffer.concat([value.subarray(1), Buffer.of(0)])]),
      )
    }
    const at = await boot(path, key)
    expect(at.store.durable.interrupted).toEqual([])
    expect(at.store.durable.refused()).toBe(1)
  })
})

test('a file that was cut opens or is refused, and ends no process', async () => {
  const { path, key, ids } = await filled()
  const file = join(path, 'receipts.mdb')
  const whole = readFileSync(file)
  for (const size of [100, 4096, 8192, 3 * 4096, whole.length >> 1, whole.length - 4096]) {
    writeFileSync(file, whole)
    truncateSync(file, size)
    let how: string
    try {
      const [byId = 0] = await told(path, key, ids)
      how = byId <= ids.length ? 'opened' : 'more than there was'
    } catch (error) {
      how = error instanceof StoreError ? error.code : String(error)
    }
    expect(['opened', 'store_damaged', 'store_unusable']).toContain(how)
  }
  writeFileSync(file, whole)
  expect((await told(path, key, ids)).slice(0, 2)).toEqual([4, 4])
})

test('a volume that was rolled back loses what came after, and what comes next is sealed anew', async () => {
  const { path, key, ids } = await filled()
  const file = join(path, 'receipts.mdb')
  const kept = join(newFolder(), 'earlier')
  copyFileSync(file, kept)
  const second = await boot(path, key)
  const lost = await second.serve()
  await second.store.durable.close()
  const before = readFileSync(file)
  copyFileSync(kept, file)
  const third = await boot(path, key)
  expect(third.store.get(lost)).toBeNull()
  const next = await third.serve()
  expect(third.store.get(next)).not.toBeNull()
  expect(third.store.get(ids[0] ?? '')).not.toBeNull()
  await third.store.durable.close()
  // The same boot number and position, and so the same nonce: under one key the sealed texts would begin alike.
  const [one, two] = [before, readFileSync(file)].map((bytes) =>
    bytes.includes(Buffer.from(second.keys.bootId, 'hex')),
  )
  expect([one, two]).toEqual([true, false])
})

describe('a request that a kill cut', () => {
  const request = {
    ownership: OWN,
    challenge: null,
    endpoint: '/v1/chat/completions',
    method: 'POST',
  }

  test('is found by the next boot once, with what was known of it, and is struck out with its receipt', async () => {
    const [path, copy, key] = [newFolder(), newFolder(), rootKey()]
    const first = await boot(path, key)
    const open = first.issuer.admit(request)
    const settled = await first.serve()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await first.store.durable.probe()
    // What the disk holds at the moment of the kill.
    copyFileSync(join(path, 'receipts.mdb'), join(copy, 'receipts.mdb'))
    const second = await boot(copy, key)
    expect(second.store.durable.interrupted).toEqual([
      {
        bootId: first.keys.bootId,
        admission: { ...request, receiptId: open.receiptId, opening: open.opening },
      },
    ])
    for (const admission of second.store.durable.interrupted)
      await second.issuer.interrupt(admission)
    const found = second.store.get(open.receiptId)
    expect(found?.record).toMatchObject({
      outcome: 'interrupted',
      interrupted_boot: first.keys.bootId,
      boot_id: second.keys.bootId,
      sequence: 1,
    })
    expect(second.store.get(settled)?.record.outcome).toBe('complete')
    if (found === null) throw new Error('not found')
    const text = second.issuer.document(found)
    expect(second.issuer.opening(found)).toBe(open.opening)
    const parsed = parseReceipt(text)
    expect(parsed.ok && [parsed.receipt.bodies, parsed.receipt.record]).toEqual([
      null,
      found.record,
    ])
    // Nobody may pass it for an ending that the boot itself saw, nor the other way round.
    const named = `"interrupted_boot":"${first.keys.bootId}",`
    for (const forged of [
      text.replace('"outcome":"interrupted"', '"outcome":"complete"'),
      text.replace(named, ''),
      text.replace(named, named.replace(first.keys.bootId, 'unknown')),
    ]) {
      expect(forged).not.toBe(text)
      expect(parseReceipt(forged).ok).toBe(false)
    }
    await second.store.durable.close()
    const third = await boot(copy, key)
    expect(third.store.durable.interrupted).toEqual([])
    expect(third.store.get(open.receiptId)?.record.outcome).toBe('interrupted')
  })

  test('is not one that ended and whose admission was put back: its receipt stands, and the row is struck out and counted', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const first = await boot(path, key)
    const open = first.issuer.admit(request)
    const other = first.issuer.admit(request)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await first.store.durable.probe()
    const rows = await entriesOf(path, 'admissions')
    expect(rows).toHaveLength(2)
    await first.issuer.settle(open, exchange({ chatId: 'chat-1' }))
    await first.store.durable.close()
    for (const round of [1, 2]) {
      await tamper(path, 'admissions', () => rows.slice(0, 1))
      const next = await boot(path, key)
      const { interrupted, found } = next.store.durable
      // The one that was open when the first boot ended is accounted for, once.
      expect(interrupted.map(({ admission }) => admission.receiptId)).toEqual(
        round === 1 ? [other.receiptId] : [],
      )
      await accountForInterrupted(next.store, next.issuer)
      expect(next.store.get(other.receiptId)?.record.outcome).toBe('interrupted')
      expect(next.store.get(open.receiptId)?.record).toMatchObject({
        outcome: 'complete',
        boot_id: first.keys.bootId,
      })
      expect(next.store.findByChatId('alice', 'chat-1')?.record.receipt_id).toBe(open.receiptId)
      expect(next.store.durable.refused()).toBe(1)
      expect(storeWarnings(found)).toEqual([{ cause: 'store_admissions_put_back', admissions: 1 }])
      await next.store.durable.close()
      expect(await entriesOf(path, 'admissions')).toEqual([])
    }
  })
})
