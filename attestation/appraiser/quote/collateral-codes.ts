import type { CodeTable } from '../codes.ts'

/** Of collateral, and of the state of a platform that follows from it. */
export const COLLATERAL_CODES = {
  collateral_not_given: {
    family: 'absent',
    meaning: 'no collateral was given, so nothing is known of revocation and firmware',
  },
  collateral_malformed: {
    family: 'malformed',
    meaning: 'the collateral does not have the members of its document in their form',
  },
  collateral_chain_malformed: {
    family: 'malformed',
    meaning:
      'a certificate chain of the collateral cannot be read, or has more certificates than two',
  },
  collateral_chain_length: {
    family: 'invalid',
    meaning: 'a certificate chain of the collateral is not exactly one certificate and the root',
  },
  collateral_chain_untrusted_root: {
    family: 'invalid',
    meaning: 'a certificate chain of the collateral ends in a root that is not accepted',
  },
  collateral_chain_other_root: {
    family: 'invalid',
    meaning: 'a certificate chain of the collateral ends in another root than the quote',
  },
  collateral_chain_signature: {
    family: 'invalid',
    meaning: 'a certificate of the collateral is not signed by its issuer',
  },
  collateral_chain_names: {
    family: 'invalid',
    meaning: 'issuer and subject names of the collateral do not link up',
  },
  collateral_chain_not_ca: {
    family: 'invalid',
    meaning: 'an issuer in the collateral is not a certificate authority',
  },
  collateral_chain_key_usage: {
    family: 'invalid',
    meaning: 'a key of the collateral is used for what its certificate does not allow',
  },
  collateral_chain_path_length: {
    family: 'invalid',
    meaning: 'a chain of the collateral is longer than its root allows',
  },
  collateral_chain_expired: {
    family: 'invalid',
    meaning: 'a certificate of the collateral has expired at the time of the appraisal',
  },
  collateral_chain_not_yet_valid: {
    family: 'invalid',
    meaning: 'a certificate of the collateral is not yet valid at the time of the appraisal',
  },
  collateral_chain_unknown_critical_extension: {
    family: 'invalid',
    meaning:
      'the collateral has a critical extension that is not understood, such as the simulator’s',
  },
  collateral_chain_not_signer: {
    family: 'invalid',
    meaning: 'TCB info or QE identity come with a certificate that is not for signing them',
  },
  crl_malformed: {
    family: 'malformed',
    meaning: 'a revocation list cannot be read, so nobody knows what it revokes',
  },
  crl_issuer_mismatch: {
    family: 'invalid',
    meaning: 'a revocation list comes from another issuer than the certificates it is to speak of',
  },
  crl_signature_invalid: {
    family: 'invalid',
    meaning: 'a revocation list is not signed by its issuer',
  },
  crl_not_yet_valid: {
    family: 'invalid',
    meaning: 'a revocation list was issued after the time of the appraisal',
  },
  crl_expired: {
    family: 'invalid',
    meaning: 'a revocation list should have been replaced before the time of the appraisal',
  },
  pck_revoked: {
    family: 'invalid',
    meaning: 'the certificate of the platform is revoked',
  },
  pck_ca_revoked: {
    family: 'invalid',
    meaning: 'an authority above the platform, or the root itself, is revoked',
  },
  tcb_signer_revoked: {
    family: 'invalid',
    meaning: 'the certificate under which TCB info or QE identity are signed is revoked',
  },
  tcb_info_malformed: {
    family: 'malformed',
    meaning: 'the TCB info is not strict JSON with the members of its version',
  },
  tcb_info_unsupported: {
    family: 'unsupported',
    meaning: 'the TCB info is for another kind of enclave, or of another version',
  },
  tcb_info_signature_invalid: {
    family: 'invalid',
    meaning: 'the TCB info is not what its signer signed, to the byte',
  },
  tcb_info_not_yet_valid: {
    family: 'invalid',
    meaning: 'the TCB info was issued after the time of the appraisal',
  },
  tcb_info_expired: {
    family: 'invalid',
    meaning: 'the TCB info should have been replaced before the time of the appraisal',
  },
  fmspc_mismatch: {
    family: 'invalid',
    meaning: 'the TCB info is about another family of processors than the one that made the quote',
  },
  pce_id_mismatch: {
    family: 'invalid',
    meaning: 'the TCB info is about another provisioning enclave than the platform has',
  },
  qe_identity_malformed: {
    family: 'malformed',
    meaning:
      'the identity of the quoting enclave is not strict JSON with the members of its version',
  },
  qe_identity_unsupported: {
    family: 'unsupported',
    meaning:
      'the identity is of another enclave than the TD quoting enclave, or of another version',
  },
  qe_identity_signature_invalid: {
    family: 'invalid',
    meaning: 'the identity of the quoting enclave is not what its signer signed, to the byte',
  },
  qe_identity_not_yet_valid: {
    family: 'invalid',
    meaning: 'the identity of the quoting enclave was issued after the time of the appraisal',
  },
  qe_identity_expired: {
    family: 'invalid',
    meaning:
      'the identity of the quoting enclave should have been replaced before the time of the appraisal',
  },
  qe_identity_mismatch: {
    family: 'invalid',
    meaning: 'the enclave that certified the attestation key is not Intel’s TD quoting enclave',
  },
  qe_debug: {
    family: 'invalid',
    meaning: 'the quoting enclave runs in debug mode: its host can read its keys',
  },
  qe_level_missing: {
    family: 'invalid',
    meaning: 'the version of the quoting enclave is below every one that Intel lists',
  },
  tdx_module_unknown: {
    family: 'invalid',
    meaning: 'the TDX module is of a version that the TCB info does not list',
  },
  tdx_module_mismatch: {
    family: 'invalid',
    meaning: 'the TDX module has another signer or other attributes than the TCB info lists',
  },
  tcb_level_missing: {
    family: 'invalid',
    meaning: 'the firmware of the platform is below every level that Intel lists',
  },
  tcb_revoked: {
    family: 'invalid',
    meaning: 'Intel has revoked the firmware level of platform, TDX module or quoting enclave',
  },
  tcb_status_not_accepted: {
    family: 'policy',
    meaning: 'the firmware of the platform is in a state that the policy does not accept',
  },
  tcb_advisory_not_accepted: {
    family: 'policy',
    meaning: 'a security advisory applies to the platform that the policy does not accept',
  },
  tcb_evaluation_too_old: {
    family: 'policy',
    meaning: 'the collateral was evaluated before the last recovery event that the policy asks for',
  },
  collateral_too_old: {
    family: 'policy',
    meaning: 'the collateral was issued longer ago than the policy accepts',
  },
} as const satisfies CodeTable
