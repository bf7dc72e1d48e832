import type { CodeTable } from '../codes.ts'

export const EVENT_LOG_CODES = {
  event_log_malformed: {
    family: 'malformed',
    meaning: 'the event log is not a JSON array of events, or is too long',
  },
  event_log_unsupported: {
    family: 'unsupported',
    meaning: 'an event with a digest version or a member that this version does not know',
  },
  event_type_unexpected: {
    family: 'invalid',
    meaning: 'an RTMR3 event is not a runtime event, so its digest says nothing about its payload',
  },
  event_digest_mismatch: {
    family: 'invalid',
    meaning: 'the digest of an RTMR3 event is not the digest of its name and payload',
  },
  event_preimage_mismatch: {
    family: 'invalid',
    meaning: 'the preimage that came with an RTMR3 event is not made of its name and payload',
  },
  rtmr_mismatch: {
    family: 'invalid',
    meaning: 'replaying the events does not give the register of the quote',
  },
  event_name_ambiguous: {
    family: 'invalid',
    meaning: 'a system event has a name with a colon, which its digest does not tell from payload',
  },
  system_event_duplicate: {
    family: 'invalid',
    meaning: 'a system event that must be unique occurs twice before system-ready',
  },
  system_event_missing: {
    family: 'invalid',
    meaning: 'app-id or compose-hash does not occur before system-ready',
  },
  system_event_malformed: {
    family: 'invalid',
    meaning: 'the payload of a system event does not have the form of its kind',
  },
  system_ready_missing: {
    family: 'unsupported',
    meaning:
      'no system-ready event separates system data from data of the app (guest older than 0.4, or a quote made during boot)',
  },
  compose_hash_mismatch: {
    family: 'invalid',
    meaning: 'the compose text is not the one that was measured',
  },
  compose_too_long: {
    family: 'malformed',
    meaning: 'the compose text is longer than a guest accepts',
  },
  compose_not_unicode: {
    family: 'malformed',
    meaning: 'the compose text holds half a surrogate pair, which has no bytes to hash',
  },
  mr_config_id_mismatch: {
    family: 'invalid',
    meaning:
      'mr_config_id does not recompute from what the guest measured: it was started for something else',
  },
  mr_config_id_unsupported: {
    family: 'unsupported',
    meaning: 'mr_config_id has a form that this version cannot recompute',
  },
  app_not_pinned: {
    family: 'note',
    meaning: 'no app id was given, so any app is accepted',
  },
  app_not_accepted: {
    family: 'policy',
    meaning: 'the measured app id is not one of those that the policy names',
  },
  key_provider_not_pinned: {
    family: 'note',
    meaning: 'no key provider was given, so whoever the guest took its keys from is accepted',
  },
  key_provider_not_accepted: {
    family: 'policy',
    meaning:
      'the guest took its keys from a provider that the policy does not name, or does not say from whom',
  },
  vm_config_malformed: {
    family: 'malformed',
    meaning:
      'the description of the virtual machine is not a JSON object with an image hash of 32 bytes',
  },
  os_image_unmeasured: {
    family: 'note',
    meaning:
      'the image hash is only what host or guest say: no reference values were given to hold it against',
  },
  os_image_mismatch: {
    family: 'invalid',
    meaning:
      'the image hash of the virtual machine’s description is not that of the image that was measured',
  },
} as const satisfies CodeTable
