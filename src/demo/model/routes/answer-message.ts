/**
 * `POST /v1/messages` and `/v1/messages/count_tokens`, Anthropic's API as vLLM speaks it
 * (vllm/entrypoints/anthropic/protocol.py @00589e56, serving.py @0001948b, api_router.py @01540b75; stored copies read on
 * 2026-11-26): the request becomes a chat request; bodies are printed with `exclude_none`, events with `exclude_unset` and
 * an `event:` line (`message_start` names `type` and `role` as Anthropic's API does, which vLLM then leaves unset: what a helper of
 * an SDK makes of a stream is else no message); a thought gets a random signature; `stop`, `length`, `tool_calls` become `end_turn`, `max_tokens`,
 * `tool_use`, and an abort becomes no stop reason at all; `[DONE]` of the inner stream becomes `message_stop`, also after an
 * error event.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { isJsonObject } from '../../../../attestation/protocol/json.ts'
import type { JsonObject, JsonValue } from '../../../../attestation/protocol/json.ts'
import type { DemoError } from '../error-body.ts'
import { GENERATION_ERROR } from '../error-body.ts'
import type { DemoChoice } from '../generate-choices.ts'
import { isList, list } from '../members.ts'
import type { ChatCall } from '../read-chat-call.ts'
import type { Reply } from '../reply.ts'
import { jsonReply, streamReply } from '../reply.ts'
import type { RouteContext } from './route.ts'
import { generate, readRequest, renamed, textOf } from './route.ts'

const SHARED = {
  ...{ model: 'model', max_tokens: 'max_tokens', stop_sequences: 'stop', stream: 'stream' },
  ...{ temperature: 'temperature', seed: 'seed' },
}
const STOP_REASONS: Readonly<Record<string, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
}

/** A run of pieces that makes one content block. */
type Block =
  | { readonly type: 'thinking' | 'text'; readonly texts: readonly string[] }
  | {
      readonly type: 'tool_use'
      readonly id: string
      readonly name: string
      readonly texts: readonly string[]
    }

function toMessages(request: JsonObject): readonly JsonValue[] {
  const { system, messages } = request
  const told = list(messages).map((message) =>
    isJsonObject(message)
      ? { role: message['role'] ?? 'user', content: textOf(message['content']) }
      : message,
  )
  return system === undefined ? told : [{ role: 'system', content: textOf(system) }, ...told]
}

function toChat(request: JsonObject): JsonObject {
  const { tools, tool_choice: choice } = request
  const functions = list(tools).map((tool): JsonValue => {
    const { name = null, input_schema: parameters = {} } = isJsonObject(tool) ? tool : {}
    return { type: 'function', function: { name, parameters } }
  })
  const kind = isJsonObject(choice) ? choice['type'] : undefined
  const forced =
    kind === 'any'
      ? { tool_choice: 'required' }
      : kind === 'tool' && isJsonObject(choice)
        ? { tool_choice: { type: 'function', function: { name: choice['name'] ?? '' } } }
        : {}
  return {
    ...renamed(request, SHARED),
    messages: isList(request['messages']) ? toMessages(request) : null,
    ...(functions.length === 0 ? {} : { tools: functions, ...forced }),
  }
}

function anthropicError({ status, type, message }: DemoError): Reply {
  return jsonReply(status, JSON.stringify({ type: 'error', error: { type, message } }))
}

export function answerMessage(body: Buffer, context: RouteContext): Reply {
  const read = readRequest(body, context.models)
  if (!read.ok) return anthropicError(read.error)
  const generated = generate(toChat(read.request), context.models)
  if (!generated.ok) return anthropicError(generated.error)
  const { call, choices } = generated
  const [choice] = choices
  if (choice === undefined) return anthropicError(GENERATION_ERROR)
  if (call.stream) return streamReply(stream(call, choice, context))
  if (choice.finish === 'error') return anthropicError(GENERATION_ERROR)
  return jsonReply(200, whole(call, choice, context))
}

export function answerCountTokens(body: Buffer, context: RouteContext): Reply {
  const read = readRequest(body, context.models)
  if (!read.ok) return anthropicError(read.error)
  const generated = generate(toChat(read.request), context.models)
  if (!generated.ok) return anthropicError(generated.error)
  const tokens = generated.call.promptTokens
  const counted = { input_tokens: tokens, context_management: { original_input_tokens: tokens } }
  return jsonReply(200, JSON.stringify(counted))
}

