/** `include_tls_fingerprint` of the vllm-proxy door: the quote covers the TLS key beside the signing key. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { appraiseReport } from '../../attestation/appraiser/report/appraise-report.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { run, startTlsService } from './tls.helpers.ts'
import type { TlsTestService } from './tls.helpers.ts'

const NONCE = toHex32(new Uint8Array(32).fill(9))

describe('a report with the TLS fingerprint', () => {
  let started: TlsTestService
  beforeAll(async () => {
    started = await startTlsService({ gpus: 1 })
  })
  afterAll(() => started.close())

  const ask = async (query: string): Promise<Record<string, unknown>> => {
    const url = `${started.secureUrl}/v1/attestation/report?nonce=${NONCE}&${query}`
    const { stdout } = await run('curl', ['-sk', url])
    return JSON.parse(stdout) as Record<string, unknown>
  }

  test.each(['ecdsa', 'ed25519'] as const)('quotes it with the %s key', async (algo) => {
    const report = await ask(`signing_algo=${algo}&include_tls_fingerprint=true`)
    expect(report['tls_cert_fingerprint']).toBe(started.spkiSha256)
    const parsed = parseQuote(Buffer.from(String(report['intel_quote']), 'hex'))
    if (!parsed.ok) throw new Error(parsed.detail)
    // As clients of this family compute it: over the bytes of the address, without 0x, and those of the digest.
    const expected = createHash('sha256')
      .update(Buffer.from(String(report['signing_address']).replace(/^0x/, ''), 'hex'))
      .update(Buffer.from(started.spkiSha256, 'hex'))
      .digest('hex')
    expect(Buffer.from(parsed.quote.reportData).toString('hex')).toBe(expected + NONCE)
    const { verdict, signer } = appraiseReport(Buffer.from(JSON.stringify(report)), {
      crypto: nodeCrypto,
      at: Math.floor(Date.now() / 1000),
      nonce: NONCE,
      policy: { ...DEFAULT_POLICY, allowSimulated: true, simulatedRoots: 'any' },
      layout: 'vllm-proxy',
      collateral: null,
    })
    expect(verdict.verdict, verdict.sentence).toBe('accepted')
    expect(signer).not.toBeNull()
  })

  test('is another layout than the one without', async () => {
    const report = await ask('signing_algo=ecdsa')
    expect(report).not.toHaveProperty('tls_cert_fingerprint')
    const forged = { ...report, tls_cert_fingerprint: started.spkiSha256 }
    const { verdict } = appraiseReport(Buffer.from(JSON.stringify(forged)), {
      crypto: nodeCrypto,
      at: Math.floor(Date.now() / 1000),
      nonce: NONCE,
      policy: { ...DEFAULT_POLICY, allowSimulated: true, simulatedRoots: 'any' },
      layout: 'vllm-proxy',
      collateral: null,
    })
    expect(verdict.verdict).toBe('rejected')
  })
})
