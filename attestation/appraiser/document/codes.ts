import type { CodeTable } from '../codes.ts'

export const DOCUMENT_CODES = {
  document_malformed: {
    family: 'malformed',
    meaning: 'the attestation document is not strict JSON with exactly the members of its version',
  },
  document_unsupported: {
    family: 'unsupported',
    meaning: 'the attestation document has another version or kind of enclave',
  },
  document_warned: {
    family: 'note',
    meaning: 'the service warns about itself; the warning is not covered by the quote',
  },
  statement_mismatch: {
    family: 'invalid',
    meaning:
      'the quote was not made over this document: keys, configuration, boot, round, nonce or evidence differ',
  },
  nonce_missing: {
    family: 'invalid',
    meaning: 'a nonce was given, and the document answers none: it may be old',
  },
  nonce_mismatch: {
    family: 'invalid',
    meaning: 'the document answers another nonce than the one that was given: it is replayed',
  },
  nonce_path_invalid: {
    family: 'invalid',
    meaning: 'the proof belongs to no tree of nonces of its size',
  },
  statement_stale: {
    family: 'policy',
    meaning: 'the document is older than the policy accepts',
  },
  statement_from_future: {
    family: 'policy',
    meaning: 'the document states a later time than the time of the appraisal',
  },
  gpu_evidence_missing: {
    family: 'invalid',
    meaning: 'the configuration requires GPU evidence, and the document has none',
  },
  gpu_rung_reached: {
    family: 'note',
    meaning: 'what the GPU evidence proves about the machine that answers',
  },
  collateral_missing: {
    family: 'invalid',
    meaning: 'the configuration promises stapled collateral, and the document has none',
  },
  log_head_missing: {
    family: 'invalid',
    meaning: 'the configuration promises a log, and the statement names no head of it',
  },
  log_origin_mismatch: {
    family: 'invalid',
    meaning: 'the head is of a log that the configuration does not name, or of another boot',
  },
  keyset_role_missing: {
    family: 'invalid',
    meaning:
      'the keyset has no key, more than one, or one of a wrong size or small order for a role',
  },
  keyset_address_mismatch: {
    family: 'invalid',
    meaning: 'the id of the address key does not end in the address of its public key',
  },
  keyset_expired: {
    family: 'policy',
    meaning: 'the keyset is not valid any more at the time in question',
  },
  keyset_lifetime_too_long: {
    family: 'policy',
    meaning: 'the keyset is valid for longer than the policy accepts',
  },
  config_malformed: {
    family: 'malformed',
    meaning: 'the configuration lacks a member that the appraisal reads, or has it in another form',
  },
  simulation_not_allowed: {
    family: 'policy',
    meaning:
      'the evidence is simulated, which is accepted on request only (--allow-simulated, or allowSimulated of the policy)',
  },
  simulation_undeclared: {
    family: 'invalid',
    meaning: 'evidence under a simulated root in a document that does not say so',
  },
  simulation_mismatch: {
    family: 'invalid',
    meaning: 'the document says that it is simulated, but a root of its evidence is not',
  },
  remote_upstream: {
    family: 'policy',
    meaning: 'the service may send requests to model servers outside of its machine',
  },
  weights_not_pinned: {
    family: 'note',
    meaning: 'the policy names no digest of weights, so any model is accepted, measured or not',
  },
  weights_not_measured: {
    family: 'policy',
    meaning: 'the policy names weights, and the service measured none',
  },
  weights_malformed: {
    family: 'malformed',
    meaning: 'the policy names weights, and those of the configuration cannot be read',
  },
  weights_label_unknown: {
    family: 'unsupported',
    meaning:
      'the policy names weights as the sidecar measures a folder, and the service attests a digest of another kind',
  },
  weights_not_accepted: {
    family: 'policy',
    meaning: 'the attested weights are not among those that the policy names',
  },
  compose_not_pinned: {
    family: 'note',
    meaning: 'no compose hash was given, so any measured software is accepted',
  },
  compose_not_accepted: {
    family: 'policy',
    meaning: 'the measured compose text is not one of those that the policy names',
  },
  custody_key_mismatch: {
    family: 'invalid',
    meaning: 'the custody evidence speaks of another key or purpose than the address key',
  },
  attestation_unavailable: {
    family: 'absent',
    meaning: 'the attestation document could not be fetched',
  },
  archive_other_keyset: {
    family: 'invalid',
    meaning: 'the archived document that was served is not of the keyset that was asked for',
  },
} as const satisfies CodeTable
