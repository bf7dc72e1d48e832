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
    meaning: 'the PCK certificates in the quote cannot be read, or are more than a chain has',
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
