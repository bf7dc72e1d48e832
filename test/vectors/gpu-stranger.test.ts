/** Vectors of the corpus under Python's standard library and openssl, which share nothing with generator and appraiser. */
import { describe, expect, test } from 'vitest'
import { CORPUS, publishedVectors } from './gpu-corpus.helpers.ts'
import { openStranger } from './stranger.helpers.ts'

const { lacks, check } = openStranger('check_gpu.py', CORPUS, 170_000)

/** What it finds where it should not. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  // openssl (3.0) looks for the issuer of a root that names another key; RFC 5280 §6.1 takes an anchor as it is.
  'ok-root-not-self-signed': ['chain'],
}

/** One of each kind, with what must be wrong about it and nothing else. */
const BROKEN: Readonly<Record<string, readonly string[]>> = {
  'nonce-replayed': ['nonce'],
  'nonce-patched': ['signature'],
  'signature-bit-of-s': ['signature'],
  'signature-spdm-1-2-prefix': ['signature'],
  'signature-report-of-another-gpu': ['signature'],
  'report-cut-by-one': ['layout'],
  'report-block-index-repeated': ['layout'],
  'report-opaque-field-repeated': ['layout'],
  'device-chain-leaf-expired': ['chain'],
  'device-chain-identity-not-ca': ['chain'],
  'device-chain-product-signed-by-stranger': ['chain'],
  'device-chain-of-a-stranger': ['root'],
  'device-chain-root-exchanged': ['root', 'chain'],
  'device-key-other': ['device_key'],
  'fwid-of-report': ['fwid'],
  'fwid-of-certificate': ['fwid'],
  'fwid-absent': ['fwid'],
  'arch-31-blocks': ['blocks'],
  'list-count-less': ['count'],
  'list-duplicate-gpu-two-reports': ['unique'],
  'list-mixed-driver': ['uniform'],
  'topology-gpu-substituted': ['topology'],
  'topology-switch-names-other-gpu': ['topology'],
  'topology-gpu-names-straight': ['topology'],
  'rim-changed-golden-value': ['rim_digest', 'measurements'],
  'rim-changed-namespace-added': ['rim_digest'],
  'rim-signed-bit-of-r': ['rim_signature'],
  'rim-signed-namespaces-of-ancestors-missing': ['rim_signature'],
  'rim-chain-signer-expired': ['rim_chain'],
  'rim-chain-of-a-stranger': ['rim_chain'],
  'rim-fit-vbios-of-other-version': ['rim_version'],
  'measurement-other-firmware': ['measurements'],
  'measurement-index-missing': ['measurements'],
  'measurement-decoder-on': ['measurements'],
  'measurement-overlap': ['overlap'],
  'ocsp-revoked-identity': ['ocsp_revoked'],
  'ocsp-hold-product': ['ocsp_hold'],
  'ocsp-unknown-provisioner': ['ocsp_unknown'],
  'ocsp-stale-by-a-second': ['ocsp_window'],
  'ocsp-future': ['ocsp_window'],
  'ocsp-responder-of-the-issuer-above': ['ocsp_signature'],
  'ocsp-responder-without-usage': ['ocsp_signature'],
  'nras-wrong-key': ['token_signature'],
  'nras-algorithm-hs256': ['header', 'token_signature'],
  'nras-issuer-other': ['issuer'],
  'nras-expired': ['time'],
  'nras-nonce-other': ['token_nonce'],
  'nras-digest-mismatch': ['digest'],
  'nras-device-missing': ['devices'],
  'nras-result-false': ['result'],
  'nras-measurements-fail': ['claims'],
}

describe.skipIf(lacks !== null)('a checker in another language', () => {
  test('finds nothing wrong with what has to be accepted', () => {
    const ids = publishedVectors()
      .filter(({ verdict }) => verdict === 'accepted-as-of')
      .map(({ id }) => id)
    const expected = Object.fromEntries(ids.map((id) => [id, ALLOWED[id] ?? []]))
    expect(check(ids)).toEqual(expected)
  }, 180_000)

  test('finds what is wrong with the rest, and only that', () => {
    expect(check(Object.keys(BROKEN))).toEqual(BROKEN)
  }, 180_000)
})
