import type { CodeTable } from '../codes.ts'

export const GPU_CODES = {
  gpu_list_malformed: {
    family: 'malformed',
    meaning: 'the GPU evidence is not a list, or the list is longer than any machine has GPUs',
  },
  gpu_evidence_malformed: {
    family: 'malformed',
    meaning: 'a list element is not exactly arch, certificate and evidence within their bounds',
  },
  gpu_report_malformed: {
    family: 'malformed',
    meaning: 'the attestation report breaks the SPDM 1.1 layout that NVIDIA devices produce',
  },
  gpu_chain_malformed: {
    family: 'malformed',
    meaning: 'the device certificate chain cannot be read as PEM certificates in strict DER',
  },
  gpu_report_unsupported: {
    family: 'unsupported',
    meaning:
      'the opaque data of the report has a format that this version does not judge, such as NVDAOD',
  },
  gpu_arch_unsupported: {
    family: 'unsupported',
    meaning: 'the device architecture is not one that this version judges',
  },
  gpu_count_mismatch: {
    family: 'policy',
    meaning: 'the number of GPUs differs from the number that was expected',
  },
  switch_count_mismatch: {
    family: 'policy',
    meaning: 'the number of NVSwitches differs from the number that was expected',
  },
  gpu_duplicate: {
    family: 'invalid',
    meaning: 'two list elements come from one device, so fewer devices are present than listed',
  },
  gpu_nonce_mismatch: {
    family: 'invalid',
    meaning: 'the report answers another nonce than the expected one: it is replayed or relayed',
  },
  gpu_chain_length: {
    family: 'invalid',
    meaning:
      'a device chain holds another number of certificates than the five of an NVIDIA device',
  },
  gpu_chain_algorithm: {
    family: 'invalid',
    meaning: 'a certificate of the device chain is not ECDSA P-384 with SHA-384',
  },
  gpu_chain_untrusted_root: {
    family: 'invalid',
    meaning: 'the device chain does not end in an accepted NVIDIA Device Identity root',
  },
  gpu_chain_time: {
    family: 'invalid',
    meaning: 'a certificate of the device chain is not valid at the time of the appraisal',
  },
  gpu_chain_invalid: {
    family: 'invalid',
    meaning: 'the device chain breaks a rule of path validation; the detail names which',
  },
  gpu_simulated: {
    family: 'policy',
    meaning: 'the device chain ends in a simulated root, which is accepted only on request',
  },
  gpu_arch_mismatch: {
    family: 'invalid',
    meaning: 'the certified model or the report shape belongs to another architecture than claimed',
  },
  gpu_device_key_mismatch: {
    family: 'invalid',
    meaning: 'the attestation key names another device key than the certified device identity',
  },
  gpu_fwid_missing: {
    family: 'policy',
    meaning: 'the report states no firmware identity, as drivers before 550 do',
  },
  gpu_fwid_mismatch: {
    family: 'invalid',
    meaning:
      'the firmware identity of the report differs from the one in the attestation certificate',
  },
  gpu_signature_invalid: {
    family: 'invalid',
    meaning: 'the report signature does not verify under the key of the attestation certificate',
  },
  gpu_mixed: {
    family: 'invalid',
    meaning: 'the GPUs report different drivers, VBIOSes or modes, which one machine cannot have',
  },
  gpu_topology_unproven: {
    family: 'absent',
    meaning: 'GPUs or NVSwitches are listed without the others that they are linked to',
  },
  gpu_switches_missing: {
    family: 'invalid',
    meaning: 'several GPUs are in protected PCIe mode and no NVSwitch between them gave evidence',
  },
  gpu_topology_mismatch: {
    family: 'invalid',
    meaning: 'GPUs and NVSwitches of the list are not those that they are linked to',
  },
  gpu_serials_invalid: {
    family: 'invalid',
    meaning: 'numbers and identifiers of the chain are not those that its keys and its chip give',
  },
  gpu_rim_unnamed: {
    family: 'invalid',
    meaning: 'the report does not say enough to find the reference values for it',
  },
  gpu_model_not_accepted: {
    family: 'policy',
    meaning: 'the policy does not accept this hardware model',
  },
  gpu_device_not_accepted: {
    family: 'policy',
    meaning: 'the device is none of those that the policy names',
  },
  gpu_driver_not_accepted: {
    family: 'policy',
    meaning: 'the driver version is none of those that the policy accepts',
  },
  gpu_driver_too_old: {
    family: 'policy',
    meaning: 'the driver version is below the lowest that the policy accepts',
  },
  gpu_vbios_not_accepted: {
    family: 'policy',
    meaning: 'the VBIOS version is none of those that the policy accepts',
  },
  gpu_vbios_too_old: {
    family: 'policy',
    meaning: 'the VBIOS version is below the lowest that the policy accepts',
  },
  gpu_mode_invalid: {
    family: 'invalid',
    meaning: 'the mode that the report states is unknown or contradicts itself',
  },
  gpu_mode_not_accepted: {
    family: 'policy',
    meaning: 'the policy does not accept the mode of the GPU',
  },
} as const satisfies CodeTable
