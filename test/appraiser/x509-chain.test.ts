import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { parsePemChain } from '../../attestation/appraiser/x509/parse-pem-chain.ts'
import { isSimulatedRoot, verifyChain } from '../../attestation/appraiser/x509/verify-chain.ts'
import type { ChainOptions } from '../../attestation/appraiser/x509/verify-chain.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { SIMULATION_OID } from '../../attestation/protocol/simulation.ts'
import {
  AT,
  certificate,
  fixtureText,
  haveFixtures,
  hex,
  issueChain,
  keyPair,
  NOT_AFTER,
  NOT_BEFORE,
  PORTS,
} from './x509.helpers.ts'
import type { Link } from './x509.helpers.ts'

function judge(ders: readonly Uint8Array[], options: Partial<ChainOptions> = {}): string {
  const root = ders.at(-1) ?? new Uint8Array()
  const fault = verifyChain(ders.map(certificate), {
    crypto: nodeCrypto,
    at: AT,
    rootSha256: [createHash('sha256').update(root).digest()],
    length: ders.length,
    ...options,
  })
  return fault === null ? 'good' : fault.code
}

function judgeLinks(links: readonly Link[], options: Partial<ChainOptions> = {}): string {
  return judge(issueChain(links).ders, options)
}

const unknown = { oid: '1.3.6.1.4.1.99999.1', value: hex('0500') }

describe('chain validation', () => {
  test.each(PORTS)('accepts good chains on both curves (%s)', (_, crypto) => {
    expect(judgeLinks([{}, {}, {}], { crypto })).toBe('good')
    expect(judgeLinks([{ curve: 'P-384' }, { curve: 'P-384' }, {}], { crypto })).toBe('good')
    expect(judgeLinks([{ curve: 'P-256' }, { curve: 'P-384' }], { crypto })).toBe('good')
  })

  test.runIf(haveFixtures('nvidia')).each(PORTS)(
    'accepts a recorded NVIDIA chain (%s)',
    (_, crypto) => {
      const parsed = parsePemChain(fixtureText('nvidia/evidence/h100-550.90.07.chain.pem'), 5)
      expect(
        parsed.ok &&
          judge(
            parsed.certificates.map(({ der }) => der),
            { crypto },
          ),
      ).toBe('good')
    },
  )

  test('refuses a chain that is shorter or longer than it must be', () => {
    expect(judgeLinks([{}, {}, {}], { length: 2 })).toBe('chain_length')
    expect(judgeLinks([{}, {}], { length: 3 })).toBe('chain_length')
    expect(verifyChain([], { crypto: nodeCrypto, at: AT, rootSha256: [], length: 0 })?.code).toBe(
      'chain_length',
    )
  })

  test('refuses a look-alike root with the right names and another key', () => {
    const [genuine, fake] = [issueChain([{}, {}]), issueChain([{}, {}])]
    const root = genuine.ders[1] ?? new Uint8Array()
    expect(judge(fake.ders, { rootSha256: [createHash('sha256').update(root).digest()] })).toBe(
      'chain_untrusted_root',
    )
    expect(judgeLinks([{}, {}], { rootSha256: [] })).toBe('chain_untrusted_root')
  })

  test('refuses a pinned root that somebody else issued', () => {
    expect(judgeLinks([{}, { issuer: { commonName: 'other' } }])).toBe('chain_names')
  })

  test('refuses a certificate that another key signed', () => {
    expect(judgeLinks([{ issuerKey: keyPair().privateKey }, {}, {}])).toBe('chain_signature')
    expect(judgeLinks([{}, { issuerKey: keyPair().privateKey }, {}])).toBe('chain_signature')
  })

  test('refuses a signature algorithm that does not fit the issuer key', () => {
    expect(judgeLinks([{ issuerKey: keyPair('P-384').privateKey }, {}])).toBe('chain_signature')
  })

  test('refuses names that do not link up', () => {
    expect(judgeLinks([{ issuer: { commonName: 'link 2' } }, {}, {}])).toBe('chain_names')
  })

  test('refuses an issuer that is no authority', () => {
    expect(judgeLinks([{}, { noCa: true }, {}])).toBe('chain_not_ca')
    const empty = [{ oid: '2.5.29.19', critical: true, value: hex('3000') }]
    expect(judgeLinks([{}, { noCa: true, extensions: empty }, {}])).toBe('chain_not_ca')
  })

  test('refuses keys used for what they are not certified for', () => {
    expect(judgeLinks([{}, { keyUsage: ['crlSign'] }, {}])).toBe('chain_key_usage')
    expect(judgeLinks([{}, { noKeyUsage: true }, {}])).toBe('chain_key_usage')
    expect(judgeLinks([{ keyUsage: ['crlSign'] }, {}])).toBe('chain_key_usage')
  })

  test('a chain may end in an authority, as that of a revocation list does', () => {
    expect(judgeLinks([{ ca: { pathLength: 0 }, keyUsage: ['crlSign'] }, {}])).toBe('good')
  })

  test('refuses a chain longer than an authority allows', () => {
    expect(judgeLinks([{}, { ca: { pathLength: 0 } }, { ca: { pathLength: 1 } }])).toBe('good')
    expect(judgeLinks([{}, {}, { ca: { pathLength: 0 } }])).toBe('chain_path_length')
  })

  test('the ends of validity are inclusive, beyond them it refuses, and so does a clock that is no number', () => {
    const { ders } = issueChain([{}, {}])
    expect(judge(ders, { at: NOT_BEFORE })).toBe('good')
    expect(judge(ders, { at: NOT_AFTER })).toBe('good')
    expect(judge(ders, { at: NOT_BEFORE - 1 })).toBe('chain_not_yet_valid')
    expect(judge(ders, { at: NOT_AFTER + 1 })).toBe('chain_expired')
    expect(judge(ders, { at: Number.NaN })).toBe('chain_not_yet_valid')
    expect(judgeLinks([{}, { notAfter: new Date((AT - 1) * 1000) }])).toBe('chain_expired')
  })

  test('refuses a critical extension that it does not know, tolerates others', () => {
    const extensions = (critical: boolean): Link => ({ extensions: [{ ...unknown, critical }] })
    expect(judgeLinks([extensions(true), {}])).toBe('chain_unknown_critical_extension')
    expect(judgeLinks([{}, extensions(true)])).toBe('chain_unknown_critical_extension')
    expect(judgeLinks([extensions(false), extensions(false)])).toBe('good')
  })

  test.each([true, false])(
    'refuses a simulated root unless allowed, even a pinned one (critical: %s)',
    (critical) => {
      const mark = { oid: SIMULATION_OID, critical, value: hex('0c0153') }
      const { ders } = issueChain([{}, { extensions: [mark] }])
      expect(judge(ders)).toBe('chain_unknown_critical_extension')
      expect(judge(ders, { allowSimulated: true })).toBe('good')
      expect(judge(ders, { allowSimulated: true, rootSha256: [] })).toBe('chain_untrusted_root')
      expect(ders.map((der) => isSimulatedRoot(certificate(der)))).toEqual([false, true])
    },
  )
})
