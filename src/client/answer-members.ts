/**
 * The names of the members of answers, by kind of object, and what stands in each of them.
 *
 * @module
 */
import type { ContentKind } from '../../attestation/protocol/content.ts'

/**
 * said: a text or value of the model's, which the content digest speaks for. other: not looked into, because anybody may change it
 * anyhow (`usage`, `logprobs`, what repeats the request), or because it is none. Otherwise an object, or a list of such objects.
 */
export type Member = 'said' | 'other' | Members

/** The objects of one sort. */
export interface Members {
  readonly named: ReadonlyMap<string, Member>
  /** {@link foldName} of each name. */
  readonly folded: ReadonlySet<string>
}

/**
 * Names that one reader or another takes for the same fold to the same. Go's `encoding/json` matches names by Unicode's simple case
 * folding, under which `ſ` is an `s` and the Kelvin sign a `k`; lower case alone would leave the `ſ`, upper case alone the Kelvin sign, so
 * it is both, one after the other. Its version 2 (Go 1.26) may pass over dashes and underscores, too.
 */
export function foldName(name: string): string {
  return name.replace(/[-_]/g, '').toUpperCase().toLowerCase()
}

function members(others: string, parts: Readonly<Record<string, Member>> = {}): Members {
  const named = new Map<string, Member>(others.split(' ').map((name) => [name, 'other']))
  for (const [name, member] of Object.entries(parts)) named.set(name, member)
  return { named, folded: new Set([...named.keys()].map(foldName)) }
}

const ERROR = members('code message param type')

const CALLED = members('name', { arguments: 'said' })
const MESSAGE = members('role audio annotations name tool_call_id', {
  content: 'said',
  reasoning: 'said',
  reasoning_content: 'said',
  refusal: 'said',
  function_call: CALLED,
  tool_calls: members('id index type', { function: CALLED }),
})
const COMPLETION = 'id object created model usage system_fingerprint service_tier'
const CHAT = members(COMPLETION, {
  error: ERROR,
  choices: members('index finish_reason stop_reason logprobs', {
    delta: MESSAGE,
    message: MESSAGE,
  }),
})

const TEXT = members(COMPLETION, {
  error: ERROR,
  choices: members('index finish_reason stop_reason logprobs', { text: 'said' }),
})

const BLOCK = members('id name type citations', {
  data: 'said',
  input: 'said',
  signature: 'said',
  text: 'said',
  thinking: 'said',
})
const ANSWERED = {
  content: BLOCK,
  stop_sequence: 'said',
} as const
const MESSAGE_NAMES = 'id type role model stop_reason usage'
/** Events and buffered messages alike. */
const MESSAGES = members(`${MESSAGE_NAMES} index`, {
  ...ANSWERED,
  error: ERROR,
  message: members(MESSAGE_NAMES, ANSWERED),
  content_block: BLOCK,
  delta: members('type citation stop_reason', {
    partial_json: 'said',
    signature: 'said',
    stop_sequence: 'said',
    text: 'said',
    thinking: 'said',
  }),
})

const PART = members('type annotations logprobs', { refusal: 'said', text: 'said' })
const ITEM = members('id type role status name call_id', {
  arguments: 'said',
  content: PART,
  summary: PART,
})
const RESPONSE_NAMES = [
  'id object created_at completed_at model usage status output_text instructions metadata parallel_tool_calls',
  'temperature tool_choice tools top_p top_k background max_output_tokens max_tool_calls previous_response_id',
  'prompt prompt_cache_key prompt_cache_retention conversation reasoning store safety_identifier service_tier',
  'text top_logprobs truncation user presence_penalty frequency_penalty',
].join(' ')
const RESPONDED = {
  error: ERROR,
  incomplete_details: members('reason'),
  output: ITEM,
} as const
const EVENT_NAMES =
  'type sequence_number output_index item_id content_index summary_index name logprobs obfuscation'
const RESPONSE_EVENT = members(EVENT_NAMES, {
  arguments: 'said',
  delta: 'said',
  error: ERROR,
  item: ITEM,
  part: PART,
  refusal: 'said',
  response: members(RESPONSE_NAMES, RESPONDED),
  text: 'said',
})
const RESPONSE = members(`${RESPONSE_NAMES} type`, RESPONDED)

const EMBEDDINGS = members(COMPLETION, { data: members('index object embedding') })

/** @param streamed an event, not a buffered answer */
export function membersOf(kind: ContentKind, streamed: boolean): Members {
  switch (kind) {
    case 'chat/v1':
      return CHAT
    case 'text/v1':
      return TEXT
    case 'messages/v1':
      return MESSAGES
    case 'responses/v1':
      return streamed ? RESPONSE_EVENT : RESPONSE
    case 'embeddings/v1':
      return EMBEDDINGS
  }
}
