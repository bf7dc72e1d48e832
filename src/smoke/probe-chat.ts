/**
 * Completions, whole and streamed: shape, usage, parameters, reasoning, tools. After 0G's acceptance list for providers
 * (0g-serving-broker, `docs/provider-acceptance.md`, 2026), sections 1 to 3.
 *
 * @module
 */
import { counted } from '../../attestation/appraiser/counted.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import { callNode } from './call-node.ts'
import type { NodeAnswer, SmokeNode } from './call-node.ts'
import { readCompletion, readStream } from './read-answer.ts'
import type { ReadAnswer, Reading } from './read-answer.ts'
import { found, passed } from './smoke-codes.ts'
import type { SmokeRow } from './smoke-codes.ts'

const PING = [{ role: 'user', content: 'Reply with exactly: pong' }]
const PING_TOKENS = 64
const PAGE_TOKENS = 900
/** Share of reasoning in a usual answer beyond which nothing is left for its text. */
const STARVED = 0.9
const THINK = /<\/?think>/
const RAW_TOOL_CALL = /<\/?tool_call>|<\|tool/

const WEATHER = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Get current weather for a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
]

/** An answer with the bytes that were exchanged for it. */
export interface Exchanged {
  readonly raw: NodeAnswer
  readonly reading: Reading
}

async function ask(node: SmokeNode, model: string, members: JsonObject): Promise<Exchanged> {
  const streamed = members['stream'] === true
  const raw = await callNode(node, { path: '/chat/completions', body: { model, ...members } })
  if (raw.status !== 200) {
    const seen = `HTTP ${raw.status}`
    return { raw, reading: { ok: false, code: 'status_unexpected', seen } }
  }
  return { raw, reading: streamed ? readStream(raw.received) : readCompletion(raw.json) }
}

export function pingWhole(node: SmokeNode, model: string): Promise<Exchanged> {
  return ask(node, model, { messages: PING, max_tokens: PING_TOKENS })
}

export function pingStreamed(node: SmokeNode, model: string): Promise<Exchanged> {
  const options = { stream: true, stream_options: { include_usage: true } }
  return ask(node, model, { messages: PING, max_tokens: PING_TOKENS, ...options })
}

function usageRow(probe: string, usage: JsonObject | null): SmokeRow {
  const [prompt, completion, total] = ['prompt_tokens', 'completion_tokens', 'total_tokens'].map(
    (name) => usage?.[name],
  )
  if (typeof prompt !== 'number' || typeof completion !== 'number' || typeof total !== 'number') {
    return found(probe, 'usage_missing', usage === null ? 'no usage' : 'a number is missing')
  }
  const seen = `${prompt} + ${completion} = ${total}`
  return prompt > 0 && completion > 0 && prompt + completion === total
    ? passed(probe, seen)
    : found(probe, 'usage_inconsistent', seen)
}

function shapeRow(probe: string, { role, content, reasoning, finish }: ReadAnswer): SmokeRow {
  if (role !== 'assistant') {
    return probe === 'stream.shape'
      ? found(probe, 'stream_without_role', 'no role assistant in the first delta')
      : found(probe, 'answer_malformed', 'the role is not assistant')
  }
  if (finish === null) {
    return probe === 'stream.shape'
      ? found(probe, 'stream_unfinished', 'no finish reason')
      : found(probe, 'answer_malformed', 'no finish reason')
  }
  if (finish === 'length')
    return found(probe, 'finish_length', counted(content.length, 'character'))
  if (content === '') return found(probe, 'content_empty', `${reasoning.length} of reasoning`)
  return passed(probe, `${counted(content.length, 'character')}, finish reason ${finish}`)
}

/** Shape and usage of one answer. */
export function judgeChat(
  kind: 'chat' | 'stream',
  { raw, reading }: Exchanged,
): readonly SmokeRow[] {
  const [shape, usage] = [`${kind}.shape`, `${kind}.usage`]
  if (!reading.ok) {
    return [
      found(shape, reading.code, reading.seen),
      found(usage, 'not_tried', 'no answer to read'),
    ]
  }
  const type = raw.headers.get('content-type') ?? 'none'
  const wanted = kind === 'stream' ? 'text/event-stream' : 'application/json'
  const row = type.startsWith(wanted)
    ? shapeRow(shape, reading.answer)
    : found(shape, kind === 'stream' ? 'stream_malformed' : 'answer_malformed', 'content type')
  return [row, usageRow(usage, reading.answer.usage)]
}

/** Each parameter that clients send by habit. */
export async function probeParameters(node: SmokeNode, model: string): Promise<SmokeRow> {
  const probe = 'chat.parameters'
  const refused: string[] = []
  for (const [name, value] of Object.entries({
    temperature: 0.5,
    top_p: 0.9,
    stop: ['###'],
    seed: 7,
  })) {
    const { raw } = await ask(node, model, { messages: PING, max_tokens: 16, [name]: value })
    if (raw.status !== 200) refused.push(`${name}: HTTP ${raw.status}`)
  }
  return refused.length === 0
    ? passed(probe, 'temperature, top_p, stop, seed')
    : found(probe, 'status_unexpected', refused.join(', '))
}

