/**
 * `POST /v1/responses` as vLLM answers it (vllm/entrypoints/openai/responses/protocol.py @010a69ce,
 * simple_streaming_events.py @25af204a, stored copies read on 2026-11-26): events with an `event:` line and a
 * `sequence_number`, the whole response once more in the last one, no `[DONE]`.
 *
 * Known to differ between releases, and so a switch: vLLM 0.29 says `response.completed` although the status in it is
 * `incomplete` (vllm-project/agentic-api issue 273 of 2026-09-10; vLLM pull request 45386 of 2026-06-12 would change it); some
 * leave the last event's output empty (vLLM pull request 30223 of 2025-12-08). Ids are those of the items throughout; vLLM mints new
 * ones for the last event.
 *
 * @module
 */
import { isJsonObject } from '../../../../attestation/protocol/json.ts'
import type { JsonObject, JsonValue } from '../../../../attestation/protocol/json.ts'
import { GENERATION_ERROR } from '../error-body.ts'
import type { DemoChoice } from '../generate-choices.ts'
import { list } from '../members.ts'
import type { Reply } from '../reply.ts'
import { errorReply, jsonReply, streamReply } from '../reply.ts'
import type { RouteContext } from './route.ts'
import { generate, readRequest, renamed, textOf } from './route.ts'

/** How releases differ. */
export interface ResponsesQuirks {
  /** The last event of a truncated answer is `response.completed` all the same. */
  readonly completedWhenIncomplete?: boolean
  /** The response in the last event has no output. */
  readonly emptyOutput?: boolean
}

const SHARED = {
  ...{ model: 'model', max_output_tokens: 'max_tokens', stream: 'stream', stop: 'stop' },
  ...{ temperature: 'temperature', seed: 'seed', tool_choice: 'tool_choice' },
  parallel_tool_calls: 'parallel_tool_calls',
}

interface Item {
  readonly type: 'reasoning' | 'message' | 'function_call'
  readonly id: string
  readonly callId: string
  readonly name: string
  readonly texts: string[]
}

function toMessages(request: JsonObject): readonly JsonValue[] {
  const { input, instructions } = request
  const told: readonly JsonValue[] =
    typeof input === 'string'
      ? [{ role: 'user', content: input }]
      : list(input).map((item) => {
          if (!isJsonObject(item)) return item
          const text = textOf(item['content'] ?? item['output'] ?? item['arguments'])
          return { role: item['role'] ?? 'user', content: text }
        })
  return typeof instructions === 'string'
    ? [{ role: 'system', content: instructions }, ...told]
    : told
}

function toChat(request: JsonObject): JsonObject {
  const tools = list(request['tools']).map((tool): JsonValue => {
    const { name = null, parameters = {} } = isJsonObject(tool) ? tool : {}
    return { type: 'function', function: { name, parameters } }
  })
  const reasoning = request['reasoning']
  const effort = isJsonObject(reasoning) ? reasoning['effort'] : undefined
  return {
    ...renamed(request, SHARED),
    messages: toMessages(request),
    ...(tools.length === 0 ? {} : { tools }),
    ...(typeof effort === 'string' ? { reasoning_effort: effort } : {}),
  }
}

export function answerResponse(
  body: Buffer,
  context: RouteContext,
  quirks: ResponsesQuirks = {},
): Reply {
  const read = readRequest(body, context.models)
  if (!read.ok) return errorReply(read.error)
  const generated = generate(toChat(read.request), context.models)
  if (!generated.ok) return errorReply(generated.error)
  const { call, choices } = generated
  const [choice] = choices
  if (choice === undefined) return errorReply(GENERATION_ERROR)
  if (!call.stream && choice.finish === 'error') return errorReply(GENERATION_ERROR)
  const items = itemsOf(choice, context)
  const head = headOf(read.request, context)
  const response = (output: readonly object[], status: string): object => ({
    ...head,
    output,
    status,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    usage:
      status === 'in_progress'
        ? null
        : {
            input_tokens: call.promptTokens,
            input_tokens_details: { cached_tokens: 0 },
            output_tokens: choice.pieces.length,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: call.promptTokens + choice.pieces.length,
          },
  })
  const status = choice.finish === 'length' ? 'incomplete' : 'completed'
  const output = items.map(wholeItem)
  if (!call.stream) return jsonReply(200, JSON.stringify(response(output, status)))
  return streamReply(stream(items, choice, response, status, quirks))
}

