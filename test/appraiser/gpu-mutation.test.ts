/** Bits of one accepted report, of its chain, its RIM files and its OCSP responses flipped, each alone: no mutant is accepted. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { judgeRevocation } from '../../attestation/appraiser/gpu/ocsp/judge-revocation.ts'
import { verifyRim } from '../../attestation/appraiser/gpu/rim/verify-rim.ts'
import { verifyGpuEvidence } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import { parsePemChain } from '../../attestation/appraiser/x509/parse-pem-chain.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { readGpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { fromHex } from '../../attestation/protocol/hex.ts'
import type { JsonValue } from '../../attestation/protocol/json.ts'

/**
 * `npm run mutate:gpu` makes every mutant; the suite makes one of so many, from another place on each day so that in time
 * all are made.
 */
const COMPLETE = process.env['MUTATE_GPU'] === 'all'
const DAY_MS = 86_400_000
const TIMEOUT_MS = COMPLETE ? 3_600_000 : 120_000

interface Input {
  readonly evidence: readonly { arch: string; certificate: string; evidence: string }[]
  readonly nonce: string
  readonly at: number
  readonly collateral: JsonValue
  readonly policy: unknown
}

const file = new URL('../vectors/gpu/ok-one-gpu-everything/input.json', import.meta.url)
const input = JSON.parse(readFileSync(file, 'utf8')) as Input
const [original] = input.evidence
const collateral = readGpuCollateral(input.collateral)
const policy = parsePolicy(input.policy)
if (original === undefined || !collateral.ok || !policy.ok) throw new Error('no such vector')
const report = Buffer.from(original.evidence, 'base64')
const chain = Buffer.from(original.certificate, 'base64')
const { rims, ocsp } = collateral.collateral
const rules = policy.policy
const bytesOf = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array(0)
const common = { crypto: nodeCrypto, at: input.at, allowSimulated: true }

interface Device {
  readonly evidence?: Uint8Array
  readonly certificate?: Uint8Array
}

/** Whether one device passes all that concerns report and chain; collateral is judged below. */
function acceptsDevice({ evidence = report, certificate = chain }: Device): boolean {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const item = { arch: 'HOPPER', certificate: base64(certificate), evidence: base64(evidence) }
  const checks = verifyGpuEvidence([item], {
    ...common,
    expectedNonce: bytesOf(input.nonce),
    expectedCount: 1,
    rootSha256: rules.nvidiaRoots.map(bytesOf),
    policy: rules.gpu,
    collateral: null,
  })
  return !checks.some(({ status }) => status === 'fail')
}

function acceptsRim(rim: Uint8Array): boolean {
  return verifyRim(rim, { ...common, rootSha256: rules.gpu.rimRoots.map(bytesOf) }).ok
}

function survivorsOf(
  bytes: Uint8Array,
  every: number,
  accepts: (mutant: Buffer) => boolean,
): number[] {
  const stride = COMPLETE ? 1 : every
  const survivors: number[] = []
  for (let bit = Math.floor(Date.now() / DAY_MS) % stride; bit < 8 * bytes.length; bit += stride) {
    const mutant = Buffer.from(bytes)
    mutant[bit >> 3] = (mutant[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    if (accepts(mutant)) survivors.push(bit)
  }
  return survivors
}

describe('mutants of accepted GPU evidence', () => {
  test('the originals are accepted', () => {
    expect(acceptsDevice({})).toBe(true)
    for (const { rim } of rims) expect(acceptsRim(Buffer.from(rim, 'base64'))).toBe(true)
  })

  test('no bit of the report can be flipped', { timeout: TIMEOUT_MS }, () => {
    expect(survivorsOf(report, 131, (evidence) => acceptsDevice({ evidence }))).toEqual([])
  })

  test('no bit of the chain can be flipped', { timeout: TIMEOUT_MS }, () => {
    expect(survivorsOf(chain, 131, (certificate) => acceptsDevice({ certificate }))).toEqual([])
  })

  test.each([0, 1])('no bit of RIM file %i can be flipped', { timeout: TIMEOUT_MS }, (place) => {
    const rim = Buffer.from(rims[place]?.rim ?? '', 'base64')
    expect(survivorsOf(rim, 401, acceptsRim).filter((bit) => !isHarmless(rim, bit))).toEqual([])
  })

  test('no bit of an OCSP response can be flipped', { timeout: TIMEOUT_MS }, () => {
    const read = parsePemChain(chain.toString('utf8'), 5)
    if (!read.ok) throw new Error(read.detail)
    // Identity, provisioner and product identity are asked about; each response is about one of them.
    for (const [place, text] of ocsp.slice(0, 3).entries()) {
      const accepts = (response: Uint8Array): boolean =>
        judgeRevocation(read.certificates.slice(1), [response], {
          crypto: nodeCrypto,
          at: input.at,
          graceS: 0,
          allowHold: true,
        }).some(({ status }) => status === 'good' || status === 'hold')
      const der = Buffer.from(text, 'base64')
      expect(accepts(der), `response ${place}`).toBe(true)
      expect(survivorsOf(der, 61, accepts), `response ${place}`).toEqual([])
    }
  })

  test('nothing can be cut off or put behind', { timeout: TIMEOUT_MS }, () => {
    const step = COMPLETE ? 1 : 97
    for (let length = report.length - 1; length >= 0; length -= step) {
      expect(acceptsDevice({ evidence: report.subarray(0, length) }), `${length}`).toBe(false)
    }
    // The last byte of the chain is a line end behind its last certificate.
    for (let length = chain.length - 2; length >= 0; length -= step) {
      expect(acceptsDevice({ certificate: chain.subarray(0, length) }), `${length}`).toBe(false)
    }
    expect(acceptsDevice({ evidence: Buffer.concat([report, Buffer.of(0)]) })).toBe(false)
  })
})

/**
 * White space in tags, behind the root and between the lines of a certificate: a space, a tab and a line end are one and the
 * same there to canonical XML and to base64, and none of it is signed. Where white space is signed, none survives.
 */
function isHarmless(rim: Uint8Array, bit: number): boolean {
  const before = rim[bit >> 3] ?? 0
  const after = before ^ (1 << (bit & 7))
  const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x09
  return isSpace(before) && isSpace(after)
}
