import type { CodeTable } from '../codes.ts'

export const RECEIPT_CODES = {
  receipt_malformed: {
    family: 'malformed',
    meaning:
      'the receipt is neither canonical JSON nor deterministic CBOR with exactly the members of its form',
  },
  receipt_other_keyset: {
    family: 'invalid',
    meaning: 'the receipt names another keyset or key than the one that was verified',
  },
  receipt_keyset_not_archived: {
    family: 'absent',
    meaning:
      'the receipt names a keyset that is not in force, and the service, which was asked, keeps no document of it: it has lost its store, or is another service, or the receipt is nobody’s. Nothing was shown for any of these; a document or evidence file that was saved while that keyset was in force judges the receipt',
  },
  receipt_keyset_unreachable: {
    family: 'absent',
    meaning:
      'the receipt names a keyset that is not in force, and the document that the service may keep of it could not be fetched; try again',
  },
  receipt_keyset_not_asked: {
    family: 'absent',
    meaning:
      'the receipt names another keyset than that of the document, and nobody was asked for its own: it is at /v1/attestation/keysets/ and the digest that the receipt names',
  },
  receipt_keyset_expired: {
    family: 'invalid',
    meaning: 'the receipt was made after its keyset had ended',
  },
  receipt_from_future: {
    family: 'policy',
    meaning: 'the receipt states a later time than the time of the appraisal',
  },
  receipt_signature_invalid: {
    family: 'invalid',
    meaning: 'the receipt key did not sign this receipt',
  },
  record_hash_mismatch: {
    family: 'invalid',
    meaning: 'the members of the record do not have the record hash',
  },
  receipt_other_boot: {
    family: 'invalid',
    meaning: 'the record names another boot than the one that was verified',
  },
  receipt_other_config: {
    family: 'invalid',
    meaning: 'the record names another configuration than the one that was verified',
  },
  receipt_id_mismatch: {
    family: 'invalid',
    meaning: 'the receipt has another id than the one that the answer named',
  },
  receipt_is_view: {
    family: 'note',
    meaning:
      'the receipt is a view, which shows no body hashes: compare what was said (--level content, with --opening where the opening is not beside the receipt)',
  },
  endpoint_mismatch: {
    family: 'invalid',
    meaning: 'the receipt is for another endpoint',
  },
  challenge_mismatch: {
    family: 'invalid',
    meaning: 'the record does not repeat the challenge of this request: it is for another request',
  },
  outcome_inconsistent: {
    family: 'invalid',
    meaning: 'the outcome contradicts the status, the finish reasons or the events',
  },
  outcome_not_complete: {
    family: 'invalid',
    meaning: 'the answer did not have the outcome that was asked for, so a part may be missing',
  },
  opening_mismatch: {
    family: 'invalid',
    meaning: 'the opening does not open the commitment: it belongs to another receipt',
  },
  request_hash_mismatch: {
    family: 'invalid',
    meaning: 'the enclave received other request bytes than were sent',
  },
  response_hash_mismatch: {
    family: 'invalid',
    meaning: 'the enclave sent other response bytes than were received',
  },
  content_digest_mismatch: {
    family: 'invalid',
    meaning: 'the answer says something else than the enclave sent',
  },
  content_not_covered: {
    family: 'absent',
    meaning: 'the record has no digest of content, so only bytes can be compared',
  },
  content_uncovered: {
    family: 'absent',
    meaning: 'the answer has a member inside a choice that the digest does not speak for',
  },
  content_member_added: {
    family: 'invalid',
    meaning: 'the answer has a member that it did not have when the enclave sent it',
  },
  status_mismatch: {
    family: 'invalid',
    meaning: 'the answer came with another HTTP status than the enclave gave it',
  },
  model_mismatch: {
    family: 'invalid',
    meaning: 'the answer names another model than the one that answered the enclave',
  },
  request_member_added: {
    family: 'invalid',
    meaning: 'the enclave received a request member that was not sent',
  },
  request_member_removed: {
    family: 'invalid',
    meaning: 'the enclave did not receive a request member that was sent',
  },
  request_member_changed: {
    family: 'invalid',
    meaning: 'the enclave received another value of a request member than was sent',
  },
  receipt_encodings_differ: {
    family: 'invalid',
    meaning: 'the two encodings of one receipt are of different records, or show other bodies',
  },
  level_not_reached: {
    family: 'policy',
    meaning: 'the receipt proves less than was asked for',
  },
  legacy_malformed: {
    family: 'malformed',
    meaning: 'the signed text is not two SHA-256 values, or the signature has the wrong form',
  },
  legacy_signature_invalid: {
    family: 'invalid',
    meaning: 'the text was not signed by the key that the keyset names for it',
  },
  legacy_app_key: {
    family: 'note',
    meaning: 'the address key names the app, not the code that held it',
  },
  receipt_missing: {
    family: 'absent',
    meaning: 'the answer names no receipt',
  },
  receipt_unavailable: {
    family: 'absent',
    meaning: 'the receipt could not be fetched',
  },
  answer_ambiguous: {
    family: 'invalid',
    meaning:
      'the answer was reframed so that readers see another text than the one that was signed',
  },
  answer_form_mismatch: {
    family: 'invalid',
    meaning:
      'the answer is a stream where none was asked for, or none where one was asked for, or its status or type is none that an answer has',
  },
  route_unverified: {
    family: 'policy',
    meaning: 'nobody vouches for the answers of this route and method; the request was not sent',
  },
  answer_too_long: {
    family: 'policy',
    meaning: 'the answer is longer than the client reads',
  },
  stream_cut: {
    family: 'invalid',
    meaning: 'the stream ended without its terminator',
  },
  stream_after_done: {
    family: 'invalid',
    meaning: 'something followed the terminator of the stream, which a reader would never see',
  },
  stream_unreadable: {
    family: 'invalid',
    meaning: 'the stream holds an event that readers take differently',
  },
} as const satisfies CodeTable
