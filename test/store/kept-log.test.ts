/** The log on disk: what a stop, a kill, a broken disk and the volume's owner leave of it, and what the next boot says. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { hex32Bytes, toHex32, toSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import { isSignedCheckpoint, parseCheckpoint } from '../../attestation/protocol/log/checkpoint.ts'
import { isConsistent } from '../../attestation/protocol/log/consistency-proof.ts'
import { inclusionRoot } from '../../attestation/protocol/log/inclusion-proof.ts'
import { parseBootRecord } from '../../attestation/protocol/log/leaves.ts'
import { leafHash } from '../../attestation/protocol/merkle-hash.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { openBootLog } from '../../enclave/log/boot-log.ts'
import type { BootLog } from '../../enclave/log/boot-log.ts'
import type { ServedLog } from '../../enclave/log/served-log.ts'
import { createReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { LmdbStoreOptions } from '../../enclave/store/lmdb-store.ts'
import { NOW, OWN, boot, exchange, newFolder, rootKey } from './store.helpers.ts'
import type { Boot } from './store.helpers.ts'
import { TIMED } from '../harness/timed.ts'

const CONFIG = toSha256Digest(nodeCrypto.sha256(Buffer.from('a configuration')))

interface LoggedBoot extends Pick<Boot, 'keys' | 'store'> {
  readonly log: BootLog
  serve(): Promise<string>
  /** As a kill leaves it: the store's handle is given back and nothing more is written. */
  kill(): Promise<void>
  stop(): Promise<void>
}

async function logged(
  path: string,
  key: Uint8Array,
  options: Partial<LmdbStoreOptions> = {},
): Promise<LoggedBoot> {
  const { keys, store } = await boot(path, key, options)
  const { leaves: keeper } = store.durable
  if (keeper === undefined) throw new Error('this store keeps logs')
  const log = await openBootLog({ keys, configDigest: CONFIG, name: 'test/node', keeper })
  const issuer = createReceiptIssuer({ keys, configDigest: CONFIG, store, log, now: () => NOW })
  return {
    keys,
    store,
    log,
    async serve() {
      const admission = issuer.admit({
        ownership: OWN,
        challenge: null,
        endpoint: '/v1/chat/completions',
        method: 'POST',
      })
      await issuer.settle(admission, exchange())
      return admission.receiptId
    },
    kill: () => store.durable.close(),
    async stop() {
      await log.publish()
      await store.durable.close()
    },
  }
}

const digestBytes = (digest: Sha256Digest) => Buffer.from(digest.slice('sha256:'.length), 'hex')

/** Whether the receipt's record is in that log under that head, by its own number. */
function proves(at: LoggedBoot, id: string, log: ServedLog, head: LogHead): boolean {
  const receipt = at.store.get(id)
  if (receipt === null) throw new Error('the receipt is kept')
  const { sequence } = receipt.record
  const path = log.inclusion(sequence, head.size)
  if (path === null) return false
  const root = inclusionRoot(
    leafHash(digestBytes(receipt.recordHash), nodeCrypto),
    sequence,
    head.size,
    path.map(hex32Bytes),
    nodeCrypto,
  )
  return root !== null && toHex32(root) === head.root
}

function consistent(log: ServedLog, from: LogHead, to: LogHead): boolean {
  const path = log.consistency(from.size, to.size)
  if (path === null) return false
  return isConsistent(
    from.size,
    hex32Bytes(from.root),
    to.size,
    hex32Bytes(to.root),
    path.map(hex32Bytes),
    nodeCrypto,
  )
}

const earlier = (at: LoggedBoot, of: LoggedBoot): ServedLog => {
  const log = at.log.of(of.keys.bootId)
  if (log === null) throw new Error('the earlier log is kept')
  return log
}

describe('a boot that was stopped', () => {
  test('is named with its last head by the next one, which still proves its receipts under its signed head', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const first = await logged(path, key)
    const early = first.log.head
    const ids = await Promise.all(Array.from({ length: 300 }, () => first.serve()))
    await first.log.publish()
    const middle = first.log.head
    ids.push(await first.serve())
    await first.stop()
    const last = first.log.head
    expect([early.size, middle.size, last.size]).toEqual([1, 512, 768])

    const second = await logged(path, key)
    const record = parseBootRecord(second.log.bootRecord)
    expect(record).toMatchObject({ generation: 2, predecessor: last })
    const log = earlier(second, first)
    expect(log.head).toEqual(last)
    expect(log.last).toEqual(last)
    const checkpoint = parseCheckpoint(log.checkpoint)
    expect(checkpoint?.head).toEqual(last)
    const { publicKey } = first.keys.log
    expect(checkpoint !== null && isSignedCheckpoint(checkpoint, publicKey, nodeCrypto)).toBe(true)
    for (const id of ids) expect(proves(second, id, log, last)).toBe(true)
    expect(consistent(log, early, last)).toBe(true)
    expect(consistent(log, middle, last)).toBe(true)
    expect(log.hasSize(2)).toBe(false)
    expect(log.hasSize(256)).toBe(true)
    expect(log.hasSize(1024)).toBe(false)

    await second.stop()
    const third = await logged(path, key)
    expect(parseBootRecord(third.log.bootRecord)).toMatchObject({
      generation: 3,
      predecessor: { origin: second.log.origin, size: 256 },
    })
    expect(earlier(third, first).head).toEqual(last)
  }, 30_000)
})

