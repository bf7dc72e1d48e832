/** A server that is nobody's friend: what it answers is refused, bounded, or no more than nothing. */
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { MAX_LOOKUPS } from '../../enclave/store/share-store.ts'
import { createSealer } from '../../enclave/store/sealer.ts'
import { SharedStoreError } from '../../enclave/store/shared-place.ts'
import type { OpenSharedPlace, SharedFault, SharedRow } from '../../enclave/store/shared-place.ts'
import { MAX_SHARED_VALUE_BYTES } from '../../enclave/store/shared-rows.ts'
import { openSharedPlace } from '../../src/shared-store/open-shared-place.ts'
import { createReplyGuard } from '../../src/shared-store/reply-guard.ts'
import { parseSharedUrl } from '../../src/shared-store/shared-url.ts'
import { replica, targetOf, until } from './redis.helpers.ts'
import type { Replica } from './redis.helpers.ts'
import { NOW, newFolder, rootKey } from './store.helpers.ts'

type Answer = (request: string, socket: Socket) => string | Buffer | null

/** Answers every write that it gets with what is made of it. */
async function fakeServer(answer: Answer, greeting = '') {
  const path = join(newFolder(), 'f.sock')
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    if (greeting !== '') socket.write(greeting)
    socket.on('data', (chunk) => {
      const text = answer(chunk.toString('latin1'), socket)
      if (text !== null) socket.write(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const lost: SharedFault[] = []
  const place = openSharedPlace(targetOf(`unix:${path}`), { onLost: (why) => void lost.push(why) })
  onTestFinished(() => place.close())
  return { place, lost }
}

async function faultOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked
    return 'none'
  } catch (error) {
    if (error instanceof SharedStoreError) return error.code
    throw error
  }
}

const ROW: SharedRow = { key: 'countersign:1:r:00', value: Buffer.from('value'), ttlS: 60 }

describe('a server that answers', () => {
  test.each<readonly [string, string | Buffer]>([
    ['what is no reply', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['zeros', Buffer.alloc(64)],
    ['a string longer than any row', `$${String(MAX_SHARED_VALUE_BYTES + 1)}\r\n`],
    ['a string of nearly endless length', '$9007199254740991\r\n'],
    ['a length that is none', '$1e3\r\n'],
    ['a negative length', '$-2\r\n'],
    ['a line without an end', `+${'x'.repeat(2_000)}`],
    ['an error without an end', `-${'x'.repeat(2_000)}`],
    ['an array of 4 billion', '*4294967296\r\n'],
    ['arrays in arrays', '*1\r\n'.repeat(10_000)],
    ['a map', '%1\r\n+a\r\n+b\r\n'],
    ['a push', '>2\r\n+message\r\n+x\r\n'],
    ['a string that goes on after its end', '$1\r\nab\r\n'],
    ['more than was asked', '+OK\r\n+OK\r\n'],
    ['a null more than was asked', '$-1\r\n$-1\r\n'],
    ['a number where bytes were asked for', ':1\r\n'],
  ])('%s is left', async (_name, bytes) => {
    const { place, lost } = await fakeServer(() => bytes)
    await faultOf(place.read(ROW.key))
    await until(() => lost.length > 0)
    expect(lost[0]).toBe('shared_store_reply')
  })

  test('before it was asked is left: no reply of its own stands for an answer', async () => {
    for (const greeting of ['$-1\r\n', '+OK\r\n', '-ERR no\r\n']) {
      const { place, lost } = await fakeServer(() => '$-1\r\n', greeting)
      await faultOf(place.read(ROW.key))
      await until(() => lost.length > 0)
      expect(lost[0]).toBe('shared_store_reply')
    }
  })

  test.each([
    ['another word than OK to a write', '+QUEUED\r\n', 'shared_store_reply'],
    ['a number to a write', ':1\r\n', 'shared_store_reply'],
    ['an unknown error', '-ODD thing\r\n', 'shared_store_reply'],
    [
      'that it is loading',
      '-LOADING Redis is loading the dataset in memory\r\n',
      'shared_store_not_serving',
    ],
    ['that it moved', '-MOVED 1 127.0.0.1:1\r\n', 'shared_store_reply'],
    ['that its disk is full', '-MISCONF no\r\n', 'shared_store_full'],
    ['that nobody may', '-NOPERM no\r\n', 'shared_store_refused'],
  ])('%s has kept nothing', async (_name, text, fault) => {
    const { place } = await fakeServer(() => text)
    expect(await faultOf(place.write([ROW]))).toBe(fault)
  })

  test('byte by byte is understood', async () => {
    const { place } = await fakeServer((_request, socket) => {
      void (async () => {
        for (const byte of Buffer.from('$5\r\na\r\nbc\r\n')) {
          socket.write(Buffer.from([byte]))
          await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      return null
    })
    expect((await place.read(ROW.key))?.toString()).toBe('a\r\nbc')
  })

  test('and closes in the middle of an answer has answered nothing', async () => {
    const { place } = await fakeServer((_request, socket) => {
      socket.end('$5\r\nab')
      return null
    })
    expect(await faultOf(place.read(ROW.key))).toBe('shared_store_unreachable')
  })
})

describe('the guard of replies', () => {
  const REPLY = fc.oneof(
    fc.stringMatching(/^[ -~]{0,40}$/).map((text) => `+${text}\r\n`),
    fc.stringMatching(/^[ -~]{0,40}$/).map((text) => `-${text}\r\n`),
    fc.integer().map((number) => `:${String(number)}\r\n`),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => {
      const text = Buffer.from(bytes).toString('latin1')
      return `$${String(bytes.length)}\r\n${text}\r\n`
    }),
    fc.constant('$-1\r\n'),
  )

  test('admits as many replies as are open, in any pieces, and not one more', () => {
    fc.assert(
      fc.property(fc.array(REPLY, { maxLength: 8 }), fc.array(fc.nat(200)), (replies, cuts) => {
        const bytes = Buffer.from(replies.join(''), 'latin1')
        const guard = createReplyGuard(64)
        guard.expect(replies.length)
        let at = 0
        for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
          if (cut > bytes.length) break
          expect(guard.admits(bytes.subarray(at, cut))).toBe(true)
          at = cut
        }
        expect(guard.admits(bytes.subarray(at))).toBe(true)
        expect(guard.admits(Buffer.from('$-1\r\n'))).toBe(false)
      }),
    )
  })

  test('never admits what begins as nothing that is known, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
        const guard = createReplyGuard(16)
        guard.expect(1)
        const admitted = guard.admits(bytes)
        if (!'+-:$'.includes(String.fromCharCode(bytes[0] ?? 0))) expect(admitted).toBe(false)
      }),
    )
  })
})

