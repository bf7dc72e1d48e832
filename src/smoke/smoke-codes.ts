/**
 * What `countersign smoke` can find of a live node, what each means for its users, and what the provider does next.
 *
 * @module
 */

/** `skip` was not tried, because something before it failed: never taken for `pass`. */
export type SmokeStatus = 'pass' | 'warn' | 'fail' | 'skip'

/** Codes are stable; `docs/errors.md` is generated from this table. */
export const SMOKE_CODES = Object.freeze({
  not_tried: {
    status: 'skip',
    meaning: 'Something that this probe needs failed before it.',
    action: 'Mend the row that failed, then run it again.',
  },
  node_unreachable: {
    status: 'fail',
    meaning: 'No connection, or it broke before the end.',
    action:
      'See that the service runs (GET /health/ready), and that host, port and http or https of the URL are right.',
  },
  token_missing: {
    status: 'fail',
    meaning: 'The service wants a bearer token and none was given.',
    action: 'Put one into SMOKE_TOKEN, or name its variable with --token-env.',
  },
  token_refused: {
    status: 'fail',
    meaning: 'The service does not take the token.',
    action: 'Compare it with COUNTERSIGN_TOKENS of the service: the part after the name.',
  },
  node_slow: {
    status: 'fail',
    meaning: 'No whole answer in time.',
    action: 'Look at load and log of the model server, and run it again when nobody else uses it.',
  },
  answer_too_long: {
    status: 'fail',
    meaning: 'The answer is longer than a probe reads.',
    action:
      'See what answers at this URL (curl -v): no probe asks for so much. Ask the sidecar itself.',
  },
  status_unexpected: {
    status: 'fail',
    meaning: 'Another HTTP status than the probe asks for.',
    action:
      'Send the same with curl: the error in the body has a code of docs/errors.md. Ask the sidecar itself where something stands before it; `countersign doctor` looks at the machine.',
  },
  answer_malformed: {
    status: 'fail',
    meaning: 'The answer is not of the shape that OpenAI documents.',
    action:
      'Ask the model server for the same. If its answer is so too, update it or mend its chat template; if not, something before the sidecar rewrites answers.',
  },
  models_missing: {
    status: 'fail',
    meaning: 'The list of models lacks the model that is tried.',
    action:
      'Name one with --model that is listed, or correct addresses and models of the upstreams; vLLM lists what --served-model-name says.',
  },
  models_not_snake_case: {
    status: 'fail',
    meaning: "A member of the list of models is not in snake case, which 0G's acceptance refuses.",
    action:
      'Take the member named out of the list: the model server adds it, or something before the sidecar does.',
  },
  content_empty: {
    status: 'fail',
    meaning: 'The answer has no text where one was asked for.',
    action:
      'See whether all of it is reasoning: then the reasoning parser is not that of this model, or reasoning has to be off by default. Otherwise mend the chat template.',
  },
  finish_length: {
    status: 'warn',
    meaning: 'A trivial prompt used up its tokens: hidden reasoning starves the budget.',
    action:
      'Turn reasoning off by default in the chat template, or tell users how many tokens it takes.',
  },
  usage_missing: {
    status: 'fail',
    meaning: 'No usage: the broker would bill by counting words.',
    action:
      'Update the model server: it was asked for usage and stated none. If its own answers do, something before the sidecar drops it.',
  },
  usage_inconsistent: {
    status: 'fail',
    meaning: 'The numbers of usage do not add up.',
    action:
      'Update the model server: its numbers are passed on and billed by as they are. If they are right there, something before the sidecar changes them.',
  },
  stream_malformed: {
    status: 'fail',
    meaning: 'The stream is not of the shape of server-sent events.',
    action:
      'Turn off buffering, compression and rewriting in what stands before the sidecar. If the sidecar itself answers so, update the model server.',
  },
  stream_unfinished: {
    status: 'fail',
    meaning: 'The stream ends without a finish reason or without [DONE].',
    action:
      'Fetch the receipt of such an answer (X-Receipt-Id): its outcome says whether the model server, the sidecar or somebody before it ended the stream.',
  },
  stream_without_role: {
    status: 'fail',
    meaning: 'The first delta does not say the role.',
    action:
      'Update the model server; if its own stream says the role, something before the sidecar drops the first event.',
  },
  reasoning_leaks: {
    status: 'fail',
    meaning: 'A <think> tag stands in the text: the model server lacks its reasoning parser.',
    action:
      "Start vLLM with the --reasoning-parser of this model, and with the model's own chat template.",
  },
  reasoning_stays: {
    status: 'fail',
    meaning: 'None of the four switches turns the reasoning off.',
    action:
      'Take a chat template that reads enable_thinking, or state for the acceptance that this model always reasons.',
  },
  reasoning_starves: {
    status: 'warn',
    meaning: 'Reasoning took over nine tenths of the tokens of a usual answer.',
    action:
      'Turn reasoning off by default in the chat template, or tell users how many tokens it takes.',
  },
  tools_unparsed: {
    status: 'fail',
    meaning: 'A tool call stands in the text: the model server lacks its tool-call parser.',
    action: 'Start vLLM with --enable-auto-tool-choice and the --tool-call-parser of this model.',
  },
  tools_not_called: {
    status: 'fail',
    meaning: 'No tool was called, not even where one was required.',
    action:
      'Start vLLM with --enable-auto-tool-choice and the --tool-call-parser of this model; if they are set, do not offer tools with this model.',
  },
  tools_when_required: {
    status: 'warn',
    meaning:
      'The tool was called when required and not by the model itself, which 0G accepts with a reason alone.',
    action:
      'State the reason for the acceptance, or look at the part on tools in the chat template.',
  },
  tool_arguments_invalid: {
    status: 'fail',
    meaning: 'The arguments of a tool call are no JSON of the declared shape.',
    action:
      'See that --tool-call-parser of vLLM is the one made for this model; if it is, do not offer tools with it.',
  },
  error_shape: {
    status: 'fail',
    meaning: 'An error is not of the shape {"error":{"message","type","code"}}.',
    action:
      'Have what stands before the sidecar pass errors on as they are; where the sidecar itself answers so, the error is of the model server: update that.',
  },
  id_missing: {
    status: 'fail',
    meaning: 'The answer names no id (ZG-Res-Key) that a signature could be asked for by.',
    action:
      'Have what stands before the sidecar pass the header ZG-Res-Key on, or ask the sidecar itself.',
  },
  signature_unavailable: {
    status: 'fail',
    meaning: 'No signature is given for an answer that just ended.',
    action:
      'See that `doors` names legacy-signature, and that the process which answered is the one that was asked: several behind one name do not know of one another.',
  },
  signature_fields: {
    status: 'fail',
    meaning: 'The signature lacks a member, or has one that a broker would strip.',
    action:
      'Ask the sidecar itself. If it is so there too, this is no service of this version: see what runs.',
  },
  signature_other_bytes: {
    status: 'fail',
    meaning: 'The signed text is over other bytes than were sent and received.',
    action:
      'Ask the sidecar itself: behind a broker that writes bodies anew it is so. Without one, find what changes them on the way.',
  },
  signature_wrong: {
    status: 'fail',
    meaning: 'The signature is not by the key that it names.',
    action:
      'Do not register this address. Ask the sidecar itself; if it is so there too, report it (SECURITY.md).',
  },
  signer_not_attested: {
    status: 'fail',
    meaning: 'The signer is none of the attested keyset.',
    action:
      'See that one process stands behind the URL, and run it again if it was restarted meanwhile. Register only an address that was attested.',
  },
  signature_of_nothing: {
    status: 'fail',
    meaning: 'An id that nobody was given has a signature.',
    action: 'Find out what answers at this URL: the sidecar signs nothing that it did not answer.',
  },
  attestation_rejected: {
    status: 'fail',
    meaning: 'The policy does not accept the evidence of the service.',
    action:
      'Run `countersign verify` with the same policy: it lists each check, its code stands in docs/errors.md. For want of collateral: --fetch-collateral. In a rehearsal: --allow-simulated and --roots.',
  },
  receipt_rejected: {
    status: 'fail',
    meaning: 'The receipt does not show that this request got this answer.',
    action:
      'Look up what was seen in docs/errors.md, and ask the sidecar itself. If it is so there too, do not offer this node.',
  },
} satisfies Readonly<
  Record<
    string,
    {
      readonly status: Exclude<SmokeStatus, 'pass'>
      readonly meaning: string
      readonly action: string
    }
  >
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
  /** What to do next; empty where there is nothing to do. */
  readonly action: string
}

export function passed(probe: string, seen: string): SmokeRow {
  return { probe, status: 'pass', code: 'ok', seen, action: '' }
}

export function found(probe: string, code: SmokeCode, seen: string): SmokeRow {
  const { status, action } = SMOKE_CODES[code]
  return { probe, status, code, seen, action }
}
