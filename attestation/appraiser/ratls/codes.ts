import type { CodeTable } from '../codes.ts'

export const RATLS_CODES = {
  ratls_malformed: {
    family: 'malformed',
    meaning: 'the certificates, or the evidence in the first of them, cannot be read',
  },
  ratls_unsupported: {
    family: 'unsupported',
    meaning: 'the certificate carries its evidence in a form that is not read here',
  },
  ratls_no_evidence: {
    family: 'absent',
    meaning: 'the certificate carries no quote, so it is an ordinary one',
  },
  ratls_usage_unexpected: {
    family: 'invalid',
    meaning: 'the certificate was made for another use than an app’s own connections',
  },
  ratls_binding_mismatch: {
    family: 'invalid',
    meaning: 'the quote was made over another key than the one in the certificate',
  },
  ratls_app_mismatch: {
    family: 'invalid',
    meaning: 'a certificate of the chain names another app id than the one that was measured',
  },
  ratls_not_in_time: {
    family: 'invalid',
    meaning: 'the certificate is not valid at the time of the appraisal',
  },
  ratls_issuers_not_given: {
    family: 'absent',
    meaning:
      'the guest takes its keys from a key management service, and the certificate came without the chain that leads there',
  },
  ratls_root_mismatch: {
    family: 'invalid',
    meaning: 'the chain does not end in the key of the key provider that the guest measured',
  },
  ratls_chain_invalid: {
    family: 'invalid',
    meaning: 'the certificates do not form a valid chain; the detail says which rule is broken',
  },
} as const satisfies CodeTable
