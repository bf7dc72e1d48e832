/** A shared place that does a part of what it is asked: takes probes and no receipts, or lets reading cost writing. */
import { createHash } from 'node:crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  SHARED_FORGET_MS,
  SHARED_REST_MAX_MS,
  SHARED_REST_MS,
} from '../../enclave/store/place-health.ts'
import { MAX_ROWS_TOGETHER, createRowSender } from '../../enclave/store/row-sender.ts'
import {
  MAX_CACHED_DOCUMENTS,
  MAX_CACHED_DOCUMENT_BYTES,
  MAX_DOCUMENT_LOOKUPS,
  createSharedDocuments,
} from '../../enclave/store/shared-documents.ts'
import { SharedStoreError } from '../../enclave/store/shared-place.ts'
import type { OpenSharedPlace, SharedRow } from '../../enclave/store/shared-place.ts'
import { watchStore } from '../../src/operations/watch-store.ts'
import { chat, chatBody, errorCode, get, header, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import { inHand } from './in-hand.helpers.ts'
import { faultOf, replica, sharedAt } from './redis.helpers.ts'
import { rootKey, until } from './store.helpers.ts'

/** Whoever looks can tell a probe by how long it is to stand. */
const isReceipt = ({ ttlS }: SharedRow) => ttlS > 1

describe('a place that takes probes and no receipts', () => {
  test('is asked ever later, so that it costs ever fewer answers', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const hand = inHand()
    const a = await replica(hand.open, rootKey())
    const probe = () => faultOf(a.store.durable?.probe() ?? Promise.resolve())
    hand.refuses(isReceipt)
    let restMs = 0
    for (let times = 0; times < 8; times++) {
      expect(await faultOf(Promise.all([a.serve(), a.serve()]))).toBe('shared_store_full')
      if (restMs > 0) {
        vi.advanceTimersByTime(restMs - 1)
        expect(await probe()).toBe('shared_store_full')
        expect(a.store.durable?.fault?.()).toBe('shared_store_full')
        vi.advanceTimersByTime(1)
      }
      expect(await probe()).toBe('none')
      expect(a.store.durable?.fault?.()).toBeNull()
      restMs = Math.min(Math.max(restMs * 2, SHARED_REST_MS), SHARED_REST_MAX_MS)
    }
    expect(restMs).toBe(SHARED_REST_MAX_MS)
    // One that has been good for long is not held to what it was.
    vi.advanceTimersByTime(SHARED_FORGET_MS)
    expect(await faultOf(a.serve())).toBe('shared_store_full')
    expect(await probe()).toBe('none')
  })

  test('is not brought back by a probe that began before it refused', async () => {
    const hand = inHand()
    let probeTaken = Promise.resolve()
    const open: OpenSharedPlace = (events) => {
      const place = hand.open(events)
      return {
        ...place,
        async write(added) {
          if (!added.some(isReceipt)) await probeTaken
          await place.write(added)
        },
      }
    }
    const a = await replica(open, rootKey())
    const probe = () => faultOf(a.store.durable?.probe() ?? Promise.resolve())
    hand.refuses(isReceipt)
    expect(await faultOf(a.serve())).toBe('shared_store_full')
    expect(await probe()).toBe('none')
    let take: () => void = () => undefined
    probeTaken = new Promise((resolve) => (take = resolve))
    const early = probe()
    expect(await faultOf(a.serve())).toBe('shared_store_full')
    take()
    expect(await early).toBe('shared_store_full')
    expect(a.store.durable?.fault?.()).toBe('shared_store_full')
  })

  test('is probed with what is like a receipt in name and size', async () => {
    const hand = inHand()
    const a = await replica(hand.open, rootKey())
    await a.serve({ chatId: 'chat-1', modelServed: 'm'.repeat(5_000) })
    const sizeOf = (kind: 'c' | 'r') => hand.named(kind).map((key) => hand.rows.get(key)?.length)
    const [receipt] = sizeOf('r')
    hand.rows.clear()
    await a.store.durable?.probe()
    expect([sizeOf('r'), sizeOf('c')]).toEqual([[receipt], [16]])
    for (const key of hand.rows.keys()) expect(key).toMatch(/^countersign:1:[cr]:[0-9a-f]{32}$/)
    hand.refuses(({ value }) => value.length > 4_096)
    expect(await faultOf(a.store.durable?.probe() ?? Promise.resolve())).toBe('shared_store_full')
  })

  test('is not back because it took the receipt of an answer that was under way', async () => {
    const hand = inHand()
    const a = await replica(hand.open, rootKey())
    const watched = watchStore(a.store, () => 0)
    onTestFinished(() => watched.close())
    const entry = { receiptId: 'rcpt-a', chatId: null, text: '', opening: '', viewSignature: null }
    const ownership = { principal: 'alice', relay: false, ownerHash: null }
    hand.refuses(isReceipt)
    expect(await faultOf(Promise.resolve(watched.store.put({ ...entry, ownership })))).toBe(
      'shared_store_full',
    )
    hand.refuses(() => false)
    await watched.store.put({ ...entry, receiptId: 'rcpt-b', ownership })
    expect(watched.refusing()).toBe(true)
    await until(() => !watched.refusing())
  })

  test('leaves the receipt of a cut answer on the disk, which says of the model’s answer that it was complete', async () => {
    const hand = inHand()
    const a = await startTestService(sharedAt(hand.open, rootKey()))
    hand.refuses(isReceipt)
    const answer = await chat(a, chatBody('x', { stream: true }))
    expect(answer.body.includes('[DONE]')).toBe(false)
    const id = header(answer, 'x-receipt-id')
    const receipt = await get(a, `/v1/attestation/receipts/${id}`, { who: 'alice' })
    const document = String(jsonObject(receipt.body)['document'])
    expect(document).toContain('"outcome":"complete"')
    // Of more bytes than its client has, so that it does not pass for the receipt of those.
    const hash = createHash('sha256').update(answer.body).digest('hex')
    expect(document).not.toContain(hash)
    expect(errorCode(await chat(a, chatBody('x')))).toBe('store_unavailable')
    await a.close()
  })
})

