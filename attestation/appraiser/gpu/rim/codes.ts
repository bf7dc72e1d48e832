import type { CodeTable } from '../../codes.ts'

export const RIM_CODES = {
  rim_malformed: {
    family: 'malformed',
    meaning: 'the RIM is not a SWID tag in the strict XML that NVIDIA writes',
  },
  rim_signature_malformed: {
    family: 'malformed',
    meaning:
      'the RIM does not carry exactly one enveloped signature over the whole document, in the one form that is accepted',
  },
  rim_unsupported: {
    family: 'unsupported',
    meaning: 'the RIM is genuine and for a product that this version does not judge',
  },
  rim_digest_mismatch: {
    family: 'invalid',
    meaning: 'the RIM was changed after it was signed: its digest differs from the signed one',
  },
  rim_signature_invalid: {
    family: 'invalid',
    meaning: 'the RIM signature does not verify under the key of its first certificate',
  },
  rim_chain_length: {
    family: 'invalid',
    meaning: 'the RIM carries another number of certificates than the four of an NVIDIA RIM',
  },
  rim_chain_algorithm: {
    family: 'invalid',
    meaning: 'a certificate of the RIM is not ECDSA P-384 with SHA-384',
  },
  rim_chain_untrusted_root: {
    family: 'invalid',
    meaning:
      'the certificates of the RIM do not end in an accepted RIM root; debug RIMs have another one',
  },
  rim_chain_invalid: {
    family: 'invalid',
    meaning: 'the certificates of the RIM break a rule of path validation; the detail names which',
  },
  rim_chain_time: {
    family: 'invalid',
    meaning: 'a certificate of the RIM is not valid at the time of the appraisal',
  },
  rim_simulated: {
    family: 'policy',
    meaning: 'the RIM ends in a simulated root, which is accepted only on request',
  },
  rim_kind_mismatch: {
    family: 'invalid',
    meaning: 'a RIM for one kind of firmware was given in the place of another kind',
  },
  rim_version_mismatch: {
    family: 'invalid',
    meaning: 'the RIM is for another version than the signed report states',
  },
  rim_index_overlap: {
    family: 'invalid',
    meaning: 'driver and VBIOS RIM both claim one measurement index',
  },
  rim_nothing_compared: {
    family: 'invalid',
    meaning: 'no RIM names an active measurement, so that none of the device was compared',
  },
  rim_measurement_mismatch: {
    family: 'invalid',
    meaning:
      'measured firmware differs from what NVIDIA published for this version; the detail names the indexes',
  },
} as const satisfies CodeTable

export type RimCode = keyof typeof RIM_CODES