const SWITCHES: Readonly<Record<string, JsonObject>> = {
  enable_thinking: { enable_thinking: false },
  'extra_body.enable_thinking': { extra_body: { enable_thinking: false } },
  thinking: { thinking: { type: 'disabled' } },
  'chat_template_kwargs.enable_thinking': { chat_template_kwargs: { enable_thinking: false } },
}

function reasoningTokens(usage: JsonObject | null): number {
  const details = usage?.['completion_tokens_details']
  const nested = isJsonObject(details) ? details['reasoning_tokens'] : undefined
  const tokens = usage?.['reasoning_tokens'] ?? nested
  return typeof tokens === 'number' ? tokens : 0
}

/** What reasoning shows by default, whether it can be turned off, and whether any of it gets into the text. */
export async function probeReasoning(
  node: SmokeNode,
  model: string,
  plain: Reading,
): Promise<readonly SmokeRow[]> {
  if (!plain.ok) {
    return ['reasoning.switch', 'reasoning.leak', 'reasoning.budget'].map((probe) =>
      found(probe, 'not_tried', 'no answer to read'),
    )
  }
  const byDefault = plain.answer.reasoning === '' ? 'none by default' : 'shown by default'
  const texts = [plain.answer.content]
  const clean: string[] = []
  for (const [name, members] of Object.entries(SWITCHES)) {
    const { reading } = await ask(node, model, {
      messages: PING,
      max_tokens: PING_TOKENS,
      ...members,
    })
    if (!reading.ok) continue
    const { content, reasoning, usage } = reading.answer
    texts.push(content)
    if (reasoning === '' && reasoningTokens(usage) === 0 && !THINK.test(content)) clean.push(name)
  }
  const page = await ask(node, model, {
    messages: [{ role: 'user', content: 'Write a minimal valid HTML page that says Hello.' }],
    max_tokens: PAGE_TOKENS,
  })
  const leaks = texts.filter((text) => THINK.test(text)).length
  return [
    clean.length === 0
      ? found('reasoning.switch', 'reasoning_stays', byDefault)
      : passed(
          'reasoning.switch',
          // Where there is none, every switch seems to turn it off.
          plain.answer.reasoning === '' && clean.length === Object.keys(SWITCHES).length
            ? 'none by default, and none with any switch'
            : `${byDefault}; off by ${clean.join(', ')}`,
        ),
    leaks > 0
      ? found('reasoning.leak', 'reasoning_leaks', `${leaks} of ${texts.length} answers`)
      : passed('reasoning.leak', `none in ${texts.length} answers`),
    budgetRow(page.reading),
  ]
}

function budgetRow(reading: Reading): SmokeRow {
  const probe = 'reasoning.budget'
  if (!reading.ok) return found(probe, reading.code, reading.seen)
  const { usage } = reading.answer
  const all = usage?.['completion_tokens']
  if (typeof all !== 'number' || all === 0)
    return found(probe, 'usage_missing', 'no completion tokens')
  const seen = `${reasoningTokens(usage)} of ${all} tokens`
  return reasoningTokens(usage) / all > STARVED
    ? found(probe, 'reasoning_starves', seen)
    : passed(probe, seen)
}

function isWeather(args: string): boolean {
  const parsed = parseJsonText(args)
  return parsed.ok && isJsonObject(parsed.value) && typeof parsed.value['city'] === 'string'
}

function toolRow(probe: string, reading: Reading): SmokeRow {
  if (!reading.ok) return found(probe, reading.code, reading.seen)
  const { toolCalls, content, finish } = reading.answer
  if (RAW_TOOL_CALL.test(content)) return found(probe, 'tools_unparsed', 'in the text')
  const [call] = toolCalls
  if (call === undefined)
    return found(probe, 'tools_not_called', `finish reason ${finish ?? 'none'}`)
  if (call.id === '' || call.name !== 'get_weather') {
    return found(probe, 'answer_malformed', 'a call without id, or of another function')
  }
  if (!toolCalls.every(({ args }) => isWeather(args))) {
    return found(probe, 'tool_arguments_invalid', counted(toolCalls.length, 'call'))
  }
  return passed(probe, `${counted(toolCalls.length, 'call')}, finish reason ${finish ?? 'none'}`)
}

/** By the model's own choice, and where it makes none, when required. */
export async function probeTools(
  node: SmokeNode,
  model: string,
  stream: boolean,
): Promise<SmokeRow> {
  const probe = stream ? 'tools.stream' : 'tools.chat'
  const asked = {
    messages: [{ role: 'user', content: 'What is the weather in Tokyo?' }],
    max_tokens: 256,
    tools: WEATHER,
    ...(stream ? { stream } : {}),
  }
  const auto = toolRow(probe, (await ask(node, model, { ...asked, tool_choice: 'auto' })).reading)
  if (auto.code !== 'tools_not_called' && auto.code !== 'status_unexpected') return auto
  const { reading } = await ask(node, model, { ...asked, tool_choice: 'required' })
  const required = toolRow(probe, reading)
  return required.status === 'pass' ? found(probe, 'tools_when_required', required.seen) : required
}
