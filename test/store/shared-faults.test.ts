/** What a real server does to those who use it, by its code, and that they find back by themselves. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SHARED_STORE_ERRORS } from '../../enclave/store/shared-place.ts'
import type { SharedFault, SharedPlace } from '../../enclave/store/shared-place.ts'
import { examineSharedStore } from '../../src/doctor/examine-shared-store.ts'
import type { RedisTarget } from '../../src/shared-store/connect-redis.ts'
import { SHARED_CONNECT_MS, SHARED_REPLY_MS } from '../../src/shared-store/connect-redis.ts'
import { openSharedPlace } from '../../src/shared-store/open-shared-place.ts'
import { freePort } from '../harness/sidecar-process.ts'
import { OPENSSL, certify, tlsArguments } from './redis-tls.helpers.ts'
import { SERVER, at, faultOf, replica, startRedis, targetOf } from './redis.helpers.ts'
import { rootKey, until } from './store.helpers.ts'

interface Opened {
  readonly place: SharedPlace
  readonly lost: readonly SharedFault[]
}

function open(target: RedisTarget): Opened {
  const lost: SharedFault[] = []
  const place = openSharedPlace(target, { onLost: (why) => void lost.push(why) })
  onTestFinished(() => place.close())
  return { place, lost }
}

const row = (name = 'x') => ({
  key: `countersign:1:r:${name}`,
  value: Buffer.from([0, 13, 10, 255]),
  ttlS: 60,
})

const works = async ({ place }: Opened) => (await faultOf(place.write([row('again')]))) === 'none'

describe.skipIf(SERVER === null)('a real server', () => {
  test('keeps bytes as they are, the first of a key, as long as it was told', async () => {
    const redis = await startRedis()
    const opened = open(redis.target)
    await opened.place.write([row(), { ...row(), value: Buffer.from('second') }])
    expect(await opened.place.read(row().key)).toEqual(row().value)
    expect(await opened.place.read('countersign:1:r:none')).toBeNull()
    expect([await opened.place.has(row().key), await opened.place.has('none')]).toEqual([
      true,
      false,
    ])
    const many = Array.from({ length: 1_000 }, (_, i) => row(String(i)))
    await opened.place.write(many)
    expect(redis.keys()).toHaveLength(1_001)
    const large = { ...row('large'), value: Buffer.alloc(4 * 1024 * 1024, 7) }
    await opened.place.write([large])
    expect((await opened.place.read(large.key))?.equals(large.value)).toBe(true)
    expect(opened.lost).toEqual([])
  })

  test('that is killed and started again is found again', async () => {
    const redis = await startRedis()
    const opened = open(redis.target)
    await opened.place.write([row()])
    await redis.kill()
    await until(() => opened.lost.includes('shared_store_unreachable'))
    expect(await faultOf(opened.place.write([row()]))).toBe('shared_store_unreachable')
    expect(await faultOf(opened.place.read(row().key))).toBe('shared_store_unreachable')
    await redis.start()
    await until(() => works(opened))
  })

  test('that is not there yet at the start is waited for by nobody, and used when it comes', async () => {
    const redis = await startRedis()
    await redis.kill()
    const opened = open(redis.target)
    expect(await faultOf(opened.place.read(row().key))).toBe('shared_store_unreachable')
    await redis.start()
    await until(() => works(opened))
  })

  test('that stands still is left in time, and used again when it goes on', async () => {
    const redis = await startRedis()
    const opened = open(redis.target)
    await opened.place.write([row()])
    redis.signal('SIGSTOP')
    const began = performance.now()
    expect(await faultOf(opened.place.write([row()]))).toBe('shared_store_slow')
    expect(performance.now() - began).toBeGreaterThan(SHARED_REPLY_MS - 100)
    // Another connection is made by the kernel alone; nobody waits at it for long either.
    const next = await faultOf(opened.place.write([row()]))
    expect(['shared_store_slow', 'shared_store_unreachable']).toContain(next)
    redis.signal('SIGCONT')
    await until(() => works(opened))
  })

  test('that is full, read-only, or has lost its file says so, and is used again when it is mended', async () => {
    const redis = await startRedis()
    const opened = open(redis.target)
    redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    redis.cli('CONFIG', 'SET', 'maxmemory', '1')
    expect(await faultOf(opened.place.write([row()]))).toBe('shared_store_full')
    redis.cli('CONFIG', 'SET', 'maxmemory', '0')
    expect(await works(opened)).toBe(true)

    redis.cli('REPLICAOF', '127.0.0.1', '1')
    expect(await faultOf(opened.place.write([row('new')]))).toBe('shared_store_readonly')
    // After a failover its address leads to another: so the connection is made anew.
    await until(() => opened.lost.includes('shared_store_readonly'))
    redis.cli('REPLICAOF', 'NO', 'ONE')
    await until(() => works(opened))

    redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '1')
    expect(await faultOf(opened.place.write([row('new')]))).toBe('shared_store_not_serving')
    redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '0')
    await until(() => works(opened))
  })

  test('that evicts gives up the oldest and takes the next', async () => {
    const redis = await startRedis()
    const opened = open(redis.target)
    redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'volatile-ttl')
    redis.cli('CONFIG', 'SET', 'maxmemory', '4mb')
    for (let i = 0; i < 40; i++) {
      const value = Buffer.alloc(256 * 1024)
      await opened.place.write([{ ...row(String(i)), value, ttlS: 1_000 + i }])
    }
    expect(await opened.place.has(row('39').key)).toBe(true)
    expect(await opened.place.has(row('0').key)).toBe(false)
  })

  test('with a password and an access list takes the user that it knows, and says no to every other', async () => {
    const redis = await startRedis()
    const { url } = redis.target
    if (url.kind !== 'unix') throw new Error('a unix socket')
    const rules = 'resetkeys ~countersign:1:* resetchannels -@all +get +set +exists +auth'.split(
      ' ',
    )
    redis.cli('ACL', 'SETUSER', 'replica', 'on', '>right', ...rules)
    redis.cli('ACL', 'SETUSER', 'reader', 'on', '>right', ...rules.slice(0, -3), '+get', '+auth')
    const as = (user: string | null, password: string | null) =>
      open({ ...redis.target, url: { ...url, user }, password })
    expect(await works(as('replica', 'right'))).toBe(true)
    expect(await faultOf(as('replica', 'wrong').place.write([row()]))).toBe('shared_store_refused')
    expect(await faultOf(as('reader', 'right').place.write([row()]))).toBe('shared_store_refused')
    expect(await faultOf(as('replica', 'right').place.write([{ ...row(), key: 'other' }]))).toBe(
      'shared_store_refused',
    )
    // Who may write and not read is no replica: it does not come to serve, to leave at the first look-up.
    redis.cli('ACL', 'SETUSER', 'writer', 'on', '>right', ...rules.slice(0, -4), '+set', '+auth')
    const target = { ...redis.target, url: { ...url, user: 'writer' }, password: 'right' }
    const writer = await replica(at(target), rootKey())
    expect(await faultOf(writer.store.durable?.probe() ?? Promise.resolve())).toBe(
      'shared_store_refused',
    )
    expect((await examineSharedStore(target)).code).toBe('shared_store_refused')
    expect(await faultOf(writer.store.durable?.probe() ?? Promise.resolve())).not.toBe('none')
    expect(writer.faults).toEqual(['shared_store_refused'])
    // A server without a password that is given one is somebody else's, or one that nobody locked.
    expect(await faultOf(as(null, 'right').place.write([row()]))).toBe('shared_store_refused')
    redis.cli('CONFIG', 'SET', 'requirepass', 'right')
    const later = as(null, null)
    expect(await faultOf(later.place.write([row()]))).toBe('shared_store_refused')
    expect(await works(as(null, 'right'))).toBe(true)
  })

  test.skipIf(!OPENSSL)(
    'over TLS is used where its authority is the one that was named, and its name',
    async () => {
      const good = certify('DNS:localhost,IP:127.0.0.1')
      const port = await freePort()
      const file = (folder: string, name: string) => join(folder, name)
      await startRedis({ arguments: tlsArguments(good, port) })
      const ca = readFileSync(file(good, 'ca.pem'), 'utf8')
      const tls = (host: string, authority: string | null) =>
        open(targetOf(`rediss://${host}:${port}`, { ca: authority }))
      expect(await works(tls('localhost', ca))).toBe(true)
      expect(await works(tls('127.0.0.1', ca))).toBe(true)
      const other = readFileSync(file(certify('DNS:localhost'), 'ca.pem'), 'utf8')
      const fault = 'shared_store_certificate'
      expect(await faultOf(tls('localhost', other).place.read('x'))).toBe(fault)
      expect(await faultOf(tls('localhost', null).place.read('x'))).toBe(fault)
      expect(await faultOf(tls('[::ffff:127.0.0.1]', ca).place.read('x'))).toBe(fault)
      // Plain where TLS is spoken.
      expect(await faultOf(open(targetOf(`redis://127.0.0.1:${port}`)).place.read('x'))).toMatch(
        /^shared_store_(?:unreachable|reply|slow)$/,
      )
    },
  )

  test('what the disk does not take the server is never told', async () => {
    const [redis, key] = [await startRedis(), rootKey()]
    const a = await replica(at(redis.target), key, {
      disk: () => Promise.reject(new Error('ENOSPC')),
    })
    await expect(a.serve()).rejects.toThrow()
    expect(redis.keys().filter((one) => one.includes(':r:'))).toEqual([])
  })
})

test('an address that nobody answers at is given up in time', async () => {
  // TEST-NET-1 (RFC 5737): routed nowhere.
  const opened = open(targetOf('redis://192.0.2.1:6379'))
  const began = performance.now()
  expect(await faultOf(opened.place.read('x'))).toBe('shared_store_unreachable')
  expect(performance.now() - began).toBeLessThan(SHARED_CONNECT_MS + 5_000)
})

test.skipIf(SERVER === null)('the doctor says of it what it says of itself', async () => {
  const redis = await startRedis()
  const good = await examineSharedStore(redis.target)
  expect(good).toMatchObject({ check: 'store.shared', status: 'ok' })
  await redis.kill()
  const down = await examineSharedStore(redis.target)
  expect(down).toMatchObject({ status: 'fail', code: 'shared_store_unreachable' })
  expect(down.action).toBe(SHARED_STORE_ERRORS.shared_store_unreachable)
})
