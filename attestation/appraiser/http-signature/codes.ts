import type { CodeTable } from '../codes.ts'

export const HTTP_SIGNATURE_CODES = {
  http_signature_missing: {
    family: 'absent',
    meaning: 'the answer has no signature under the label that was asked for',
  },
  http_signature_malformed: {
    family: 'malformed',
    meaning: 'Signature-Input or Signature is not of the form of RFC 9421',
  },
  http_signature_incomplete: {
    family: 'invalid',
    meaning: 'the signature does not cover exactly what was asked for',
  },
  http_signature_other_key: {
    family: 'invalid',
    meaning: 'the signature names another key than the keyset has for HTTP messages',
  },
  http_signature_other_purpose: {
    family: 'invalid',
    meaning: 'the tag or algorithm of the signature is another one',
  },
  http_signature_nonce_mismatch: {
    family: 'invalid',
    meaning: 'the signature was made for another request',
  },
  http_signature_expired: {
    family: 'policy',
    meaning:
      'the signature is older than accepted, past its own end, or made after its keyset had ended',
  },
  http_signature_from_future: {
    family: 'policy',
    meaning: 'the signature states a later time than the time of the appraisal',
  },
  http_signature_invalid: {
    family: 'invalid',
    meaning: 'the key for HTTP messages did not sign this answer to this request',
  },
  http_digest_missing: {
    family: 'absent',
    meaning: 'the answer has no readable Content-Digest with SHA-256',
  },
  http_digest_mismatch: {
    family: 'invalid',
    meaning: 'the body is not the one of the Content-Digest',
  },
} as const satisfies CodeTable
