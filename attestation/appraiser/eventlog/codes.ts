import type { CodeTable } from '../codes.ts'

export const EVENT_LOG_CODES = {
  event_log_malformed: {
    family: 'malformed',
    meaning: 'the event log is not a JSON array of events, or is too long',
  },
  event_log_unsupported: {
    family: 'unsupported',
    meaning: 'an event of a digest version that this version cannot recompute',
  },
  event_type_unexpected: {
    family: 'invalid',
    meaning: 'an RTMR3 event is not a runtime event, so its digest says nothing about its payload',
  },
  event_digest_mismatch: {
    family: 'invalid',
    meaning: 'the digest of an RTMR3 event is not the digest of its name and payload',
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
  mr_config_id_mismatch: {
    family: 'invalid',
    meaning: 'mr_config_id names another compose text than the one that was measured',
  },
  mr_config_id_unsupported: {
    family: 'unsupported',
    meaning: 'mr_config_id has a form that this version cannot recompute',
  },
} as const satisfies CodeTable
