/**
 * `POST /v1/completions` as vLLM answers it (vllm/entrypoints/openai/completion/protocol.py @002032ee and serving.py
 * @030ea52e, stored copies read on 2026-11-26): chunks and bodies are `text_completion`; chunks are printed with
 * `exclude_unset`, so they keep the members that the generator passes; the last one of a choice has `system_fingerprint`
 * unless a usage chunk follows; a generation error is an event before `[DONE]`. Prompt i has choices i·n to i·n + n - 1.
 * Log probabilities and echo are left out.
 *
 * @module
 */
import type { JsonObject, JsonValue } from '../../../../attestation/protocol/json.ts'
import { badParameter, errorMembers, GENERATION_ERROR } from '../error-body.ts'
import type { DemoChoice } from '../generate-choices.ts'
import type { ChatCall } from '../read-chat-call.ts'
import type { Reply } from '../reply.ts'
import { errorReply, jsonReply, streamReply } from '../reply.ts'
import { countMembers, DEMO_FINGERPRINT, DONE_EVENT, pythonJson, sseEvent } from '../wire.ts'
import type { RouteContext } from './route.ts'
import { generate, readRequest, renamed } from './route.ts'

/** vLLM's default. */
const DEFAULT_MAX_TOKENS = 16

const SHARED = {
  ...{ model: 'model', n: 'n', seed: 'seed', stop: 'stop', temperature: 'temperature' },
  ...{ stream: 'stream', stream_options: 'stream_options', max_tokens: 'max_tokens' },
}

interface Answer {
  readonly calls: readonly ChatCall[]
  readonly choices: readonly DemoChoice[]
  readonly head: object
}

/** A text, a list of texts, token ids, or a list of those. */
function promptsOf(prompt: JsonValue | undefined): readonly string[] {
  if (typeof prompt === 'string') return [prompt]
  if (!Array.isArray(prompt)) return []
  const list = prompt as readonly JsonValue[]
  if (list.every((item) => typeof item === 'number')) return [list.join(' ')]
  return list.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)))
}

export function answerCompletion(body: Buffer, context: RouteContext): Reply {
  const read = readRequest(body, context.models)
  if (!read.ok) return errorReply(read.error)
  const { request } = read
  const prompts = promptsOf(request['prompt'])
  if (prompts.length === 0 || prompts.includes('')) {
    const message = 'Either prompt or prompt_embeds must be provided and non-empty.'
    return errorReply(badParameter(message, 'prompt'))
  }
  const calls: ChatCall[] = []
  const choices: DemoChoice[] = []
  for (const prompt of prompts) {
    const generated = generate(chatRequest(request, prompt), context.models)
    if (!generated.ok) return errorReply(generated.error)
    calls.push(generated.call)
    for (const choice of generated.choices) choices.push({ ...choice, index: choices.length })
  }
  const [call] = calls
  const head = {
    id: `cmpl-${context.requestId}`,
    object: 'text_completion',
    created: context.created,
    model: context.model,
  }
  const answer = { calls, choices, head }
  if (call?.stream === true) return streamReply(stream(answer, call))
  if (choices.some(({ finish }) => finish === 'error')) return errorReply(GENERATION_ERROR)
  return jsonReply(200, whole(answer))
}

function chatRequest(request: JsonObject, prompt: string): JsonObject {
  return {
    max_tokens: DEFAULT_MAX_TOKENS,
    ...renamed(request, SHARED),
    messages: [{ role: 'user', content: prompt }],
  }
}

function usageOf({ calls, choices }: Answer): object {
  const prompt = calls.reduce((sum, call) => sum + call.promptTokens, 0)
  return countMembers(
    prompt,
    choices.reduce((sum, choice) => sum + choice.pieces.length, 0),
  )
}

function whole(answer: Answer): string {
  return JSON.stringify({
    ...answer.head,
    choices: answer.choices.map((choice) => ({
      index: choice.index,
      text: choice.pieces.map((piece) => (piece.kind === 'content' ? piece.text : '')).join(''),
      logprobs: null,
      finish_reason: choice.finish,
      stop_reason: choice.stopReason,
      token_ids: null,
      prompt_logprobs: null,
      prompt_token_ids: null,
      routed_experts: null,
    })),
    service_tier: null,
    system_fingerprint: DEMO_FINGERPRINT,
    usage: { ...usageOf(answer), prompt_tokens_details: null },
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  })
}

function stream(answer: Answer, call: ChatCall): readonly Buffer[] {
  const { choices, head } = answer
  const events: Buffer[] = []
  const longest = Math.max(...choices.map(({ pieces }) => pieces.length))
  const send = (choice: DemoChoice, text: string, finish: string | null) => {
    const members = {
      index: choice.index,
      text,
      logprobs: null,
      finish_reason: finish,
      stop_reason: finish === null ? null : choice.stopReason,
      prompt_token_ids: null,
      token_ids: null,
    }
    const fingerprint =
      finish !== null && !call.includeUsage ? { system_fingerprint: DEMO_FINGERPRINT } : {}
    events.push(sseEvent(JSON.stringify({ ...head, choices: [members], ...fingerprint })))
  }
  for (let step = 0; step < longest; step++) {
    for (const choice of choices) {
      const piece = choice.pieces[step]
      if (piece === undefined) continue
      const isLast = step === choice.pieces.length - 1 && ['stop', 'length'].includes(choice.finish)
      send(choice, piece.kind === 'content' ? piece.text : '', isLast ? choice.finish : null)
    }
  }
  for (const choice of choices) {
    if (choice.finish === 'error') {
      return [...events, sseEvent(pythonJson(errorMembers(GENERATION_ERROR))), DONE_EVENT]
    }
    if (choice.finish === 'abort') send(choice, '', 'abort')
  }
  if (call.includeUsage) {
    const last = { choices: [], usage: usageOf(answer), system_fingerprint: DEMO_FINGERPRINT }
    events.push(sseEvent(JSON.stringify({ ...head, ...last })))
  }
  return [...events, DONE_EVENT]
}
