import { describe, expect, test } from 'vitest'
import { appraiseQuote } from '../../attestation/appraiser/quote/appraise-quote.ts'
import { createCollateralCache } from '../../attestation/appraiser/quote/collateral-cache.ts'
import { INTEL_SGX_ROOT_SHA256 } from '../../attestation/appraiser/quote/intel-sgx-root.ts'
import { DEFAULT_TDX_POLICY } from '../../attestation/appraiser/quote/tdx-policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { readCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { failed } from './collateral.helpers.ts'
import { fixtureBytes, fixtureText, haveFixtures } from './x509.helpers.ts'

/**
 * `npm run mutate:tdx` makes every mutant; the suite makes one of so many, from another place on each day so that in time
 * all are made.
 */
const COMPLETE = process.env['MUTATE_TDX'] === 'all'
const QUOTE_STRIDE = COMPLETE ? 1 : 11
const COLLATERAL_STRIDE = COMPLETE ? 1 : 13
const DAY_MS = 86_400_000
const start = (stride: number): number => Math.floor(Date.now() / DAY_MS) % stride
const TIMEOUT_MS = COMPLETE ? 3_600_000 : 120_000

const AT = 1751328000

describe.runIf(haveFixtures('tdx'))('mutants of an accepted quote and its collateral', () => {
  const quote = fixtureBytes('tdx/v4-td10.quote.bin')
  const original = JSON.parse(fixtureText('tdx/v4-td10.collateral.json')) as Record<string, string>
  const cache = createCollateralCache()

  const judge = (bytes: Uint8Array, members: unknown): string => {
    const read = readCollateral(members)
    if (!read.ok) return 'collateral_malformed'
    const appraisal = appraiseQuote({
      quote: bytes,
      collateral: read.collateral,
      at: AT,
      policy: DEFAULT_TDX_POLICY,
      crypto: nodeCrypto,
      rootSha256: [INTEL_SGX_ROOT_SHA256],
      cache,
    })
    const outcome = failed(appraisal)
    return outcome === 'ok' && appraisal.tcb?.status !== 'UpToDate' ? 'not judged' : outcome
  }

  test('the original is accepted', () => {
    expect(judge(quote, original)).toBe('ok')
  })

  test('no bit of the quote can be flipped, padding included', { timeout: TIMEOUT_MS }, () => {
    const survivors: string[] = []
    for (let bit = start(QUOTE_STRIDE); bit < 8 * quote.length; bit += QUOTE_STRIDE) {
      const [index, mask] = [bit >> 3, 1 << (bit & 7)]
      const mutant = new Uint8Array(quote)
      mutant[index] = (mutant[index] ?? 0) ^ mask
      if (judge(mutant, original) === 'ok') survivors.push(`byte ${index} mask ${mask}`)
    }
    // The NUL behind the last certificate becomes a space: both end the text and say nothing.
    const harmless = `byte ${quote.findLastIndex((byte) => byte === 0x0a) + 1} mask 32`
    expect(survivors.filter((survivor) => survivor !== harmless)).toEqual([])
    if (COMPLETE) expect(survivors).toEqual([harmless])
  })

  test('no byte of the collateral can be changed', { timeout: TIMEOUT_MS }, () => {
    const survivors: string[] = []
    for (const [name, text] of Object.entries(original)) {
      // Two mutants of each character: a bit that differs from place to place, and the bit that tells cases apart.
      for (let i = start(COLLATERAL_STRIDE); i < text.length; i += COLLATERAL_STRIDE) {
        for (const mask of new Set([1 << (i % 7), 0x20])) {
          const changed = String.fromCharCode(text.charCodeAt(i) ^ mask)
          const mutant = { ...original, [name]: text.slice(0, i) + changed + text.slice(i + 1) }
          if (judge(quote, mutant) === 'ok') survivors.push(`${name} ${i} mask ${mask}`)
        }
      }
    }
    expect(survivors).toEqual([])
  })

  test('nothing can be cut off, left out or put in', { timeout: TIMEOUT_MS }, () => {
    const end = quote.findLastIndex((byte) => byte !== 0) + 1
    const lengths = Array.from({ length: COMPLETE ? end : 60 }, (_, i) =>
      COMPLETE ? i : end - 1 - i * 71,
    )
    for (const length of lengths) {
      expect(judge(quote.subarray(0, length), original), `${length} bytes`).not.toBe('ok')
    }
    for (const [name, text] of Object.entries(original)) {
      for (const mutant of ['', text.slice(1), text.slice(0, -1), `${text}0`, `0${text}`]) {
        const outcome = judge(quote, { ...original, [name]: mutant })
        // The line end behind the last certificate of a chain.
        const harmless = name.endsWith('_chain') && mutant === text.slice(0, -1)
        if (!harmless) expect(outcome, name).not.toBe('ok')
      }
      const { [name]: _, ...without } = original
      expect(judge(quote, without)).toBe('collateral_malformed')
    }
  })
})
