/**
 * What a chat answer says, apart from how it was framed: the value behind the content digest.
 *
 * A streamed and a buffered answer, an SDK's parsed object and a body that a broker re-serialised give the same value,
 * so an answer can be checked where its bytes are gone. One accumulator serves all of them: a buffered message is a
 * single delta.
 *
 * @module
 */
import { MAX_UNCOVERED, MAX_UNCOVERED_NAME, createTextRoom, isIndex, orNull } from './content.ts'
import type { ContentSummary } from './content.ts'
import { isJsonObject } from './json.ts'

/** Choices in one answer. */
export const MAX_CHOICES = 128
/** Tool calls in one choice. */
export const MAX_TOOL_CALLS = 128
/** Names remembered before they are sorted and cut. */
const MAX_UNCOVERED_SEEN = 1024

export interface ChatToolCall {
  readonly arguments: string | null
  readonly id: string | null
  readonly name: string | null
  readonly type: string | null
}

export interface ChatChoice {
  readonly content: string | null
  readonly finish_reason: string | null
  readonly index: number
  readonly reasoning: string | null
  readonly refusal: string | null
  readonly role: string
  readonly tool_calls: readonly ChatToolCall[]
}

export interface ChatContent {
  readonly choices: readonly ChatChoice[]
  readonly kind: 'chat/v1'
}

interface ToolCallState {
  id: string | null
  type: string | null
  name: string | null
  arguments: string
}

interface ChoiceState {
  role: string | null
  finishReason: string | null
  content: string
  reasoning: string
  reasoningContent: string
  refusal: string
  toolCalls: Map<number, ToolCallState>
}

/** Members of a delta whose texts are concatenated, and where. */
const TEXT_MEMBERS = {
  content: 'content',
  reasoning: 'reasoning',
  reasoning_content: 'reasoningContent',
} as const satisfies Record<string, keyof ChoiceState>
export type TextMember = keyof typeof TEXT_MEMBERS

export function isTextMember(name: string): name is TextMember {
  return Object.hasOwn(TEXT_MEMBERS, name)
}

/** Members that say how an answer was made, framed or counted, not what it says. */
const FRAMING = new Set(['id', 'object', 'created', 'model', 'usage', 'choices', 'logprobs'])
const CHOICE_FRAMING = new Set(['index', 'message', 'delta', 'finish_reason', 'logprobs'])

/** Collects one chat answer, from deltas in order of arrival or from one buffered body. */
export class ChatAccumulator {
  readonly #choices = new Map<number, ChoiceState>()
  readonly #uncovered = new Set<string>()
  readonly #room = createTextRoom()
  #ambiguous = false
  #malformed = false

  /** Takes one parsed `chat.completion.chunk` or `chat.completion`. Unexpected types make the content `none`. */
  add(event: unknown): void {
    if (!isJsonObject(event)) {
      this.#malformed = true
      return
    }
    for (const name in event) {
      if (!FRAMING.has(name) && event[name] !== null) this.#cover(name)
    }
    const choices = event['choices']
    if (choices === undefined || choices === null) return
    if (!Array.isArray(choices)) {
      this.#malformed = true
      return
    }
    const stated = new Set<unknown>()
    for (const choice of choices as unknown[]) {
      // Many readers look at the first entry of an event alone: two for one choice could say two things.
      const index = isJsonObject(choice) ? choice['index'] : undefined
      if (stated.has(index)) this.#malformed = true
      stated.add(index)
      this.#addChoice(choice)
    }
  }