describe('a boot that was killed', () => {
  test('is closed by the next one over every leaf that was kept, and its last receipts are proved under that head', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const first = await logged(path, key)
    await first.log.publish()
    const published = first.log.head
    const ids = await Promise.all(Array.from({ length: 270 }, () => first.serve()))
    await first.kill()
    const second = await logged(path, key)
    const { predecessor } = parseBootRecord(second.log.bootRecord) ?? {}
    expect(predecessor).toMatchObject({ origin: first.log.origin, size: 256 + 270 })
    const log = earlier(second, first)
    expect(log.head).toEqual(published)
    expect(log.last).toEqual(predecessor)
    expect(consistent(log, published, log.last)).toBe(true)
    for (const id of ids) expect(proves(second, id, log, log.last)).toBe(true)
  }, 30_000)

  test('with commits that failed before others worked has no gap: what was lost with a receipt is not lost to the log', async () => {
    const [path, key] = [newFolder(), rootKey()]
    let broken = false
    const first = await logged(path, key, {
      disk: (commit) => (broken ? Promise.reject(new Error('no space')) : commit()),
    })
    await first.serve()
    broken = true
    await expect(first.serve()).rejects.toThrow()
    await expect(first.log.publish()).rejects.toThrow()
    expect(first.log.head.size).toBe(1)
    broken = false
    const id = await first.serve()
    const { nextIndex } = first.log
    await first.kill()
    const second = await logged(path, key)
    const log = earlier(second, first)
    expect(log.last.size).toBe(nextIndex)
    expect(proves(second, id, log, log.last)).toBe(true)
  })
})

/** The volume's owner at work, without the key. */
async function remove(path: string, name: string, which: (index: number) => boolean) {
  const binary = { encoding: 'binary', keyEncoding: 'binary' } as const
  const root = open<Buffer, Buffer>({
    path: join(path, 'receipts.mdb'),
    noSubdir: true,
    maxDbs: 16,
    ...binary,
  })
  const table = root.openDB<Buffer, Buffer>({ name, ...binary })
  const keys = [...table.getKeys()].map((key) => Buffer.from(key))
  for (const [index, key] of keys.entries()) if (which(index)) await table.remove(key)
  await root.close()
}

describe('what the owner of the volume does', () => {
  async function stopped() {
    const [path, key] = [newFolder(), rootKey()]
    const first = await logged(path, key)
    const id = await first.serve()
    await first.log.publish()
    await first.stop()
    return { path, key, first, id, last: first.log.head }
  }

  test('rolled back to an earlier copy, it is named as it was then: an older head than was shown', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const first = await logged(path, key)
    await first.stop()
    const copy = join(newFolder(), 'copy')
    copyFileSync(join(path, 'receipts.mdb'), copy)
    const second = await logged(path, key)
    await second.stop()
    copyFileSync(copy, join(path, 'receipts.mdb'))
    const third = await logged(path, key)
    const [a, b] = [second, third].map(({ log }) => parseBootRecord(log.bootRecord))
    expect(a?.predecessor).toEqual(first.log.head)
    // Two boots of one predecessor and one generation: a fork, for whoever meets both.
    expect(b).toMatchObject({ predecessor: first.log.head, generation: a?.generation })
    expect(third.log.of(second.keys.bootId)).toBeNull()
  })

  test('without the leaves, the head stays what was signed and the proofs are gone', async () => {
    for (const table of ['tiles', 'roots']) {
      const { path, key, first, id, last } = await stopped()
      await remove(path, table, () => true)
      const second = await logged(path, key)
      expect(parseBootRecord(second.log.bootRecord)?.predecessor).toEqual(last)
      const log = earlier(second, first)
      expect(log.head).toEqual(last)
      expect(log.inclusion(second.store.get(id)?.record.sequence ?? 0, last.size)).toBeNull()
    }
  })

  test('without the head, the log before is named, and whoever remembers the later one sees that', async () => {
    const { path, key, first } = await stopped()
    const second = await logged(path, key)
    await second.stop()
    await remove(path, 'logs', (index) => index === 1)
    const third = await logged(path, key)
    expect(parseBootRecord(third.log.bootRecord)?.predecessor).toEqual(first.log.head)
  })
})

test('a log without receipts goes when it is older than receipts may get, with its leaves', async () => {
  const [path, key] = [newFolder(), rootKey()]
  let at = NOW
  const now = () => at
  const first = await logged(path, key, { now })
  await first.stop()
  const second = await logged(path, key, { now })
  expect(second.log.of(first.keys.bootId)).not.toBeNull()
  await second.stop()
  at += 31 * 86_400
  const third = await logged(path, key, { now })
  expect(third.log.of(first.keys.bootId)).toBeNull()
  // The one that it names stays.
  expect(third.log.of(second.keys.bootId)).not.toBeNull()
  expect(parseBootRecord(third.log.bootRecord)?.generation).toBe(3)
  const own = third.store.usage()
  expect(own.receipts).toBe(0)
})

test(
  'a log of 100,000 leaves is closed and named in well under a second, and proved from',
  { ...TIMED, timeout: 30_000 },
  async () => {
    const [path, key] = [newFolder(), rootKey()]
    const first = await logged(path, key)
    const hash = toSha256Digest(nodeCrypto.sha256(Buffer.from('a record')))
    for (let i = 0; i < 100_000; i++) first.log.append(hash)
    await first.log.publish()
    for (let i = 0; i < 10; i++) first.log.append(hash)
    const id = await first.serve()
    await first.kill()
    const began = performance.now()
    const second = await logged(path, key)
    const ms = performance.now() - began
    const log = earlier(second, first)
    expect(log.last.size).toBe(first.log.nextIndex)
    expect(proves(second, id, log, log.last)).toBe(true)
    expect(ms).toBeLessThan(1_000)
  },
)
