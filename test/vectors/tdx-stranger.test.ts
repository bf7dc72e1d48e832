/** Vectors of the corpus under Python's standard library and openssl, which share nothing with generator and appraiser. */
import { describe, expect, test } from 'vitest'
import { CORPUS, publishedVectors } from './tdx-corpus.helpers.ts'
import { openStranger } from './stranger.helpers.ts'

const { lacks, check } = openStranger('check_tdx.py', CORPUS, 60_000)

/** What it finds where it should not. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  // The policy of the vector allows it.
  'ok-policy-debug': ['debug'],
}

/** openssl (3.0) ends a certificate a second before notAfter, which RFC 5280 §4.1.2.5 includes. */
const LAST_SECOND = 'ok-time-last-of-certificate'

/** One of each kind, with what must be wrong about it and nothing else. */
const BROKEN: Readonly<Record<string, readonly string[]>> = {
  'quote-signature-bit-of-r': ['quote'],
  'quote-signature-other-key': ['quote'],
  'quote-signed-part-report-data': ['quote'],
  'qe-report-signature-other-key': ['qe_report'],
  'qe-report-signature-platform-ca': ['qe_report'],
  'qe-binding-key-alone': ['qe_binding'],
  'qe-binding-second-half': ['qe_binding'],
  'pck-chain-leaf-expired': ['pck_chain'],
  'pck-chain-leaf-issuer': ['pck_chain'],
  'pck-chain-leaf-signed-by-stranger': ['pck_chain'],
  'pck-chain-ca-without-constraints': ['pck_chain'],
  'pck-chain-root-path-length-zero': ['pck_chain'],
  'pck-chain-root-exchanged': ['root', 'pck_chain'],
  'tcb-info-edited': ['tcb_info_signature'],
  'tcb-info-chain-expired': ['tcb_info_chain'],
  'qe-identity-space-behind': ['qe_identity_signature'],
  'qe-identity-chain-signed-by-stranger': ['qe_identity_chain'],
  'crl-pck-bit-flipped': ['pck_crl'],
  'crl-pck-unsigned': ['pck_crl'],
  'crl-root-signed-by-stranger': ['root_crl'],
  'log-entry-dropped': ['event_log'],
  'log-moved-to-rtmr2': ['event_log'],
  'compose-pretty': ['compose'],
  'config-id-v1-of-another-compose': ['mr_config_id'],
  'quote-junk-one-byte': ['layout'],
  'quote-length-qe-auth-one-more': ['layout'],
  'quote-v4-cut-before-end': ['layout'],
  'td-attribute-00': ['debug'],
  'td-attribute-28': ['sept_ve'],
  'module-signer-vouched-for': ['seam'],
}

describe.skipIf(lacks !== null)('a checker in another language', () => {
  test('finds nothing wrong with what has to be accepted', () => {
    const ids = publishedVectors()
      .filter(({ id, verdict }) => verdict === 'accepted-as-of' && id !== LAST_SECOND)
      .map(({ id }) => id)
    const expected = Object.fromEntries(ids.map((id) => [id, ALLOWED[id] ?? []]))
    expect(check(ids)).toEqual(expected)
  }, 90_000)

  test('finds what is wrong with the rest, and only that', () => {
    expect(check(Object.keys(BROKEN))).toEqual(BROKEN)
  }, 60_000)
})
