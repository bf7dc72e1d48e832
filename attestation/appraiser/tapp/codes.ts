import type { CodeTable } from '../codes.ts'

export const TAPP_CODES = {
  evidence_platform_not_accepted: {
    family: 'policy',
    meaning:
      'the evidence is of a machine that something else started than the policy names (dstack, or TAPP of 0G)',
  },
  runtime_data_malformed: {
    family: 'malformed',
    meaning:
      'the text that TAPP’s quote is over is not strict JSON of nonce, signer and TLS key in lower-case hex',
  },
  runtime_data_mismatch: {
    family: 'invalid',
    meaning: 'the quote was not made over the runtime data beside it',
  },
  runtime_data_nonce_missing: {
    family: 'invalid',
    meaning: 'the runtime data has no nonce, so nothing ties the quote to the document',
  },
  tapp_signature_missing: {
    family: 'invalid',
    meaning:
      'no signature of the app’s key stands over the statement: TAPP gives anybody a quote over any nonce, so whoever made these keys is not shown',
  },
  tapp_signature_invalid: {
    family: 'invalid',
    meaning:
      'the signature over the statement is not by the key that TAPP’s quote names: somebody else asked for the quote',
  },
  tcg2_log_malformed: {
    family: 'malformed',
    meaning: 'the TCG2 event log is not of its form to the last byte, or over a limit',
  },
  tcg2_log_unsupported: {
    family: 'unsupported',
    meaning:
      'the TCG2 event log has no part of the firmware’s, no SHA-384 bank, an unknown algorithm or an event of MRTD',
  },
  tapp_event_opaque: {
    family: 'invalid',
    meaning:
      'an RTMR3 event is not an entry of the attestation agent, so its digest says nothing about what was done',
  },
  tapp_event_malformed: {
    family: 'invalid',
    meaning: 'an operation that TAPP measured does not have the members of its kind',
  },
  tapp_operation_unknown: {
    family: 'unsupported',
    meaning:
      'TAPP measured an operation that this version does not know: it may have changed what runs',
  },
  tapp_starts_unmeasured: {
    family: 'absent',
    meaning:
      'TAPP does not measure every start that fails, and gives an app’s key to any app of the machine: that nothing else ran there is not shown',
  },
  tapp_app_not_started: {
    family: 'invalid',
    meaning: 'TAPP has not started the app that the document names since the machine booted',
  },
  tapp_app_stopped: {
    family: 'invalid',
    meaning: 'TAPP stopped the app after it started it, so something else answers under its name',
  },
  tapp_app_started_twice: {
    family: 'invalid',
    meaning: 'TAPP started the app while it ran: which of the two answers is not shown',
  },
  tapp_other_app: {
    family: 'policy',
    meaning:
      'something else was started on the machine since it booted (another app, or the app with other software), and the policy does not allow it',
  },
  tapp_other_app_allowed: {
    family: 'note',
    meaning: 'something else was started on the machine since it booted, which the policy allows',
  },
  compose_ambiguous: {
    family: 'unsupported',
    meaning:
      'the compose text has a value that TAPP and Docker’s Compose may read differently, or a form whose hash this version does not compute',
  },
  mount_files_not_pinned: {
    family: 'note',
    meaning: 'files are mounted into the app, and no accepted ones were given',
  },
  mount_files_not_accepted: {
    family: 'policy',
    meaning: 'a file that is mounted into the app is not one of those that the policy names',
  },
  images_not_pinned: {
    family: 'note',
    meaning: 'no image digests were given, so those that the compose text names are accepted',
  },
  images_not_accepted: {
    family: 'policy',
    meaning: 'an image of the app is not one of those that the policy names',
  },
  images_changed: {
    family: 'invalid',
    meaning:
      'TAPP started a service of the app anew with another image than the app was started with',
  },
  tapp_owner_ambiguous: {
    family: 'invalid',
    meaning: 'the machine was claimed by more than one owner since it booted',
  },
  tapp_claim_shown: {
    family: 'note',
    meaning:
      'who owns the machine by TAPP’s own measurement, and whom it asks for keys; not judged',
  },
  tapp_keys_not_compared: {
    family: 'note',
    meaning:
      'the TLS key in the runtime data is of TAPP’s making; no key of the keyset is compared with it',
  },
  address_not_ephemeral: {
    family: 'invalid',
    meaning: 'the configuration names an address that survives, and TAPP keeps no key across boots',
  },
} as const satisfies CodeTable
