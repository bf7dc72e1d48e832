/** A shared place that changes, exchanges, forgets and rolls back what it was given. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { MAX_LOOKUPS } from '../../enclave/store/share-store.ts'
import { createSealer } from '../../enclave/store/sealer.ts'
import type { OpenSharedPlace } from '../../enclave/store/shared-place.ts'
import { accountForInterrupted } from '../../src/service/account-for-interrupted.ts'
import { get, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { inHand } from './in-hand.helpers.ts'
import { faultOf, replica, sharedAt } from './redis.helpers.ts'
import type { Replica } from './redis.helpers.ts'
import { NOW, OWN, exchange, newFolder, rootKey, until } from './store.helpers.ts'

describe('a place that changes what it was given', () => {
  async function two(): Promise<{
    readonly hand: ReturnType<typeof inHand>
    readonly a: Replica
    readonly b: Replica
  }> {
    const [hand, key] = [inHand(), rootKey()]
    return { hand, a: await replica(hand.open, key), b: await replica(hand.open, key) }
  }

  test('gives one receipt for another: nobody is answered with it, and it is counted', async () => {
    const { hand, a, b } = await two()
    const ids = [await a.serve(), await a.serve()]
    const [first = '', second = ''] = hand.named('r')
    const [x, y] = [hand.rows.get(first), hand.rows.get(second)]
    if (x === undefined || y === undefined) throw new Error('two rows')
    hand.rows.set(first, y).set(second, x)
    for (const id of ids) expect(await b.store.get(id)).toBeNull()
    expect(b.store.durable?.refused()).toBe(2)
    hand.rows.set(first, x).set(second, y)
    for (const id of ids) expect(await b.store.get(id)).not.toBeNull()
  })

  test('turns any byte: the receipt is not there', async () => {
    const { hand, a, b } = await two()
    const id = await a.serve()
    const [name = ''] = hand.named('r')
    const value = hand.rows.get(name) ?? Buffer.alloc(0)
    for (let at = 0; at < value.length; at += at < 64 ? 1 : 97) {
      const changed = Buffer.from(value)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      hand.rows.set(name, changed)
      expect(await b.store.get(id), String(at)).toBeNull()
    }
    for (const cut of [0, 1, 5, 36, 37, 64, value.length - 1]) {
      hand.rows.set(name, value.subarray(0, cut))
      expect(await b.store.get(id)).toBeNull()
    }
    hand.rows.set(name, value)
    expect((await b.store.get(id))?.record.receipt_id).toBe(id)
  })

  test('leads a completion id to another receipt of the same principal, or to nothing: it is not given', async () => {
    const { hand, a, b } = await two()
    await a.serve({ chatId: 'mine' })
    await a.serve({ chatId: 'other' })
    const [mine = '', other = ''] = hand.named('c')
    const pointer = hand.rows.get(other)
    if (pointer === undefined) throw new Error('a pointer')
    hand.rows.set(mine, pointer)
    expect(await b.store.findByChatId('alice', 'mine')).toBeNull()
    for (const odd of [Buffer.alloc(0), Buffer.alloc(15), Buffer.alloc(16), Buffer.alloc(5_000)]) {
      hand.rows.set(mine, odd)
      expect(await b.store.findByChatId('alice', 'mine')).toBeNull()
    }
    expect(await b.store.findByChatId('alice', 'other')).not.toBeNull()
  })

  test('gives the document of one keyset for that of another: it is not given', async () => {
    const { hand, a, b } = await two()
    const [one, other] = [`sha256:${'11'.repeat(32)}`, `sha256:${'22'.repeat(32)}`]
    await a.store.durable?.archive(one, '{"of":"one"}')
    await a.store.durable?.archive(other, '{"of":"two"}')
    const [first = '', second = ''] = hand.named('d')
    const [own, taken] = [hand.rows.get(first), hand.rows.get(second)]
    if (own === undefined || taken === undefined) throw new Error('two documents')
    hand.rows.set(first, taken)
    expect(await b.store.durable?.document(one)).toBeNull()
    // A receipt is no document.
    await a.serve()
    hand.rows.set(first, hand.rows.get(hand.named('r')[0] ?? '') ?? Buffer.alloc(0))
    expect(await b.store.durable?.document(one)).toBeNull()
    // What was opened once is not asked for again: it never changes.
    hand.rows.set(first, own)
    expect(await b.store.durable?.document(one)).toBe('{"of":"one"}')
    hand.rows.set(first, taken)
    expect(await b.store.durable?.document(one)).toBe('{"of":"one"}')
  })

  test('rolls back to what it was before: nothing that is younger comes in an older form', async () => {
    const { hand, a, b } = await two()
    const id = await a.serve({ chatId: 'chat' })
    const before = new Map(hand.rows)
    const later = await a.serve({ chatId: 'later' })
    hand.rows.clear()
    for (const [key, value] of before) hand.rows.set(key, value)
    expect((await b.store.get(id))?.record.receipt_id).toBe(id)
    // Withheld, at the others; where it was made it is still found.
    expect(await b.store.get(later)).toBeNull()
    expect((await a.store.get(later))?.record.receipt_id).toBe(later)
  })

  test('forgets a name and gives it to another: who holds the receipt id is not deceived', async () => {
    const { hand, a, b } = await two()
    const first = await a.serve({ chatId: 'chat' })
    for (const name of hand.named('c')) hand.rows.delete(name)
    await b.serve({ chatId: 'chat' })
    expect((await a.store.get(first))?.record.receipt_id).toBe(first)
    expect((await b.store.get(first))?.record.receipt_id).toBe(first)
  })

  test('names boots without end: the keys of no more than so many are held, and its own still opens', async () => {
    const sealer = createSealer(rootKey(), toHex32(Buffer.alloc(32)), 'shared')
    const id = Buffer.alloc(16)
    const none = new Uint8Array(0)
    const sealed = sealer.seal('shared-records', id, none, Buffer.from('x'))
    for (let i = 1; i <= 4_200; i++) {
      const boot = Buffer.alloc(32)
      boot.writeUInt32BE(i)
      expect(sealer.open('shared-records', id, none, toHex32(boot), sealed)).toBeNull()
    }
    expect(sealer.open('shared-records', id, none, toHex32(Buffer.alloc(32)), sealed)).toEqual(
      Buffer.from('x'),
    )
  })
})

describe('the two sealers of a process', () => {
  test('share no key, no digest and no entry, so that each may count from one', () => {
    const [root, boot] = [rootKey(), toHex32(Buffer.alloc(32, 1))]
    const [disk, shared] = [createSealer(root, boot), createSealer(root, boot, 'shared')]
    const [id, none, plain] = [Buffer.alloc(12), new Uint8Array(0), Buffer.alloc(64)]
    const [x, y] = [disk.seal('records', id, none, plain), shared.seal('records', id, none, plain)]
    // The same nonce, and another key.
    expect(x.subarray(0, 12)).toEqual(y.subarray(0, 12))
    expect(x.subarray(12, 76)).not.toEqual(y.subarray(12, 76))
    expect(shared.open('records', id, none, boot, x)).toBeNull()
    expect(disk.open('records', id, none, boot, y)).toBeNull()
    expect(disk.indexKey('receipt', 'a')).not.toEqual(shared.indexKey('receipt', 'a'))
  })
})

test('the place is told of a receipt when the disk has it, and not before', async () => {
  const hand = inHand()
  const held: (() => void)[] = []
  const a = await replica(hand.open, rootKey(), {
    disk: async (commit) => {
      await new Promise<void>((resolve) => held.push(resolve))
      await commit()
    },
  })
  const served = a.serve()
  await until(() => held.length > 0)
  await sleep(50)
  expect(hand.named('r')).toEqual([])
  held[0]?.()
  await served
  expect(hand.named('r')).toHaveLength(1)
})

test('questions that wait for the place are no more than so many', async () => {
  const never = new Promise<never>(() => undefined)
  const open: OpenSharedPlace = () => ({
    read: () => never,
    has: () => never,
    write: () => Promise.resolve(),
    close: () => undefined,
  })
  const a = await replica(open, rootKey(), { now: () => NOW })
  for (let i = 0; i < MAX_LOOKUPS; i++) void a.store.get(`rcpt-${String(i)}`)
  expect(await faultOf(Promise.resolve(a.store.get('rcpt-more')))).toBe('shared_store_busy')
  // Of no id that is minted here: not asked.
  expect(await a.store.get('no such id!')).toBeNull()
})

describe('a volume that was rolled back beside a place that was not', () => {
  async function rolledBack(): Promise<{
    readonly hand: ReturnType<typeof inHand>
    readonly id: string
    /** A service on that volume. */
    serve(): Promise<TestService>
    again(): Promise<Replica>
  }> {
    const [hand, key, path, copy] = [inHand(), rootKey(), newFolder(), newFolder()]
    // As a service has it: an older row would not be served.
    const now = () => Math.floor(Date.now() / 1000)
    const first = await replica(hand.open, key, { path, now })
    const admission = first.issuer.admit({
      ownership: OWN,
      challenge: null,
      endpoint: '/v1/chat/completions',
      method: 'POST',
    })
    await sleep(100)
    await first.local.durable.probe()
    copyFileSync(join(path, 'receipts.mdb'), join(copy, 'receipts.mdb'))
    await first.issuer.settle(admission, exchange({ chatId: 'chat-1' }))
    return {
      hand,
      id: admission.receiptId,
      serve: () => startTestService(sharedAt(hand.open, key, { path: copy })),
      again: () => replica(hand.open, key, { path: copy, now }),
    }
  }

  test('says of no request that it was interrupted whose receipt the place has', async () => {
    const rolled = await rolledBack()
    const { id } = rolled
    const again = await rolled.again()
    await accountForInterrupted(again.store, again.issuer)
    expect((await again.store.get(id))?.record.outcome).toBe('complete')
    expect(again.local.get(id)).toBeNull()
    expect(again.store.durable?.refused()).toBe(1)
    expect(again.store.durable?.found.admissionsPutBack).toBe(1)
  })

  test('is named in the log of the service that starts on it', async () => {
    const { id, serve } = await rolledBack()
    const at = await serve()
    const found = at.log.filter(({ message }) => message === 'what opening the store found')
    expect(found.map(({ fields: { cause, admissions } }) => [cause, admissions])).toEqual([
      ['store_admissions_put_back', 1],
    ])
    const receipt = await get(at, `/v1/attestation/receipts/${id}`, { who: 'alice' })
    expect(String(jsonObject(receipt.body)['document'])).toContain('"outcome":"complete"')
    await at.close()
  })

  test('says nothing while the place does not answer', async () => {
    const rolled = await rolledBack()
    const { hand, id } = rolled
    const again = await rolled.again()
    hand.fails('shared_store_unreachable')
    expect(await faultOf(accountForInterrupted(again.store, again.issuer))).toBe(
      'shared_store_unreachable',
    )
    expect(again.local.get(id)).toBeNull()
    expect(again.store.durable?.found.admissionsPutBack).toBe(0)
  })
})
