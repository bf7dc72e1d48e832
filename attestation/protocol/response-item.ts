/**
 * One output item of a response (OpenAI's Responses API): what is said in it, in one shape for all types of items.
 *
 * @module
 */
import { inOrder, orNull } from './content.ts'

/** Parts of one item, and parts of its summary. */
export const MAX_PARTS = 1024

export interface ResponsePart {
  readonly refusal: string | null
  readonly text: string | null
  readonly type: string | null
}

export interface ResponseItem {
  /** Of a function call. */
  readonly arguments: string | null
  readonly call_id: string | null
  readonly content: readonly ResponsePart[]
  readonly name: string | null
  readonly role: string | null
  /** Of a thought. */
  readonly summary: readonly ResponsePart[]
  readonly type: string | null
}

export interface PartState {
  type: string | null
  text: string
  refusal: string
}

export interface ItemState {
  type: string | null
  role: string | null
  name: string | null
  callId: string | null
  arguments: string
  readonly content: Map<number, PartState>
  readonly summary: Map<number, PartState>
}

export function emptyItem(): ItemState {
  return {
    type: null,
    role: null,
    name: null,
    callId: null,
    arguments: '',
    content: new Map(),
    summary: new Map(),
  }
}

function finishPart({ type, text, refusal }: PartState): ResponsePart {
  return { refusal: orNull(refusal), text: orNull(text), type }
}

export function finishItem(item: ItemState): ResponseItem {
  return {
    arguments: orNull(item.arguments),
    call_id: item.callId,
    content: inOrder(item.content).map(([, part]) => finishPart(part)),
    name: item.name,
    role: item.role,
    summary: inOrder(item.summary).map(([, part]) => finishPart(part)),
    type: item.type,
  }
}

/** Members are made in one order, so equal items have equal texts. */
export function sameItem(a: ResponseItem, b: ResponseItem): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
