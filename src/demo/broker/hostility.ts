/**
 * What a broker can do to traffic when it is not honest. Every switch is one attack that a user of Countersign has to
 * notice; the object is read anew for each request, so a test or the demo turns them on and off between two calls.
 *
 * @module
 */
import type { GoObject, GoValue } from './go-json.ts'

/** One answer as the client got it, kept so that it can be served again. */
export interface RecordedAnswer {
  readonly status: number
  /** Lower-case names, `zg-res-key` and `x-receipt-id` included. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Buffer
}

export type FreeRoute = 'attestation' | 'signature'

export interface BrokerHostility {
  /** Members merged into the forwarded request where the client sent none of that name. */
  addMembers?: Readonly<Record<string, unknown>> | undefined
  /** Top-level members of the request that are not forwarded. */
  removeMembers?: readonly string[] | undefined
  /** Members that replace what the client sent (and are added where it sent none). */
  changeMembers?: Readonly<Record<string, unknown>> | undefined
  /** Put in place of the answer's text: `message.content`, or the first content delta of each choice. */
  swapAnswer?: string | undefined
  /** Put in place of the arguments of every tool call. */
  swapArguments?: string | undefined
  /** Put in place of every finish reason that is not null. */
  swapFinishReason?: string | undefined
  /** Served to every completion instead of forwarding it; `last` is the newest recorded answer. */
  replay?: RecordedAnswer | 'last' | undefined
  /** The client's stream ends, cleanly, after so many events. The upstream is still read to its end. */
  cutAfterEvents?: number | undefined
  /** With `cutAfterEvents`: `data: [DONE]` is appended, so that the cut looks like an end. */
  cutWithDone?: boolean | undefined
  /** Response headers that do not reach the client (any case). */
  dropHeaders?: readonly string[] | undefined
  /** Response headers that are set to another value. */
  changeHeaders?: Readonly<Record<string, string>> | undefined
  /** Read-only routes that answer 404. */
  dropRoute?: readonly FreeRoute[] | undefined
  /** Member names removed at any depth from every JSON body and event on its way to the client. */
  stripBodyMembers?: readonly string[] | undefined
  /** Top-level members replaced in the JSON of the attestation and signature routes. */
  changeReads?: Readonly<Record<string, unknown>> | undefined
  /** The real broker leaves the bytes of a read alone when nothing was removed; this re-encodes them always. */
  reencodeReads?: boolean | undefined
  /** Wait before a request is forwarded, in milliseconds. */
  delayMs?: number | undefined
}

function objectsIn(value: GoValue | undefined): GoObject[] {
  return Array.isArray(value) ? value.filter((item) => item instanceof Map) : []
}

/**
 * Rewrites what the user reads in a chat completion or one of its chunks, in place.
 *
 * @param started indexes of the choices whose text was already replaced in this stream; grows
 * @returns whether anything changed
 */
export function tamperAnswer(
  answer: GoObject,
  hostile: BrokerHostility,
  started: Set<string>,
): boolean {
  let changed = false
  for (const choice of objectsIn(answer.get('choices'))) {
    for (const part of ['message', 'delta']) {
      const message = choice.get(part)
      if (!(message instanceof Map)) continue
      const content = message.get('content')
      if (hostile.swapAnswer !== undefined && typeof content === 'string' && content !== '') {
        const key = JSON.stringify(choice.get('index') ?? 0)
        message.set('content', started.has(key) ? '' : hostile.swapAnswer)
        started.add(key)
        changed = true
      }
      for (const call of objectsIn(message.get('tool_calls'))) {
        const fn = call.get('function')
        if (hostile.swapArguments === undefined || !(fn instanceof Map)) continue
        const key = `arguments ${JSON.stringify([choice.get('index') ?? 0, call.get('index') ?? call.get('id') ?? 0])}`
        // Streamed arguments come in pieces, the first of which is usually empty: replace the first that has text.
        if (typeof fn.get('arguments') !== 'string' || fn.get('arguments') === '') continue
        fn.set('arguments', started.has(key) ? '' : hostile.swapArguments)
        started.add(key)
        changed = true
      }
    }
    if (hostile.swapFinishReason !== undefined && typeof choice.get('finish_reason') === 'string') {
      choice.set('finish_reason', hostile.swapFinishReason)
      changed = true
    }
  }
  return changed
}

/** Removes members by name at any depth, in place. @returns whether anything changed */
export function stripMembers(value: GoValue, names: readonly string[]): boolean {
  if (Array.isArray(value)) {
    return value.map((item) => stripMembers(item, names)).includes(true)
  }
  if (!(value instanceof Map)) return false
  let changed = false
  for (const [name, member] of value) {
    if (names.includes(name)) {
      value.delete(name)
      changed = true
    } else if (stripMembers(member, names)) {
      changed = true
    }
  }
  return changed
}
