import type { CodeTable } from '../../codes.ts'

export const OCSP_CODES = {
  ocsp_malformed: {
    family: 'malformed',
    meaning: 'an OCSP response cannot be read as strict DER within its limits',
  },
  ocsp_not_successful: {
    family: 'invalid',
    meaning: 'the OCSP responder gave an error instead of an answer, which nobody signed',
  },
  ocsp_duplicate: {
    family: 'invalid',
    meaning: 'one OCSP response answers twice for one certificate',
  },
  ocsp_unknown_extension: {
    family: 'invalid',
    meaning: 'an OCSP response carries a critical extension that is not understood',
  },
  ocsp_algorithm: {
    family: 'invalid',
    meaning: 'an OCSP response or its responder is not ECDSA P-384 with SHA-384',
  },
  ocsp_responder_missing: {
    family: 'invalid',
    meaning: 'the responder that an OCSP response names is not the issuer and not enclosed',
  },
  ocsp_responder_untrusted: {
    family: 'invalid',
    meaning: 'the issuer of the certificate asked about did not issue the OCSP responder',
  },
  ocsp_responder_unauthorized: {
    family: 'invalid',
    meaning: 'the certificate of the OCSP responder does not allow it to sign OCSP responses',
  },
  ocsp_responder_time: {
    family: 'invalid',
    meaning: 'the certificate of the OCSP responder is not valid at the time',
  },
  ocsp_responder_revoked: {
    family: 'invalid',
    meaning: 'the certificate of the OCSP responder is itself not good by another response',
  },
  ocsp_signature_invalid: {
    family: 'invalid',
    meaning: 'the signature of an OCSP response does not verify under the key of its responder',
  },
  ocsp_nonce_missing: {
    family: 'invalid',
    meaning: 'a nonce was sent and the OCSP response has none, so it may be an old one',
  },
  ocsp_nonce_mismatch: {
    family: 'invalid',
    meaning: 'the OCSP response answers another nonce: it is replayed',
  },
  ocsp_not_yet_valid: {
    family: 'invalid',
    meaning: 'the OCSP response is of a time after that of the appraisal',
  },
  ocsp_stale: {
    family: 'invalid',
    meaning:
      'the OCSP response is older than its nextUpdate, or without one older than an hour: a new one is needed',
  },
  ocsp_unknown: {
    family: 'invalid',
    meaning: 'the responder says that it does not know the certificate, or that nobody issued it',
  },
  ocsp_revoked: {
    family: 'invalid',
    meaning: 'the issuer revoked a certificate of the chain',
  },
  ocsp_hold: {
    family: 'policy',
    meaning: 'a certificate of the chain is on hold, which the policy does not allow',
  },
} as const satisfies CodeTable

export type OcspCode = keyof typeof OCSP_CODES