function blocksOf(choice: DemoChoice): readonly Block[] {
  const blocks: { type: Block['type']; id: string; name: string; texts: string[] }[] = []
  for (const piece of choice.pieces) {
    const last = blocks.at(-1)
    switch (piece.kind) {
      case 'reasoning':
      case 'content': {
        const type = piece.kind === 'reasoning' ? 'thinking' : 'text'
        if (last?.type === type) last.texts.push(piece.text)
        else blocks.push({ type, id: '', name: '', texts: [piece.text] })
        break
      }
      case 'tool_name':
        blocks.push({ type: 'tool_use', id: piece.id, name: piece.text, texts: [] })
        break
      case 'tool_arguments':
        last?.texts.push(piece.text)
        break
      case 'end':
    }
  }
  return blocks
}

function stopReason(choice: DemoChoice): string | null {
  const called = choice.pieces.some(({ kind }) => kind === 'tool_name')
  const reason = called && choice.finish === 'stop' ? 'tool_calls' : choice.finish
  return STOP_REASONS[reason] ?? null
}

function signature(): string {
  return randomBytes(16).toString('hex')
}

function whole(call: ChatCall, choice: DemoChoice, context: RouteContext): string {
  const content = blocksOf(choice).map((block) => {
    const text = block.texts.join('')
    switch (block.type) {
      case 'thinking':
        return { type: 'thinking', thinking: text, signature: signature() }
      case 'text':
        return { type: 'text', text }
      case 'tool_use': {
        const input: unknown = JSON.parse(text === '' ? '{}' : text)
        return { type: 'tool_use', id: block.id, name: block.name, input }
      }
    }
  })
  const reason = stopReason(choice)
  return JSON.stringify({
    id: `chatcmpl-${context.requestId}`,
    type: 'message',
    role: 'assistant',
    content,
    model: context.model,
    ...(reason === null ? {} : { stop_reason: reason }),
    usage: { input_tokens: call.promptTokens, output_tokens: choice.pieces.length },
  })
}

function event(type: string, members: object): Buffer {
  return Buffer.from(`event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`)
}

function stream(call: ChatCall, choice: DemoChoice, context: RouteContext): readonly Buffer[] {
  const usage = { input_tokens: call.promptTokens, output_tokens: 0 }
  const events = [
    event('message_start', {
      message: {
        id: `chatcmpl-${context.requestId}`,
        type: 'message',
        role: 'assistant',
        content: [],
        model: context.model,
        stop_reason: null,
        stop_sequence: null,
        usage,
      },
    }),
  ]
  for (const [index, block] of blocksOf(choice).entries()) {
    const start = {
      thinking: { type: 'thinking', thinking: '' },
      text: { type: 'text', text: '' },
      tool_use: block.type === 'tool_use' ? toolStart(block.id, block.name) : {},
    }[block.type]
    events.push(event('content_block_start', { content_block: start, index }))
    for (const text of block.texts) {
      events.push(event('content_block_delta', { delta: delta(block.type, text), index }))
    }
    if (block.type === 'thinking') {
      const signed = { type: 'signature_delta', signature: signature() }
      events.push(event('content_block_delta', { delta: signed, index }))
    }
    events.push(event('content_block_stop', { index }))
  }
  if (choice.finish === 'error') {
    const { message } = GENERATION_ERROR
    events.push(event('error', { error: { type: 'internal_error', message } }))
    return [...events, event('message_stop', {})]
  }
  events.push(
    event('message_delta', {
      delta: { stop_reason: stopReason(choice) },
      usage: { ...usage, output_tokens: choice.pieces.length },
    }),
  )
  return [...events, event('message_stop', {})]
}

function toolStart(id: string, name: string): object {
  return { type: 'tool_use', id, name, input: {} }
}

function delta(type: Block['type'], text: string): object {
  switch (type) {
    case 'thinking':
      return { type: 'thinking_delta', thinking: text }
    case 'text':
      return { type: 'text_delta', text }
    case 'tool_use':
      return { type: 'input_json_delta', partial_json: text }
  }
}
