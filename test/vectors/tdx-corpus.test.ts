/** The published vectors of TDX evidence: that they are what their generator makes, and that the appraiser gives what they expect. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EVENT_LOG_CODES } from '../../attestation/appraiser/eventlog/codes.ts'
import { QUOTE_CODES } from '../../attestation/appraiser/quote/codes.ts'
import { COLLATERAL_CODES } from '../../attestation/appraiser/quote/collateral-codes.ts'
import { appraiseTdx } from '../../attestation/appraiser/report/appraise-tdx.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { makeCorpus } from '../../scripts/tdx-corpus/corpus.ts'
import { renderAppraisal } from '../../src/cli/appraise-tdx.ts'
import { changed, publishedIds, publishedVectors } from './tdx-corpus.helpers.ts'
import { EXIT_CODES, openCommand, sample, unfitting, unreached } from './corpus.helpers.ts'
import type { CorpusCommand, PublishedVector } from './corpus.helpers.ts'

const VECTORS = publishedVectors()

/** Codes of quote, collateral and event log that no vector ends in, and why. */
const UNREACHED: Readonly<Record<string, string>> = {
  platform_not_pinned: 'a note, which decides nothing',
  measurements_not_pinned: 'a note, which decides nothing',
  app_not_pinned: 'a note, which decides nothing',
  key_provider_not_pinned: 'a note, which decides nothing',
  os_image_unmeasured: 'a note, which decides nothing',
  image_references_not_given:
    'says that a check was not made; evidence of hardware is unsupported then, simulated is not',
  collateral_not_given:
    'says that checks were not made; where they are required the code is not_met',
  collateral_malformed: 'of documents that carry collateral; in this input it is report_malformed',
  compose_not_unicode:
    'no JSON text that is read can hold such a text; a caller of the library can',
  collateral_chain_path_length: 'a chain of two has nothing between root and leaf',
}

function judge({ input }: PublishedVector, crypto: CryptoPort): string {
  const printed: unknown = JSON.parse(renderAppraisal(appraiseTdx(input, crypto)))
  const { verdict, code } = printed as { readonly verdict: string; readonly code: string }
  return `${verdict} ${code}`
}

function disagreements(vectors: readonly PublishedVector[], crypto: CryptoPort): string[] {
  return vectors.flatMap((vector) => {
    const given = judge(vector, crypto)
    const expected = `${vector.verdict} ${vector.code}`
    return given === expected ? [] : [`${vector.id}: ${given}, expected ${expected}`]
  })
}

describe('the published corpus', () => {
  test('is what its generator makes, to the byte', () => {
    const made = makeCorpus()
    expect(publishedIds()).toEqual(made.map(({ id }) => id))
    expect(changed(made)).toEqual([])
  }, 60_000)

  test('has enough of both kinds', () => {
    const accepted = VECTORS.filter(({ verdict }) => verdict === 'accepted-as-of')
    expect(accepted.length).toBeGreaterThanOrEqual(25)
    expect(VECTORS.length - accepted.length).toBeGreaterThanOrEqual(150)
  })

  test('expects verdicts that follow from the family of their codes', () => {
    expect(unfitting(VECTORS)).toEqual([])
  })

  test('reaches every code of quote, collateral and event log, but those listed with a reason', () => {
    const tables = [QUOTE_CODES, COLLATERAL_CODES, EVENT_LOG_CODES]
    expect(unreached(VECTORS, tables)).toEqual(Object.keys(UNREACHED).toSorted())
  })
})

describe('the appraiser on the corpus', () => {
  test('gives every verdict and code, on Node’s cryptography', () => {
    expect(disagreements(VECTORS, nodeCrypto)).toEqual([])
  }, 60_000)

  test('gives the same on the browser’s', () => {
    expect(disagreements(VECTORS, nobleCrypto)).toEqual([])
  }, 120_000)
})

describe('the command on the corpus', () => {
  let command: CorpusCommand
  beforeAll(async () => {
    command = await openCommand('appraise-tdx', 'appraiseTdxCommand')
  }, 60_000)
  afterAll(() => command.remove())

  const kinds = [...EXIT_CODES.keys()].flatMap((kind) =>
    VECTORS.filter(({ verdict }) => verdict === kind).slice(0, 2),
  )
  test.each([...new Set([...kinds, ...sample(VECTORS, 100)])])('$id: $verdict', (vector) => {
    command.expectPublished(vector)
  })
})
