/** The published vectors of GPU evidence: that they are what their generator makes, and that the appraiser gives what they expect. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GPU_CODES } from '../../attestation/appraiser/gpu/codes.ts'
import { GPU_FILE_CODES } from '../../attestation/appraiser/gpu/file-codes.ts'
import { NRAS_CODES } from '../../attestation/appraiser/gpu/nras/codes.ts'
import { OCSP_CODES } from '../../attestation/appraiser/gpu/ocsp/codes.ts'
import { RIM_CODES } from '../../attestation/appraiser/gpu/rim/codes.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { makeCorpus } from '../../scripts/gpu-corpus/corpus.ts'
import { isNras, judge, changed, publishedIds, publishedVectors } from './gpu-corpus.helpers.ts'
import { EXIT_CODES, openCommand, sample, unfitting, unreached } from './corpus.helpers.ts'
import type { CorpusCommand, PublishedVector } from './corpus.helpers.ts'

const VECTORS = publishedVectors()
/** Of the browser's cryptography, whose P-384 is about ten times slower, every so many vectors; GPU_CORPUS=all takes all. */
const NOBLE_STEP = process.env['GPU_CORPUS'] === 'all' ? 1 : 5

/** Codes of GPUs that no vector ends in, and why. */
const UNREACHED: Readonly<Record<string, string>> = {
  gpu_collateral_malformed:
    'of documents that carry collateral; in this input it is report_malformed',
  gpu_simulated: 'evidence.simulation says it first; a caller of the library can see it',
  rim_simulated: 'evidence.simulation says it first; a caller of the library can see it',
  gpu_topology_unproven: 'says that a check was not made; where it is required the code is not_met',
  nras_device_mismatch: 'compares an answer with evidence, which this input does not hold',
  nras_policy_unjudged: 'of policies that name devices; tests hold it to each member',
  nras_signature_unsupported: 'of browsers without Web Crypto',
  ocsp_nonce_missing: 'of responses that the verifier asked for itself; stapled ones have no nonce',
  ocsp_nonce_mismatch:
    'of responses that the verifier asked for itself; stapled ones have no nonce',
}

async function disagreements(
  vectors: readonly PublishedVector[],
  crypto: CryptoPort,
): Promise<string[]> {
  const out: string[] = []
  for (const { id, input, verdict, code } of vectors) {
    const given = await judge(id, input, crypto)
    if (given !== `${verdict} ${code}`) out.push(`${id}: ${given}, expected ${verdict} ${code}`)
  }
  return out
}

describe('the published corpus', () => {
  test('is what its generator makes, to the byte', () => {
    const made = makeCorpus()
    expect(publishedIds()).toEqual(made.map(({ id }) => id))
    expect(changed(made)).toEqual([])
  }, 120_000)

  test('has enough of both kinds', () => {
    const accepted = VECTORS.filter(({ verdict }) => verdict === 'accepted-as-of')
    expect(accepted.length).toBeGreaterThanOrEqual(20)
    expect(VECTORS.length - accepted.length).toBeGreaterThanOrEqual(120)
  })

  test('expects verdicts that follow from the family of their codes', () => {
    expect(unfitting(VECTORS)).toEqual([])
  })

  test('reaches every code of devices, RIM files, OCSP and tokens, but those listed with a reason', () => {
    const tables = [GPU_CODES, GPU_FILE_CODES, RIM_CODES, OCSP_CODES, NRAS_CODES]
    expect(unreached(VECTORS, tables)).toEqual(Object.keys(UNREACHED).toSorted())
  })
})

describe('the appraiser on the corpus', () => {
  test('gives every verdict and code, on Node’s cryptography', async () => {
    expect(await disagreements(VECTORS, nodeCrypto)).toEqual([])
  }, 120_000)

  test('gives the same on the browser’s', async () => {
    expect(await disagreements(sample(VECTORS, NOBLE_STEP), nobleCrypto)).toEqual([])
  }, 600_000)
})

describe('the commands on the corpus', () => {
  const commands = new Map<boolean, CorpusCommand>()
  beforeAll(async () => {
    commands.set(false, await openCommand('appraise-gpu', 'appraiseGpuCommand'))
    commands.set(true, await openCommand('appraise-nras', 'appraiseNrasCommand'))
  }, 60_000)
  afterAll(() => Promise.all([...commands.values()].map((command) => command.remove())))

  const kinds = [true, false].flatMap((nras) =>
    [...EXIT_CODES.keys()].flatMap((kind) =>
      VECTORS.filter(({ id, verdict }) => isNras(id) === nras && verdict === kind).slice(0, 1),
    ),
  )
  test.each([...new Set([...kinds, ...sample(VECTORS, 100)])])('$id: $verdict', (vector) => {
    const command = commands.get(isNras(vector.id))
    if (command === undefined) throw new Error('no command')
    command.expectPublished(vector)
  })
})
