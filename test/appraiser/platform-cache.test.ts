import { describe, expect, test } from 'vitest'
import {
  CACHED_PLATFORMS_PER_ENTRY,
  createCollateralCache,
} from '../../attestation/appraiser/quote/collateral-cache.ts'
import type { CollateralCache } from '../../attestation/appraiser/quote/collateral-cache.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { sgxExtension } from '../../attestation/simulator/intel/sgx-extension.ts'
import { toPem } from '../../attestation/x509/build-certificate.ts'
import { buildRevocationList } from '../../attestation/simulator/x509/build-revocation-list.ts'
import { DAY, failed, issueUnder, makeIntelWorld } from './collateral.helpers.ts'
import { AT, keyPair } from './x509.helpers.ts'

const world = makeIntelWorld()
const { pki } = world
const { root, platformCa, pck } = pki.issuers

/** A cache that knows the genuine platform and collateral of {@link world}. */
function warm(maxEntries?: number): CollateralCache {
  const cache = createCollateralCache(maxEntries)
  expect(failed(world.appraise({ input: { cache } }))).toBe('ok')
  expect(cache.platforms.size).toBe(1)
  return cache
}

/** A PCK certificate with the names, serial number and extension of the genuine one, for another key. */
function lookAlike(issuerKey = keyPair().privateKey): ReturnType<typeof issueUnder> {
  return issueUnder(pki, {
    noCa: true,
    subject: pck.name,
    issuer: platformCa.name,
    serial: pck.serial,
    keyUsage: ['digitalSignature'],
    extensions: [sgxExtension(pki.platform)],
    issuerKey,
  })
}

const chainOf = (leaf: Uint8Array): string => toPem(leaf) + toPem(platformCa.der) + toPem(root.der)

