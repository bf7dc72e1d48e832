import { describe, expect, test } from 'vitest'
import { createCollateralCache } from '../../attestation/appraiser/quote/collateral-cache.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { DAY, failed, makeIntelWorld } from './collateral.helpers.ts'
import { AT } from './x509.helpers.ts'

const world = makeIntelWorld()

function counting(): { readonly crypto: CryptoPort; readonly count: () => number } {
  let calls = 0
  const verifyEcdsa: CryptoPort['verifyEcdsa'] = (...given) => {
    calls++
    return nodeCrypto.verifyEcdsa(...given)
  }
  return { crypto: { ...nodeCrypto, verifyEcdsa }, count: () => calls }
}

describe('a cache of verified collateral', () => {
  test('saves the signatures of collateral and PCK chain and no others', () => {
    const cache = createCollateralCache()
    const { crypto, count } = counting()
    // Authority, two lists, signer, two documents; leaf, report of the quoting enclave, quote.
    expect(failed(world.appraise({ input: { crypto, cache } }))).toBe('ok')
    expect(count()).toBe(9)
    expect(failed(world.appraise({ input: { crypto, cache } }))).toBe('ok')
    expect(count()).toBe(11)
    // Without collateral the chain alone is known.
    expect(failed(world.appraise({ collateral: null, input: { crypto, cache } }))).toBe('ok')
    expect(count()).toBe(13)
    const forged = world.quote()
    forged[600] = (forged[600] ?? 0) ^ 1
    expect(failed(world.appraise({ quote: forged, input: { crypto, cache } }))).toBe(
      'quote.signature quote_signature_invalid',
    )
  })

  test('does not make collateral last, nor a policy milder', () => {
    const cache = createCollateralCache()
    expect(failed(world.appraise({ input: { cache } }))).toBe('ok')
    const later = world.appraise({ input: { cache, at: AT + 31 * DAY } })
    expect(failed(later)).toBe(failed(world.appraise({ input: { at: AT + 31 * DAY } })))
    expect(failed(later)).toContain('quote.crl crl_expired')
    const strict = { policy: { maxCollateralAgeS: 1 }, input: { cache } }
    expect(failed(world.appraise(strict))).toBe('quote.collateral_age collateral_too_old')
    expect(cache.entries.size).toBe(1)
  })

  test('answers for no other byte, no other root and no simulation that is not allowed', () => {
    const cache = createCollateralCache()
    expect(failed(world.appraise({ input: { cache } }))).toBe('ok')
    const collateral = { tcb_info: `${world.pki.collateral.tcb_info} ` }
    expect(failed(world.appraise({ collateral, input: { cache } }))).toBe(
      'quote.tcb_info tcb_info_signature_invalid',
    )
    const roots = { cache, rootSha256: [new Uint8Array(32)] }
    expect(failed(world.appraise({ input: roots }))).toBe(
      'quote.pck_chain pck_chain_untrusted_root',
    )
    expect(failed(world.appraise({ input: { cache, allowSimulated: false } }))).toBe(
      'quote.pck_chain pck_chain_unknown_critical_extension',
    )
    // None of these was good, so none was kept.
    expect(cache.entries.size).toBe(1)
  })

  test('filled by a port that takes any signature does not answer for one that verifies', () => {
    const cache = createCollateralCache()
    const lax = { ...nodeCrypto, verifyEcdsa: () => true }
    const collateral = { tcb_info: `${world.pki.collateral.tcb_info} ` }
    expect(failed(world.appraise({ collateral, input: { cache, crypto: lax } }))).toBe('ok')
    expect(cache.entries.size).toBe(1)
    expect(failed(world.appraise({ collateral, input: { cache } }))).toBe(
      'quote.tcb_info tcb_info_signature_invalid',
    )
  })

  test('tells members apart whose texts join to the same', () => {
    const cache = createCollateralCache()
    world.appraise({ input: { cache } })
    const { root_ca_crl, pck_crl } = world.pki.collateral
    const shifted = { root_ca_crl: root_ca_crl + pck_crl.slice(0, 2), pck_crl: pck_crl.slice(2) }
    expect(failed(world.appraise({ collateral: shifted, input: { cache } }))).toBe(
      'quote.crl crl_malformed',
    )
  })

  test('forgets what was used least recently, and never holds more than it may', () => {
    const cache = createCollateralCache(2)
    const worlds = [makeIntelWorld(), makeIntelWorld(), makeIntelWorld()]
    const [first, second, third] = worlds
    const keys = (): string[] => [...cache.entries.keys()]
    first?.appraise({ input: { cache } })
    second?.appraise({ input: { cache } })
    const [oldest, newer] = keys()
    first?.appraise({ input: { cache } })
    expect(keys()).toEqual([newer, oldest])
    third?.appraise({ input: { cache } })
    expect(keys()[0]).toBe(oldest)
    expect(cache.entries.size).toBe(2)
    for (const size of [0, -1, 1.5, Number.NaN]) {
      expect(() => createCollateralCache(size)).toThrow(RangeError)
    }
  })
})
