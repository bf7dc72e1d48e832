/** What comes over the wire of a shared store that is nobody's friend: refused, bounded, or no more than nothing. */
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { SharedFault, SharedRow } from '../../enclave/store/shared-place.ts'
import { MAX_SHARED_VALUE_BYTES } from '../../enclave/store/shared-rows.ts'
import { openSharedPlace } from '../../src/shared-store/open-shared-place.ts'
import { createReplyGuard } from '../../src/shared-store/reply-guard.ts'
import { parseSharedUrl } from '../../src/shared-store/shared-url.ts'
import { faultOf, targetOf } from './redis.helpers.ts'
import { newFolder, until } from './store.helpers.ts'

type Answer = (request: string, socket: Socket) => string | Buffer | null

/** Answers every write that it gets with what is made of it. */
async function fakeServer(answer: Answer, greeting = '', password: string | null = null) {
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
  const place = openSharedPlace(targetOf(`unix:${path}`, { password }), {
    onLost: (why) => void lost.push(why),
  })
  onTestFinished(() => place.close())
  return { place, lost }
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
    expect(await faultOf(place.read(ROW.key))).toBe('shared_store_reply')
    await faultOf(place.write([ROW]))
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

  test('something else than OK to a password is not logged in at', async () => {
    const { place, lost } = await fakeServer(
      (request) => (request.includes('auth') ? '+MAYBE\r\n' : '$-1\r\n'),
      '',
      'a-password',
    )
    expect(await faultOf(place.read(ROW.key))).toBe('shared_store_reply')
    expect(lost).toContain('shared_store_reply')
  })

  test('nothing to those who read is left by them alone: what answers wait for goes on', async () => {
    const { place, lost } = await fakeServer((request) =>
      request.includes('get') ? null : '+OK\r\n',
    )
    const read = faultOf(place.read(ROW.key))
    expect(await faultOf(place.write([ROW]))).toBe('none')
    expect(await read).toBe('shared_store_slow')
    expect(await faultOf(place.write([ROW]))).toBe('none')
    expect(lost).toEqual([])
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
