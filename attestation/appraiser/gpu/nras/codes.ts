/**
 * Codes of the checks of an answer of NVIDIA's Remote Attestation Service.
 *
 * @module
 */
import type { CodeTable } from '../../codes.ts'

export const NRAS_CODES = {
  nras_answer_malformed: {
    family: 'malformed',
    meaning:
      'the answer is not one overall token and one token for each device, within their bounds',
  },
  nras_token_malformed: {
    family: 'malformed',
    meaning: 'a token is not three parts of strict base64url that hold strict JSON and 96 bytes',
  },
  nras_algorithm_refused: {
    family: 'invalid',
    meaning: 'a token names another algorithm than ES384, such as none or one with a shared secret',
  },
  nras_header_refused: {
    family: 'invalid',
    meaning: 'the header of a token brings a key, a place to fetch one, or an extension',
  },
  nras_jwks_malformed: {
    family: 'malformed',
    meaning: 'the key set is not strict JSON of P-384 keys under different ids, within its bounds',
  },
  nras_key_unknown: {
    family: 'invalid',
    meaning: 'the key that a token names is not in the key set',
  },
  nras_key_mixed: {
    family: 'invalid',
    meaning: 'the tokens of one answer name different keys',
  },
  nras_key_certificate_invalid: {
    family: 'invalid',
    meaning:
      'a certificate of the signing key cannot be read or breaks a rule of path validation; the detail names which',
  },
  nras_key_certificate_mismatch: {
    family: 'invalid',
    meaning: 'the key set gives a signing key with a certificate of another key',
  },
  nras_key_certificate_time: {
    family: 'invalid',
    meaning: 'a certificate of the signing key is not valid at the time of the appraisal',
  },
  nras_key_untrusted: {
    family: 'policy',
    meaning: 'the certificates of the signing key do not end in one that the policy pins',
  },
  nras_simulated: {
    family: 'policy',
    meaning: 'the signing key is that of a simulated service, which is accepted only on request',
  },
  nras_signature_invalid: {
    family: 'invalid',
    meaning: 'the signature of a token does not verify under the key that it names',
  },
  nras_signature_unsupported: {
    family: 'unsupported',
    meaning:
      'this runtime has no Web Crypto, so no token can be verified; browsers have it on secure pages alone',
  },
  nras_digest_mismatch: {
    family: 'invalid',
    meaning: 'a device token is not the one whose digest the overall token signs',
  },
  nras_device_set_mismatch: {
    family: 'invalid',
    meaning:
      'the devices of the answer are not exactly those that the overall token signs: one is missing or too many',
  },
  nras_count_mismatch: {
    family: 'policy',
    meaning: 'the number of devices differs from the number that was expected',
  },
  nras_duplicate_device: {
    family: 'invalid',
    meaning: 'two tokens speak of one device, so fewer devices are present than listed',
  },
  nras_time_malformed: {
    family: 'invalid',
    meaning: 'a token lacks nbf, iat or exp, or they are not whole seconds in order',
  },
  nras_expired: { family: 'invalid', meaning: 'a token has expired' },
  nras_not_yet_valid: {
    family: 'invalid',
    meaning: 'a token is not valid yet, or was issued in the future',
  },
  nras_lifetime_refused: {
    family: 'policy',
    meaning: 'a token is valid for longer than the policy accepts',
  },
  nras_issuer_mismatch: {
    family: 'policy',
    meaning: 'a token comes from another issuer than the policy names, such as a staging service',
  },
  nras_nonce_mismatch: {
    family: 'invalid',
    meaning: 'a token answers another nonce than the expected one: it is replayed or relayed',
  },
  nras_claims_unsupported: {
    family: 'unsupported',
    meaning: 'the claims are of a version that this version does not judge, such as 4.0',
  },
  nras_claims_version_refused: {
    family: 'policy',
    meaning: 'the claims are of a version that the policy does not accept',
  },
  nras_claim_refused: {
    family: 'invalid',
    meaning:
      'a claim that has to hold does not, is missing or has another type; the detail names it',
  },
  nras_service_error: {
    family: 'invalid',
    meaning: 'the service answered with an error in place of claims; the detail names it',
  },
  nras_measurements_mismatch: {
    family: 'invalid',
    meaning: 'the service found measurements that differ from the golden ones',
  },
  nras_debug_enabled: {
    family: 'invalid',
    meaning: 'the service does not say that debugging of the device is disabled',
  },
  nras_secure_boot_off: {
    family: 'invalid',
    meaning: 'the service does not say that the device booted securely',
  },
  nras_certificate_refused: {
    family: 'invalid',
    meaning:
      'the service found a certificate of device or RIM that is not both valid and good; the detail names which',
  },
  nras_warning: { family: 'invalid', meaning: 'the service adds a warning to its claims' },
  nras_model_refused: {
    family: 'policy',
    meaning: 'the hardware model is not one that the policy accepts',
  },
  nras_version_refused: {
    family: 'policy',
    meaning: 'driver or VBIOS is not of a version that the policy accepts',
  },
  nras_mode_refused: {
    family: 'policy',
    meaning: 'the device is in protected PCIe mode, or is not, against the policy',
  },
  nras_result_false: {
    family: 'invalid',
    meaning: 'the overall result of the service is not true',
  },
  nras_policy_unjudged: {
    family: 'policy',
    meaning:
      'the policy restricts what an answer of the service does not say; that takes the evidence itself',
  },
  nras_device_mismatch: {
    family: 'invalid',
    meaning: 'the token speaks of another device, driver or VBIOS than the evidence at hand',
  },
} as const satisfies CodeTable