/** A place in memory that its test holds in its hand. */
function inHand() {
  const rows = new Map<string, Buffer>()
  const open: OpenSharedPlace = () => ({
    read: (key) => Promise.resolve(rows.get(key) ?? null),
    has: (key) => Promise.resolve(rows.has(key)),
    write(added) {
      for (const { key, value } of added) if (!rows.has(key)) rows.set(key, value)
      return Promise.resolve()
    },
    close: () => undefined,
  })
  const named = (kind: string) => [...rows.keys()].filter((key) => key.includes(`:${kind}:`))
  return { rows, open, named }
}

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
    expect(await b.store.durable?.document(one)).toBe('{"of":"one"}')
    const [first = '', second = ''] = hand.named('d')
    const taken = hand.rows.get(second)
    if (taken === undefined) throw new Error('two documents')
    hand.rows.set(first, taken)
    expect(await b.store.durable?.document(one)).toBeNull()
    // A receipt is no document.
    await a.serve()
    hand.rows.set(first, hand.rows.get(hand.named('r')[0] ?? '') ?? Buffer.alloc(0))
    expect(await b.store.durable?.document(one)).toBeNull()
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

describe('the address of a shared store', () => {
  test.each([
    ['rediss://redis.internal', { kind: 'tls', host: 'redis.internal', port: 6379, user: null }],
    ['rediss://replica@10.0.0.1:7000/', { kind: 'tls', port: 7000, user: 'replica' }],
    ['redis://127.0.0.1:6379', { kind: 'plain', loopback: true }],
    ['redis://[::1]:6379', { kind: 'plain', host: '::1', loopback: true }],
    // Whoever answers for names may send it elsewhere.
    ['redis://localhost', { kind: 'plain', loopback: false }],
    ['redis://10.0.0.1', { kind: 'plain', loopback: false }],
    ['unix:/run/redis/redis.sock', { kind: 'unix', path: '/run/redis/redis.sock' }],
  ])('%s', (text, parts) => {
    expect(parseSharedUrl(text)).toMatchObject(parts)
  })

  test.each([
    ...['rediss://user:secret@host', 'rediss://:secret@host', 'http://host', 'rediss://', 'redis'],
    ...[
      'rediss://host/0',
      'rediss://host?x=1',
      'rediss://host#x',
      'unix:redis.sock',
      'unix://host/x',
    ],
    ...[`unix:/${'x'.repeat(107)}`, 'rediss://host:99999', 'rediss://a%0ab@host', 'rediss://ho st'],
  ])('%s is none', (text) => {
    expect(parseSharedUrl(text)).toBeNull()
  })
})
