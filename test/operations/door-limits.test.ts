import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTokenBuckets, MAX_BUCKETS } from '../../src/routes/token-buckets.ts'
import { clientOf } from '../../src/routes/door-limits.ts'
import { createAuthenticator } from '../../src/relay/principals.ts'
import { bearer, startTestService, TOKENS } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

describe('token buckets', () => {
  test('give no client more than its burst and its rate, whatever the times, and each its own', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 600 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.constantFrom('a', 'b'))),
        (burst, perMinute, steps) => {
          let now = 0
          const buckets = createTokenBuckets({ burst, perMinute, monotonicMs: () => now })
          const taken = { a: 0, b: 0 }
          for (const [pause, client] of steps as [number, 'a' | 'b'][]) {
            now += pause
            const wait = buckets.take(client)
            if (wait === null) taken[client]++
            else {
              expect(wait).toBeGreaterThanOrEqual(1)
              expect(wait).toBeLessThanOrEqual(Math.ceil(60 / perMinute))
            }
            expect(taken[client]).toBeLessThanOrEqual(burst + (now * perMinute) / 60_000 + 1e-6)
          }
        },
      ),
    )
  })

  test('the time that is told is long enough', () => {
    let now = 0
    const buckets = createTokenBuckets({ burst: 1, perMinute: 7, monotonicMs: () => now })
    expect(buckets.take('a')).toBeNull()
    const wait = buckets.take('a')
    expect(wait).toBe(9)
    now += (wait ?? 0) * 1000
    expect(buckets.take('a')).toBeNull()
  })

  test('are kept for so many clients and no more', () => {
    const buckets = createTokenBuckets({ burst: 1, perMinute: 1, monotonicMs: () => 0 })
    expect(buckets.take('first')).toBeNull()
    for (let i = 0; i < MAX_BUCKETS - 1; i++) buckets.take(String(i))
    expect(buckets.take('first')).not.toBeNull()
    // It came again, so another is the oldest.
    buckets.take('one more')
    expect(buckets.take('first')).not.toBeNull()
    expect(buckets.take('0')).toBeNull()
  })
})

describe('a client', () => {
  const authenticate = createAuthenticator([])
  const from = (remoteAddress: string, headers: Record<string, string> = {}) =>
    clientOf({ headers, socket: { remoteAddress } } as never, authenticate)

  test('is the peer’s address, of IPv6 the /64, whatever its headers say', () => {
    expect(from('192.0.2.1', { 'x-forwarded-for': '198.51.100.1' })).toBe(from('192.0.2.1'))
    expect(from('::ffff:192.0.2.1')).toBe(from('192.0.2.1'))
    expect(from('192.0.2.2')).not.toBe(from('192.0.2.1'))
    expect(from('2001:db8:1:2::1')).toBe(from('2001:db8:1:2:ffff:ffff:ffff:ffff'))
    expect(from('2001:db8:1:2::1')).not.toBe(from('2001:db8:1:3::1'))
    expect(from('2001:db8::1')).toBe(from('2001:0db8:0000:0000:1::'))
    expect(from('fe80::1%eth0')).toBe(from('fe80::2%eth0'))
  })
})

describe('the doors', () => {
  let at: TestService
  beforeAll(async () => {
    at = await startTestService({
      gpus: 1,
      limits: { attestationBurst: 3, attestationPerMinute: 1, quoteBurst: 2, quotePerMinute: 1 },
    })
  })
  afterAll(() => at.close())
  const ask = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${at.url}${path}`, { headers })
  const nonce = (byte: string) => `nonce=${byte.repeat(32)}`

  test('count the document of a keyset, by whichever path, as one of the canonical door', async () => {
    const own = await startTestService({ limits: { attestationBurst: 3, attestationPerMinute: 1 } })
    try {
      const { keysetDigest } = own.service.keys
      const paths = [
        `/attestation/keysets/${keysetDigest}`,
        `/v1/attestation/keysets/${keysetDigest}`,
        `/v1/proxy/attestation/keysets/sha256:${'00'.repeat(32)}`,
      ]
      const statuses = async () => {
        const answers: number[] = []
        for (const path of paths) answers.push((await fetch(`${own.url}${path}`)).status)
        return answers
      }
      expect(await statuses()).toEqual([200, 200, 404])
      expect(await statuses()).toEqual([429, 429, 429])
      expect((await fetch(`${own.url}/attestation`)).status).toBe(429)
    } finally {
      await own.close()
    }
  })

  test('count heads and proofs of the log, of whichever boot, as of the canonical door', async () => {
    const own = await startTestService({ limits: { attestationBurst: 4, attestationPerMinute: 1 } })
    try {
      const unknown = `boot=${'00'.repeat(32)}`
      const paths = [
        ['/attestation/log/checkpoint', 200],
        [`/v1/attestation/log/checkpoint?${unknown}`, 404],
        [`/v1/proxy/attestation/log/boot?${unknown}`, 404],
        [`/attestation/log/consistency?from=1&${unknown}`, 404],
      ] as const
      for (const [path, status] of paths) {
        expect((await fetch(`${own.url}${path}`)).status, path).toBe(status)
      }
      for (const [path] of paths) expect((await fetch(`${own.url}${path}`)).status).toBe(429)
      expect((await fetch(`${own.url}/attestation`)).status).toBe(429)
    } finally {
      await own.close()
    }
  })

  test('refuse who asks too often with 429 and a time, each door by itself, each principal by itself', async () => {
    const doors = [
      [3, '/attestation', '/v1/attestation/document'],
      [2, '/v1/aci/attestation', '/v1/attestation/aci'],
      [2, '/v1/attestation/report', '/attestation/report'],
      [2, '/v1/quote', '/quote'],
    ] as const
    for (const [burst, path, alias] of doors) {
      for (let i = 0; i < burst; i++) {
        expect((await ask(`${i % 2 === 0 ? path : alias}?${nonce(`a${i}`)}`)).status).toBe(200)
      }
      const refused = await ask(`${alias}?${nonce('bb')}`)
      expect(refused.status, path).toBe(429)
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30)
      expect(await refused.json()).toMatchObject({ error: { code: 'attestation_rate_limited' } })
      const [name, value] = bearer('alice')
      expect((await ask(`${path}?${nonce('cc')}`, { [name]: value })).status, path).toBe(200)
    }
    // A token that nobody has is no client of its own.
    const unknown = { authorization: `Bearer ${TOKENS.alice}x` }
    expect((await ask(`/attestation?${nonce('dd')}`, unknown)).status).toBe(429)
  })
})
