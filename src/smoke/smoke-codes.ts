/**
 * What `countersign smoke` can find of a live node, and what each means for its users.
 *
 * @module
 */

/** `skip` was not tried, because something before it failed: never taken for `pass`. */
export type SmokeStatus = 'pass' | 'warn' | 'fail' | 'skip'

/** Codes are stable; `docs/errors.md` is generated from this table. */
export const SMOKE_CODES = Object.freeze({
  not_tried: { status: 'skip', meaning: 'Something that this probe needs failed before it.' },
  node_unreachable: {
    status: 'fail',
    meaning:
      'No connection, or it broke before the end. See that the service runs, and that URL, port and http or https are right.',
  },
  token_missing: {
    status: 'fail',
    meaning:
      'The service wants a bearer token and none was given. Put one into SMOKE_TOKEN, or name its variable with --token-env.',
  },
  token_refused: {
    status: 'fail',
    meaning:
      'The service does not take the token. Compare it with COUNTERSIGN_TOKENS of the service: the part after the name.',
  },
  node_slow: {
    status: 'fail',
    meaning: 'No whole answer in time. Look at load and log of the model server.',
  },
  answer_too_long: { status: 'fail', meaning: 'The answer is longer than a probe reads.' },
  status_unexpected: {
    status: 'fail',
    meaning:
      'Another HTTP status than the probe asks for. The log of the service names the cause, `countersign doctor` what to do.',
  },
  answer_malformed: {
    status: 'fail',
    meaning: 'The answer is not of the shape that OpenAI documents.',
  },
  models_missing: {
    status: 'fail',
    meaning:
      'The list of models lacks the model that is tried. Name one with --model, or look at the upstreams of the service.',
  },
  models_not_snake_case: {
    status: 'fail',
    meaning: "A member of the list of models is not in snake case, which 0G's acceptance refuses.",
  },
  content_empty: { status: 'fail', meaning: 'The answer has no text where one was asked for.' },
  finish_length: {
    status: 'warn',
    meaning: 'A trivial prompt used up its tokens: hidden reasoning starves the budget.',
  },
  usage_missing: { status: 'fail', meaning: 'No usage: the broker would bill by counting words.' },
  usage_inconsistent: { status: 'fail', meaning: 'The numbers of usage do not add up.' },
  stream_malformed: {
    status: 'fail',
    meaning: 'The stream is not of the shape of server-sent events.',
  },
  stream_unfinished: {
    status: 'fail',
    meaning: 'The stream ends without a finish reason or without [DONE].',
  },
  stream_without_role: { status: 'fail', meaning: 'The first delta does not say the role.' },
  reasoning_leaks: {
    status: 'fail',
    meaning: 'A <think> tag stands in the text: the model server lacks its reasoning parser.',
  },
  reasoning_stays: {
    status: 'fail',
    meaning: 'None of the four switches turns the reasoning off.',
  },
  reasoning_starves: {
    status: 'warn',
    meaning: 'Reasoning took over nine tenths of the tokens of a usual answer.',
  },
  tools_unparsed: {
    status: 'fail',
    meaning: 'A tool call stands in the text: the model server lacks its tool-call parser.',
  },
  tools_not_called: {
    status: 'fail',
    meaning: 'No tool was called, not even where one was required.',
  },
  tools_when_required: {
    status: 'warn',
    meaning:
      'The tool was called when required and not by the model itself, which 0G accepts with a reason alone.',
  },
  tool_arguments_invalid: {
    status: 'fail',
    meaning: 'The arguments of a tool call are no JSON of the declared shape.',
  },
  error_shape: {
    status: 'fail',
    meaning: 'An error is not of the shape {"error":{"message","type","code"}}.',
  },
  id_missing: {
    status: 'fail',
    meaning: 'The answer names no id (ZG-Res-Key) that a signature could be asked for by.',
  },
  signature_unavailable: {
    status: 'fail',
    meaning: 'No signature is given for an answer that just ended.',
  },
  signature_fields: {
    status: 'fail',
    meaning: 'The signature lacks a member, or has one that a broker would strip.',
  },
  signature_other_bytes: {
    status: 'fail',
    meaning:
      'The signed text is over other bytes than were sent and received. Behind a broker that is so: ask the sidecar itself.',
  },
  signature_wrong: { status: 'fail', meaning: 'The signature is not by the key that it names.' },
  signer_not_attested: { status: 'fail', meaning: 'The signer is none of the attested keyset.' },
  signature_of_nothing: { status: 'fail', meaning: 'An id that nobody was given has a signature.' },
  attestation_rejected: {
    status: 'fail',
    meaning:
      'The policy does not accept the evidence of the service. `countersign verify` lists each check.',
  },
  receipt_rejected: {
    status: 'fail',
    meaning: 'The receipt does not show that this request got this answer.',
  },
} satisfies Readonly<
  Record<string, { readonly status: Exclude<SmokeStatus, 'pass'>; readonly meaning: string }>
>)

export type SmokeCode = keyof typeof SMOKE_CODES

export interface SmokeRow {
  /** What was tried, e.g. `stream.usage`. */
  readonly probe: string
  readonly status: SmokeStatus
  /** `ok`, or one of `docs/errors.md`. */
  readonly code: string
  /** What was seen: statuses, names and numbers; of answers never the text. */
  readonly seen: string
}

export function passed(probe: string, seen: string): SmokeRow {
  return { probe, status: 'pass', code: 'ok', seen }
}

export function found(probe: string, code: SmokeCode, seen: string): SmokeRow {
  return { probe, status: SMOKE_CODES[code].status, code, seen }
}
