/** Whether a connection ended inside the enclave. */
import { describe, expect, test } from 'vitest'
import { isListedTlsKey, judgeChannel } from '../../attestation/appraiser/channel/judge-channel.ts'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { parseKeyset } from '../../attestation/protocol/keyset.ts'
import type { Keyset, TlsKey } from '../../attestation/protocol/keyset.ts'
import { NONCE, dstackReport, judge, vllmReport } from './report.helpers.ts'

const KEY = toHex32(new Uint8Array(32).fill(1))
const OTHER = toHex32(new Uint8Array(32).fill(2))
const keyset = (tls_public_keys: readonly TlsKey[]): Keyset => ({
  subject: null,
  not_after: 2_000_000_000,
  receipt_signing_keys: [],
  e2ee_public_keys: [],
  tls_public_keys,
})
const seen = (spkiSha256: typeof KEY | null, host = 'node.example') =>
  ({ kind: 'tls', host, spkiSha256 }) as const

describe('the check of the channel', () => {
  test.each([
    ['a listed key', seen(KEY), true, 'any', 'pass', 'ok'],
    ['a listed key', seen(KEY), true, 'bound', 'pass', 'ok'],
    [
      'a key of a keyset that no quote vouches for',
      seen(KEY),
      false,
      'any',
      'skip',
      'depends_on_failed',
    ],
    ['another key', seen(OTHER), true, 'any', 'info', 'channel_intermediary'],
    ['another key', seen(OTHER), true, 'bound', 'fail', 'channel_intermediary'],
    [
      'a certificate that cannot be read',
      seen(null),
      true,
      'bound',
      'fail',
      'channel_intermediary',
    ],
    ['no TLS', { kind: 'plain' }, true, 'any', 'info', 'channel_plain'],
    ['no TLS', { kind: 'plain' }, true, 'bound', 'fail', 'channel_plain'],
    ['nothing that was looked at', null, true, 'bound', 'skip', 'not_provided'],
  ] as const)('of %s (%#)', (_, channel, trusted, demand, status, code) => {
    const check = judgeChannel(channel, keyset([{ spki_sha256: KEY }]), trusted, {
      channel: demand,
    })
    expect(check).toMatchObject({ id: 'channel.bound', status, code })
  })

  test('a keyset without TLS keys binds nothing', () => {
    expect(judgeChannel(seen(KEY), keyset([]), true, { channel: 'bound' }).status).toBe('fail')
  })

  test('an entry with a domain is for that host alone (ACI §3.1)', () => {
    const keys = [{ spki_sha256: KEY, domain: 'Node.Example' }]
    expect(isListedTlsKey(keys, 'node.example', KEY)).toBe(true)
    expect(isListedTlsKey(keys, 'NODE.example.', KEY)).toBe(true)
    expect(isListedTlsKey(keys, 'other.example', KEY)).toBe(false)
    expect(isListedTlsKey(keys, 'a.node.example', KEY)).toBe(false)
    expect(isListedTlsKey([...keys, { spki_sha256: KEY }], 'other.example', KEY)).toBe(true)
  })

  test.each([
    ['a dstack report', () => Promise.resolve(dstackReport(Buffer.from(NONCE, 'hex')))],
    ['a vllm-proxy report', () => vllmReport('ecdsa')],
  ])('%s, which nobody judges it of, is refused where it must be bound', async (_, report) => {
    const policy = { ...DEFAULT_POLICY, allowSimulated: true, simulatedRoots: 'any' } as const
    const { verdict } = judge(await report(), { policy: { ...policy, channel: 'bound' } })
    expect(verdict.sentence).toBe(
      'Rejected: channel.bound is required, and the evidence holds nothing to check for it.',
    )
  })
})

test('a keyset that lists a TLS key twice for one host is refused', () => {
  const twice = parseKeyset(keyset([{ spki_sha256: KEY }, { spki_sha256: KEY }]))
  expect(twice).toEqual({ ok: false, detail: 'a TLS key repeats' })
  const hosts = ['a.example', 'b.example'].map((domain) => ({ spki_sha256: KEY, domain }))
  expect(parseKeyset(keyset(hosts)).ok).toBe(true)
})