describe('platforms that a cache knows', () => {
  test('do not lend their names and serial number to another key', () => {
    const cache = warm()
    const { der, key } = lookAlike()
    const parts = { pem: chainOf(der), qeSigner: key }
    // Twice: what failed must not have been learnt.
    for (let i = 0; i < 2; i++) {
      expect(failed(world.appraise({ parts, input: { cache } }))).toBe(
        'quote.pck_chain pck_chain_signature',
      )
    }
    expect(cache.platforms.size).toBe(1)
  })

  test('do not lend their signature: a bit of it changed, or of what it covers', () => {
    const cache = warm()
    const { der } = pck
    for (const offset of [der.length - 1, der.length - 40, 60]) {
      const changed = Uint8Array.from(der)
      changed[offset] = (changed[offset] ?? 0) ^ 1
      const outcome = failed(world.appraise({ parts: { pem: chainOf(changed) }, input: { cache } }))
      expect(outcome).toBe(failed(world.appraise({ parts: { pem: chainOf(changed) } })))
      expect(outcome).toContain('quote.pck_chain pck_chain_')
    }
    expect(cache.platforms.size).toBe(1)
  })

  test('do not lend their authority: one with its name and another key', () => {
    const cache = warm()
    const authority = issueUnder(pki, {
      subject: platformCa.name,
      serial: platformCa.serial,
      issuerKey: keyPair().privateKey,
    })
    const leaf = lookAlike(authority.key)
    const pem = toPem(leaf.der) + toPem(authority.der) + toPem(root.der)
    expect(failed(world.appraise({ parts: { pem, qeSigner: leaf.key }, input: { cache } }))).toBe(
      'quote.pck_chain pck_chain_signature',
    )
    // The genuine leaf under it: its signature is of the genuine authority, not of one so named.
    const mixed = toPem(pck.der) + toPem(authority.der) + toPem(root.der)
    expect(failed(world.appraise({ parts: { pem: mixed }, input: { cache } }))).toBe(
      'quote.pck_chain pck_chain_signature',
    )
  })

  test('are not spoilt by a forged chain that came first', () => {
    const cache = createCollateralCache()
    const { der, key } = lookAlike()
    const parts = { pem: chainOf(der), qeSigner: key }
    const forged = (): string => failed(world.appraise({ parts, input: { cache } }))
    expect(forged()).toBe('quote.pck_chain pck_chain_signature')
    expect(cache.platforms.size).toBe(0)
    expect(failed(world.appraise({ input: { cache } }))).toBe('ok')
    expect(forged()).toBe('quote.pck_chain pck_chain_signature')
    expect(cache.platforms.size).toBe(1)
  })

  test('are judged by the roots of each appraisal', () => {
    const cache = warm()
    expect(failed(world.appraise({ input: { cache, rootSha256: [new Uint8Array(32)] } }))).toBe(
      'quote.pck_chain pck_chain_untrusted_root',
    )
    expect(failed(world.appraise({ input: { cache, rootSha256: [] } }))).toBe(
      'quote.pck_chain pck_chain_untrusted_root',
    )
    expect(failed(world.appraise({ input: { cache, allowSimulated: false } }))).toBe(
      'quote.pck_chain pck_chain_unknown_critical_extension',
    )
  })

  test('are judged at the time of each appraisal', () => {
    const cache = warm()
    for (const at of [AT - 2 * DAY, AT + 3651 * DAY]) {
      const outcome = failed(world.appraise({ input: { cache, at } }))
      expect(outcome).toBe(failed(world.appraise({ input: { at } })))
      expect(outcome).toMatch(/quote\.pck_chain pck_chain_(?:expired|not_yet_valid)/)
    }
    expect(failed(world.appraise({ input: { cache } }))).toBe('ok')
  })

  test('can be revoked afterwards, as can their authority', () => {
    const cache = warm()
    const list = (by: typeof root, revoked: Uint8Array): string =>
      Buffer.from(
        buildRevocationList({
          issuer: by.name,
          issuerKey: by.key,
          thisUpdate: new Date((AT - 3600) * 1000),
          nextUpdate: new Date((AT + DAY) * 1000),
          revoked: [{ serial: revoked, at: new Date((AT - 3600) * 1000) }],
        }),
      ).toString('hex')
    const judge = (collateral: object): string =>
      failed(world.appraise({ collateral, input: { cache } }))
    expect(judge({ pck_crl: list(platformCa, pck.serial) })).toContain('quote.crl pck_revoked')
    expect(judge({ root_ca_crl: list(root, platformCa.serial) })).toContain(
      'quote.crl pck_ca_revoked',
    )
    expect(cache.entries.size).toBe(3)
  })

  test('save neither the report of the quoting enclave nor the quote from being verified', () => {
    const cache = warm()
    const other = keyPair().privateKey
    expect(failed(world.appraise({ parts: { qeSigner: other }, input: { cache } }))).toBe(
      'quote.qe_report qe_report_signature_invalid',
    )
    expect(failed(world.appraise({ parts: { signer: other }, input: { cache } }))).toBe(
      'quote.signature quote_signature_invalid',
    )
  })

  test('are known to the port that verified them, and to no other', () => {
    const cache = createCollateralCache()
    const lax = { ...nodeCrypto, verifyEcdsa: () => true }
    const { der, key } = lookAlike()
    const parts = { pem: chainOf(der), qeSigner: key }
    expect(failed(world.appraise({ parts, input: { cache, crypto: lax } }))).toBe('ok')
    expect(cache.platforms.size).toBe(1)
    expect(failed(world.appraise({ parts, input: { cache } }))).toBe(
      'quote.pck_chain pck_chain_signature',
    )
  })

  test('are forgotten, least recently used first, before they are too many', () => {
    const cache = createCollateralCache(1)
    const appraise = (index: number): void => {
      // Intel's libraries pad the text; each length of padding is another text.
      const pem = pki.pckChain + '\0'.repeat(index)
      expect(failed(world.appraise({ parts: { pem }, input: { cache } }))).toBe('ok')
    }
    const room = CACHED_PLATFORMS_PER_ENTRY
    for (let i = 0; i < room; i++) appraise(i)
    const [oldest, second] = [...cache.platforms.keys()]
    appraise(0)
    appraise(room)
    const keys = [...cache.platforms.keys()]
    expect(keys).toHaveLength(room)
    expect(keys).toContain(oldest)
    expect(keys).not.toContain(second)
    // Each entry holds its own three certificates, whatever else the collateral brought along.
    for (const memo of cache.platforms.values()) {
      expect([memo.parsed.size, memo.issuers.size]).toEqual([3, 2])
    }
  })
})