/** What the response says of its request. */
function headOf(request: JsonObject, context: RouteContext): object {
  const echoed = (name: string, otherwise: JsonValue): JsonValue => request[name] ?? otherwise
  return {
    id: `resp_${context.requestId}`,
    created_at: context.created,
    instructions: echoed('instructions', null),
    metadata: echoed('metadata', null),
    model: context.model,
    object: 'response',
    parallel_tool_calls: echoed('parallel_tool_calls', true),
    temperature: echoed('temperature', 1),
    tool_choice: echoed('tool_choice', 'auto'),
    tools: echoed('tools', []),
    top_p: echoed('top_p', 1),
    background: false,
    max_output_tokens: echoed('max_output_tokens', 32_000),
    max_tool_calls: null,
    previous_response_id: null,
    prompt: null,
    reasoning: echoed('reasoning', null),
    service_tier: 'auto',
    text: echoed('text', null),
    top_logprobs: null,
    truncation: 'disabled',
    user: echoed('user', null),
    input_messages: null,
    output_messages: null,
  }
}

function itemsOf(choice: DemoChoice, context: RouteContext): readonly Item[] {
  const items: Item[] = []
  const open = (type: Item['type'], prefix: string, callId = '', name = '') => {
    const id = `${prefix}_${context.requestId}${items.length}`
    const item: Item = { type, id, callId, name, texts: [] }
    items.push(item)
    return item
  }
  for (const piece of choice.pieces) {
    const last = items.at(-1)
    switch (piece.kind) {
      case 'reasoning':
        ;(last?.type === 'reasoning' ? last : open('reasoning', 'rs')).texts.push(piece.text)
        break
      case 'content':
        ;(last?.type === 'message' ? last : open('message', 'msg')).texts.push(piece.text)
        break
      case 'tool_name':
        open('function_call', 'fc', piece.id, piece.text)
        break
      case 'tool_arguments':
        last?.texts.push(piece.text)
        break
      case 'end':
    }
  }
  return items
}

function outputText(text: string): object {
  return { annotations: [], text, type: 'output_text', logprobs: null }
}

function itemWith(item: Item, text: string | null, status: string): object {
  const { id, type } = item
  switch (type) {
    case 'reasoning': {
      const content = text === null ? null : [{ text, type: 'reasoning_text' }]
      return { id, summary: [], type, content, encrypted_content: null, status }
    }
    case 'message': {
      const content = text === null ? [] : [outputText(text)]
      return { id, content, role: 'assistant', status, type }
    }
    case 'function_call': {
      const { callId: call_id, name } = item
      return { arguments: text ?? '', call_id, name, type, id, status }
    }
  }
}

function wholeItem(item: Item): object {
  return itemWith(item, item.texts.join(''), 'completed')
}

function stream(
  items: readonly Item[],
  choice: DemoChoice,
  response: (output: readonly object[], status: string) => object,
  status: string,
  quirks: ResponsesQuirks,
): readonly Buffer[] {
  const events: Buffer[] = []
  const send = (type: string, members: object) => {
    const data = JSON.stringify({ ...members, sequence_number: events.length, type })
    events.push(Buffer.from(`event: ${type}\ndata: ${data}\n\n`))
  }
  send('response.created', { response: response([], 'in_progress') })
  send('response.in_progress', { response: response([], 'in_progress') })
  for (const [output_index, item] of items.entries()) {
    sendItem(item, output_index, send)
  }
  if (choice.finish === 'error') {
    // The generator raises after the headers: an error event is the last thing sent.
    send('error', { code: null, message: GENERATION_ERROR.message, param: null })
    return events
  }
  const type = quirks.completedWhenIncomplete === true ? 'completed' : status
  const output = quirks.emptyOutput === true ? [] : items.map(wholeItem)
  // An abort ends the loop without a finish reason; the response is built as if it had not.
  const ended = choice.finish === 'abort' ? 'cancelled' : status
  send(`response.${ended === 'cancelled' ? 'failed' : type}`, { response: response(output, ended) })
  return events
}

function sendItem(
  item: Item,
  output_index: number,
  send: (type: string, members: object) => void,
): void {
  const { id: item_id, type, texts } = item
  const text = texts.join('')
  send('response.output_item.added', { item: itemWith(item, null, 'in_progress'), output_index })
  if (type === 'function_call') {
    for (const delta of texts) {
      send('response.function_call_arguments.delta', { delta, item_id, output_index })
    }
    const done = { arguments: text, item_id, name: item.name, output_index }
    send('response.function_call_arguments.done', done)
  } else {
    const kind = type === 'reasoning' ? 'reasoning_text' : 'output_text'
    const part = type === 'reasoning' ? { text: '', type: kind } : outputText('')
    const at = { content_index: 0, item_id, output_index }
    const more = type === 'reasoning' ? {} : { logprobs: [] }
    send('response.content_part.added', { ...at, part })
    for (const delta of texts) send(`response.${kind}.delta`, { ...at, delta, ...more })
    send(`response.${kind}.done`, { ...at, text, ...more })
    const whole = type === 'reasoning' ? { text, type: kind } : outputText(text)
    send('response.content_part.done', { ...at, part: whole })
  }
  send('response.output_item.done', { item: wholeItem(item), output_index })
}
