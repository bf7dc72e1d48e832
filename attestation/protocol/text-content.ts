/**
 * Content of a completion (`POST /v1/completions`), kind `text/v1`: the texts and how they ended.
 *
 * A chunk and a whole answer have one shape (`text_completion`): a buffered answer is a stream of one event.
 *
 * @module
 */
import { ContentAccumulator, inOrder, isIndex, orNull } from './content.ts'
import { isJsonObject } from './json.ts'

/** Choices in one answer: prompts times `n`. */
export const MAX_TEXT_CHOICES = 1024

export interface TextChoice {
  readonly finish_reason: string | null
  readonly index: number
  readonly text: string | null
}

export interface TextContent {
  readonly choices: readonly TextChoice[]
  readonly kind: 'text/v1'
}

interface ChoiceState {
  text: string
  finishReason: string | null
}

/** Members that say how an answer was made, framed or counted, not what it says. */
const FRAMING = new Set(['id', 'object', 'created', 'model', 'usage', 'choices'])
const CHOICE_MEMBERS = new Set(['index', 'text', 'finish_reason', 'logprobs'])

export class TextAccumulator extends ContentAccumulator<TextContent> {
  readonly #choices = new Map<number, ChoiceState>()

  add(event: unknown): void {
    if (!isJsonObject(event)) {
      this.malformed = true
      return
    }
    this.coverRest('', event, FRAMING)
    const stated = new Set<number>()
    for (const choice of this.list(event['choices'])) {
      const index = isJsonObject(choice) ? choice['index'] : undefined
      // Many readers look at the first entry of an event alone: two for one choice could say two things.
      if (!isJsonObject(choice) || !isIndex(index, MAX_TEXT_CHOICES) || stated.has(index)) {
        this.malformed = true
        return
      }
      stated.add(index)
      this.coverRest('choices.', choice, CHOICE_MEMBERS)
      let state = this.#choices.get(index)
      if (state === undefined) {
        state = { text: '', finishReason: null }
        this.#choices.set(index, state)
      }
      state.text += this.text(choice['text'])
      state.finishReason = this.once(state.finishReason, choice['finish_reason'])
    }
  }

  finishReasons(): (string | null)[] {
    return inOrder(this.#choices).map(([, { finishReason }]) => finishReason)
  }

  /** Indexes are 0, 1, 2 … without a gap. */
  isContiguous(): boolean {
    return inOrder(this.#choices).every(([index], position) => index === position)
  }

  protected content(): TextContent | null {
    if (this.#choices.size === 0) return null
    const choices = inOrder(this.#choices).map(([index, { text, finishReason }]) => ({
      finish_reason: finishReason,
      index,
      text: orNull(text),
    }))
    return { choices, kind: 'text/v1' }
  }
}
