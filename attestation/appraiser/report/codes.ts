import type { CodeTable } from '../codes.ts'

export const REPORT_CODES = {
  report_malformed: {
    family: 'malformed',
    meaning: 'the report, or the input, is not strict JSON with exactly the members of its layout',
  },
  report_unsupported: {
    family: 'unsupported',
    meaning: 'a report of another version, enclave type or kind than is judged here',
  },
  report_layout_unclear: {
    family: 'malformed',
    meaning: 'the members fit no layout, or more than one: say which is meant (--layout)',
  },
  report_layout_told: {
    family: 'note',
    meaning: 'under which layout the report was read, and who said so',
  },
  report_data_mismatch: {
    family: 'invalid',
    meaning: 'the quote was not made over the key and the nonce that the report states',
  },
  report_data_unstated: {
    family: 'note',
    meaning:
      'what the guest had quoted; nothing was given to compare it with, so it proves no freshness',
  },
  report_nonce_ambiguous: {
    family: 'invalid',
    meaning: 'the nonce ends in eight zero bytes, so the same quote reads as one of another layout',
  },
  report_key_ambiguous: {
    family: 'invalid',
    meaning:
      'the Ed25519 key ends in twelve zero bytes, so the same quote reads as one over an address',
  },
  report_contradicts_evidence: {
    family: 'invalid',
    meaning: 'what the report says beside its evidence is not what was measured',
  },
  report_others_unjudged: {
    family: 'note',
    meaning: 'the report carries attestations of other machines, which were not judged',
  },
  signing_key_mismatch: {
    family: 'invalid',
    meaning: 'the public key of the report is not the key of its signing address',
  },
  gpu_evidence_not_given: {
    family: 'absent',
    meaning: 'the report has no GPU evidence, which anybody on the way can leave out',
  },
  report_gpus_unevidenced: {
    family: 'note',
    meaning:
      'the host says that the machine has GPUs, and a report of this layout holds no evidence of any',
  },
  report_claims_uncompared: {
    family: 'note',
    meaning: 'members of the report that no evidence was compared with: nobody vouches for them',
  },
  gpu_payload_malformed: {
    family: 'malformed',
    meaning: 'the GPU evidence of the report is not a nonce and a list of devices',
  },
  aci_keyset_mismatch: {
    family: 'invalid',
    meaning: 'the keyset digest of the report is not that of its keyset',
  },
  aci_provenance_absent: {
    family: 'note',
    meaning: 'the report names no source; which software runs is said by the compose hash alone',
  },
  aci_document_mismatch: {
    family: 'invalid',
    meaning: 'the attestation document inside the report is not accepted, or has another keyset',
  },
} as const satisfies CodeTable
