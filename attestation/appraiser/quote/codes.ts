import type { CodeTable } from '../codes.ts'

export const QUOTE_CODES = {
  quote_malformed: {
    family: 'malformed',
    meaning: 'the quote does not follow the layout of its version',
  },
  quote_unsupported: {
    family: 'unsupported',
    meaning: 'a quote of another version, enclave type, key type, vendor or certification data',
  },
  quote_signature_invalid: {
    family: 'invalid',
    meaning: 'the attestation key did not sign the header and body of the quote',
  },
  qe_report_signature_invalid: {
    family: 'invalid',
    meaning: 'the PCK key did not sign the report of the quoting enclave',
  },
  qe_binding_mismatch: {
    family: 'invalid',
    meaning: 'the report of the quoting enclave does not endorse the attestation key of the quote',
  },
  pck_chain_malformed: {
    family: 'malformed',
    meaning: 'the PCK certificates in the quote cannot be read',
  },
  pck_chain_not_pck: {
    family: 'invalid',
    meaning: 'the leaf of the PCK chain has no Intel SGX extension, so it certifies no platform',
  },
  pck_chain_length: {
    family: 'invalid',
    meaning: 'the PCK chain does not have exactly leaf, intermediate and root',
  },
  pck_chain_untrusted_root: {
    family: 'invalid',
    meaning: 'the PCK chain ends in a root that is not accepted',
  },
  pck_chain_signature: {
    family: 'invalid',
    meaning: 'a certificate of the PCK chain is not signed by its issuer',
  },
  pck_chain_names: {
    family: 'invalid',
    meaning: 'issuer and subject names of the PCK chain do not link up',
  },
  pck_chain_not_ca: {
    family: 'invalid',
    meaning: 'an issuer in the PCK chain is not a certificate authority',
  },
  pck_chain_key_usage: {
    family: 'invalid',
    meaning: 'a key of the PCK chain is used for what its certificate does not allow',
  },
  pck_chain_path_length: {
    family: 'invalid',
    meaning: 'the PCK chain is longer than one of its authorities allows',
  },
  pck_chain_expired: {
    family: 'invalid',
    meaning: 'a certificate of the PCK chain has expired at the time of the appraisal',
  },
  pck_chain_not_yet_valid: {
    family: 'invalid',
    meaning: 'a certificate of the PCK chain is not yet valid at the time of the appraisal',
  },
  pck_chain_unknown_critical_extension: {
    family: 'invalid',
    meaning:
      'the PCK chain has a critical extension that is not understood; simulated chains carry one on purpose',
  },
  pck_extension_malformed: {
    family: 'malformed',
    meaning: 'the SGX extension of the PCK certificate cannot be read',
  },
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
    meaning: 'a certificate chain of the collateral cannot be read',
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
    meaning: 'the authority that certifies the platform is revoked',
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
  platform_not_pinned: {
    family: 'note',
    meaning: 'the policy names no processors: any platform that Intel certifies will do',
  },
  platform_not_accepted: {
    family: 'policy',
    meaning: 'the platform is not one of those that the policy names',
  },
  td_debug: {
    family: 'policy',
    meaning: 'the TD runs in debug mode: the host can read and change its memory',
  },
  td_sept_ve_enabled: {
    family: 'policy',
    meaning: 'SEPT_VE_DISABLE is off: the host can inject faults by taking pages away',
  },
  td_attributes_reserved: {
    family: 'policy',
    meaning: 'the TD has attributes that this version does not know to be safe',
  },
  td_service_td: {
    family: 'policy',
    meaning: 'a service TD is bound to the TD and can act on it from outside',
  },
  seam_not_production: {
    family: 'policy',
    meaning: 'the TDX module is not one that Intel signed, or it runs with attributes set',
  },
  td_attributes_missing: {
    family: 'policy',
    meaning: 'the TD lacks an attribute that the policy requires',
  },
  td_xfam_not_accepted: {
    family: 'policy',
    meaning:
      'the TD runs with extended features that the policy does not accept, or without required ones',
  },
  mr_seam_not_accepted: {
    family: 'policy',
    meaning: 'the TDX module is not one of those that the policy names',
  },
  mr_owner_not_accepted: {
    family: 'policy',
    meaning: 'mr_owner or mr_owner_config hold what the policy does not accept',
  },
  mr_config_id_not_accepted: {
    family: 'policy',
    meaning: 'mr_config_id has a value, or a kind of value, that the policy does not accept',
  },
  measurements_not_pinned: {
    family: 'note',
    meaning: 'the policy names no single measurements',
  },
  measurement_not_accepted: {
    family: 'policy',
    meaning: 'MRTD or an RTMR is not one of those that the policy names',
  },
  image_references_not_given: {
    family: 'absent',
    meaning:
      'the policy names no operating system images, so whatever booted may have written the log',
  },
  image_not_accepted: {
    family: 'policy',
    meaning:
      'the TD booted another operating system image, or in another shape, than the policy names',
  },
} as const satisfies CodeTable