describe('what many read of a place', () => {
  test('does not count against what answers wait for', async () => {
    const hand = inHand()
    const a = await replica(hand.open, rootKey())
    hand.fails('shared_store_slow')
    expect(await faultOf(a.store.durable?.probe() ?? Promise.resolve())).toBe('none')
    await a.serve()
    expect(a.faults).toEqual([])
    hand.fails('shared_store_refused')
    expect(await faultOf(a.store.durable?.probe() ?? Promise.resolve())).toBe(
      'shared_store_refused',
    )
  })

  test('documents are fetched a few at once, one once for all, and then no more', async () => {
    const asked: ((document: string | null) => void)[] = []
    const digests: string[] = []
    const documents = createSharedDocuments((digest) => {
      digests.push(digest)
      return new Promise((resolve) => asked.push(resolve))
    })
    const waiting = ['a', 'a', 'a', 'b', 'b'].map((digest) => documents.get(digest))
    expect(digests).toEqual(['a', 'b'])
    expect(digests).toHaveLength(MAX_DOCUMENT_LOOKUPS)
    expect(await faultOf(documents.get('c'))).toBe('shared_store_busy')
    for (const [i, give] of asked.entries()) give(i === 0 ? 'of a' : null)
    expect(await Promise.all(waiting)).toEqual(['of a', 'of a', 'of a', null, null])
    expect(await documents.get('a')).toBe('of a')
    expect(digests).toHaveLength(2)
    // That there is none is asked again: it may come.
    void documents.get('b')
    expect(digests).toEqual(['a', 'b', 'b'])
  })

  test('no more of them are kept than so many, nor so many bytes', async () => {
    let fetched = 0
    const documents = createSharedDocuments((digest) => {
      fetched++
      return Promise.resolve(digest.startsWith('large') ? 'x'.repeat(4 * 1024 * 1024) : 'x')
    })
    for (let i = 0; i < MAX_CACHED_DOCUMENTS; i++) await documents.get(`small-${String(i)}`)
    await documents.get('small-0')
    expect(fetched).toBe(MAX_CACHED_DOCUMENTS)
    await documents.get('one more')
    // The one that was asked for last stays, the one after it made room.
    await documents.get('small-0')
    expect(fetched).toBe(MAX_CACHED_DOCUMENTS + 1)
    await documents.get('small-1')
    expect(fetched).toBe(MAX_CACHED_DOCUMENTS + 2)
    const most = MAX_CACHED_DOCUMENT_BYTES / (4 * 1024 * 1024)
    for (let i = 0; i <= most; i++) await documents.get(`large-${String(i)}`)
    fetched = 0
    for (let i = 1; i <= most; i++) await documents.get(`large-${String(i)}`)
    expect(fetched).toBe(0)
    await documents.get('large-0')
    expect(fetched).toBe(1)
  })

  test('a read that failed is not kept', async () => {
    let fails = true
    const documents = createSharedDocuments(() =>
      fails ? Promise.reject(new SharedStoreError('shared_store_slow')) : Promise.resolve('x'),
    )
    expect(await faultOf(documents.get('a'))).toBe('shared_store_slow')
    fails = false
    expect(await documents.get('a')).toBe('x')
  })
})

describe('receipts that end together', () => {
  const row = (i: number): SharedRow => ({ key: String(i), value: Buffer.alloc(1), ttlS: 60 })

  test('wait each for its own write: none for another, and none is taken along by a later one that fails', async () => {
    const writes: { rows: readonly SharedRow[]; end: (error?: Error) => void }[] = []
    const sender = createRowSender(
      (rows) =>
        new Promise((resolve, reject) => {
          writes.push({ rows, end: (error) => (error === undefined ? resolve() : reject(error)) })
        }),
    )
    const sent = Array.from({ length: 1_000 }, (_, i) => sender.send([row(2 * i), row(2 * i + 1)]))
    const settled = Promise.allSettled(sent)
    await until(() => writes.length === Math.ceil(2_000 / MAX_ROWS_TOGETHER))
    for (const { rows } of writes) expect(rows.length).toBeLessThanOrEqual(MAX_ROWS_TOGETHER)
    const [first, ...others] = writes
    first?.end()
    await sent[0]
    for (const { end } of others) end(new SharedStoreError('shared_store_slow'))
    const taken = (await settled).filter(({ status }) => status === 'fulfilled')
    expect(taken).toHaveLength(MAX_ROWS_TOGETHER / 2)
    await sender.idle()
  })

  test('are all sent before any of them was acknowledged', async () => {
    const ends: (() => void)[] = []
    const hand = inHand()
    const open: OpenSharedPlace = (events) => ({
      ...hand.open(events),
      write: () => new Promise((resolve) => ends.push(resolve)),
    })
    const a = await replica(open, rootKey())
    const first = a.serve()
    await until(() => ends.length === 1)
    const all = Array.from({ length: 200 }, (_, i) => a.serve({ chatId: `chat-${String(i)}` }))
    await until(() => ends.length >= 3)
    for (const end of ends) end()
    await Promise.all([first, ...all])
  })
})