  /**
   * Takes one more text of a member, and nothing else: what {@link add} would do with an event that differs from one it has
   * taken in that text alone.
   */
  append(index: number, member: TextMember, text: string): void {
    const state = this.#choices.get(index)
    if (state === undefined || !this.#room.take(text)) this.#malformed = true
    else state[TEXT_MEMBERS[member]] += text
  }

  /** Finish reasons by choice index, null where a choice has none yet. */
  finishReasons(): (string | null)[] {
    return this.#sorted().map(([, state]) => state.finishReason)
  }

  /** Indexes are 0, 1, 2 … without a gap. */
  isContiguous(): boolean {
    return this.#sorted().every(([index], position) => index === position)
  }

  summarize(): ContentSummary<ChatContent> {
    if (this.#malformed || this.#choices.size === 0) {
      return { status: 'none', content: null, uncovered: [] }
    }
    const choices = this.#sorted().map(([index, state]) => this.#finishChoice(index, state))
    if (this.#ambiguous) return { status: 'ambiguous', content: null, uncovered: [] }
    const uncovered = [...this.#uncovered].sort().slice(0, MAX_UNCOVERED)
    const status = uncovered.length === 0 ? 'covered' : 'partial'
    return { status, content: { choices, kind: 'chat/v1' }, uncovered }
  }

  #sorted(): [number, ChoiceState][] {
    return [...this.#choices].sort((a, b) => a[0] - b[0])
  }

  #cover(name: string): void {
    if (this.#uncovered.size < MAX_UNCOVERED_SEEN) {
      this.#uncovered.add(name.toWellFormed().slice(0, MAX_UNCOVERED_NAME).toWellFormed())
    }
  }

  #finishChoice(index: number, state: ChoiceState): ChatChoice {
    const { reasoning, reasoningContent } = state
    // Both members name the same thing in different releases of the model server; a signer must not choose.
    if (reasoning !== '' && reasoningContent !== '' && reasoning !== reasoningContent) {
      this.#ambiguous = true
    }
    return {
      content: orNull(state.content),
      finish_reason: orNull(state.finishReason),
      index,
      reasoning: orNull(reasoning === '' ? reasoningContent : reasoning),
      refusal: orNull(state.refusal),
      role: state.role ?? 'assistant',
      tool_calls: [...state.toolCalls]
        .sort((a, b) => a[0] - b[0])
        .map(([, call]) => ({
          arguments: orNull(call.arguments),
          id: orNull(call.id),
          name: orNull(call.name),
          type: orNull(call.type),
        })),
    }
  }

  #addChoice(choice: unknown): void {
    if (!isJsonObject(choice)) {
      this.#malformed = true
      return
    }
    const index = choice['index']
    if (!isIndex(index, MAX_CHOICES)) {
      this.#malformed = true
      return
    }
    // Readers of streams take the one, readers of bodies the other; an answer that has both says two things.
    const both = (choice['delta'] ?? null) !== null && (choice['message'] ?? null) !== null
    if (both) this.#malformed = true
    const buffered = choice['delta'] === undefined || choice['delta'] === null
    let state = this.#choices.get(index)
    // A buffered body states each choice once; two of one index would be read differently by different clients.
    if (state !== undefined && isJsonObject(choice['message'])) this.#malformed = true
    if (state === undefined) {
      state = {
        role: null,
        finishReason: null,
        content: '',
        reasoning: '',
        reasoningContent: '',
        refusal: '',
        toolCalls: new Map(),
      }
      this.#choices.set(index, state)
    }
    for (const name in choice) {
      if (!CHOICE_FRAMING.has(name) && choice[name] !== null) this.#cover(`choices.${name}`)
    }
    state.finishReason = this.#once(state.finishReason, choice['finish_reason'])
    const delta = choice['delta'] ?? choice['message']
    if (delta === undefined || delta === null) return
    if (!isJsonObject(delta)) {
      this.#malformed = true
      return
    }
    this.#addDelta(state, delta, buffered)
  }

  #addDelta(state: ChoiceState, delta: Readonly<Record<string, unknown>>, buffered: boolean): void {
    for (const name in delta) {
      const value = delta[name]
      if (value === null) continue
      switch (name) {
        case 'role':
          state.role = this.#once(state.role, value)
          break
        case 'content':
          state.content += this.#text(value)
          break
        case 'reasoning':
          state.reasoning += this.#text(value)
          break
        case 'reasoning_content':
          state.reasoningContent += this.#text(value)
          break
        case 'refusal':
          state.refusal += this.#text(value)
          break
        case 'tool_calls':
          this.#addToolCalls(state, value, buffered)
          break
        default:
          this.#cover(`message.${name}`)
      }
    }
  }

  #addToolCalls(state: ChoiceState, value: unknown, buffered: boolean): void {
    if (!Array.isArray(value)) {
      this.#malformed = true
      return
    }
    ;(value as unknown[]).forEach((item, position) => {
      if (!isJsonObject(item)) {
        this.#malformed = true
        return
      }
      // Buffered calls carry no index: their place in the list is their index. A streamed one must say where it belongs.
      const index = buffered ? position : item['index']
      if (!isIndex(index, MAX_TOOL_CALLS)) {
        this.#malformed = true
        return
      }
      let call = state.toolCalls.get(index)
      if (call === undefined) {
        call = { id: null, type: null, name: null, arguments: '' }
        state.toolCalls.set(index, call)
      }
      call.id = this.#once(call.id, item['id'])
      call.type = this.#once(call.type, item['type'])
      const fn = item['function']
      if (isJsonObject(fn)) {
        call.name = this.#once(call.name, fn['name'])
        call.arguments += this.#text(fn['arguments'])
        for (const name in fn) {
          if (name !== 'name' && name !== 'arguments' && fn[name] !== null) {
            this.#cover(`tool_calls.function.${name}`)
          }
        }
      } else if (fn !== undefined && fn !== null) {
        this.#malformed = true
      }
      for (const name in item) {
        if (!TOOL_CALL_MEMBERS.has(name) && item[name] !== null) this.#cover(`tool_calls.${name}`)
      }
    })
  }

  #text(value: unknown): string {
    const text = this.#read(value)
    if (this.#room.take(text)) return text
    this.#malformed = true
    return ''
  }

  #read(value: unknown): string {
    if (value === undefined || value === null) return ''
    if (typeof value === 'string') return value
    this.#malformed = true
    return ''
  }

  /** A member that is stated once; stated again it must agree. */
  #once(known: string | null, value: unknown): string | null {
    const text = orNull(this.#read(value))
    if (text === null) return known
    if (known !== null && known !== text) this.#ambiguous = true
    return known ?? text
  }
}

const TOOL_CALL_MEMBERS = new Set(['index', 'id', 'type', 'function'])

/** The content of one buffered body or SDK object (`ChatCompletion`). */
export function contentOfCompletion(completion: unknown): ContentSummary<ChatContent> {
  const accumulator = new ChatAccumulator()
  accumulator.add(completion)
  return accumulator.summarize()
}

/** The content of a stream's chunks (`ChatCompletionChunk`), in order of arrival. */
export function contentOfChunks(chunks: Iterable<unknown>): ContentSummary<ChatContent> {
  const accumulator = new ChatAccumulator()
  for (const chunk of chunks) accumulator.add(chunk)
  return accumulator.summarize()
}
