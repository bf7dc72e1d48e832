/**
 * The demo model itself: text, reasoning and tool calls drawn from a small word list by a seeded generator.
 *
 * Every text of eight words or more has characters of one to four UTF-8 bytes, so that a relay that cuts or decodes at
 * chunk borders shows itself. Equal seed and equal messages give equal text.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { JsonObject } from '../../../attestation/protocol/json.ts'
import { isJsonObject } from '../../../attestation/protocol/json.ts'
import type { ChatCall, DemoTool } from './read-chat-call.ts'
import type { TokenLogprobs } from './wire.ts'

const PLAIN_WORDS =
  'the enclave signs every answer before its last byte leaves so a quiet reader may check it again years later'.split(
    ' ',
  )
/** Emoji, single and as sequences of code points; three bytes a character; two bytes, right-to-left, combining. */
const WIDE_WORDS = [
  ['🙂', '👩‍🚀', '🇫🇮'],
  ['東京', '안녕', 'ไทย'],
  ['Grüße', 'кот', 'Ωμέγα', 'שלום', 'e\u0301te\u0301'],
]
/** Text of the token that ends a turn; it is counted and has a log probability, but no text is sent. */
const END_OF_TURN = '<|im_end|>'
const MIN_CONTENT_TOKENS = 8
const CONTENT_TOKEN_SPREAD = 12
const REASONING_TOKENS = 6
/** Code points of a streamed piece of tool arguments. */
const ARGUMENT_PIECE = 5

/** One generated token. `logprob` is null unless the request asked for log probabilities. */
export type Piece = { readonly logprobs: TokenLogprobs | null } & (
  | { readonly kind: 'reasoning' | 'content' | 'end'; readonly text: string }
  | {
      readonly kind: 'tool_name'
      readonly index: number
      readonly id: string
      readonly text: string
    }
  | { readonly kind: 'tool_arguments'; readonly index: number; readonly text: string }
)

/** `finish` is the engine's reason; with `error` the answer never ends regularly. */
export interface DemoChoice {
  readonly index: number
  readonly pieces: readonly Piece[]
  readonly finish: 'stop' | 'length' | 'abort' | 'error'
  /** The stop string that ended the text. */
  readonly stopReason: string | null
}

type Draw = (bound: number) => number
type Bare = Piece extends infer P ? (P extends Piece ? Omit<P, 'logprobs'> : never) : never

/** Generates all choices of a request. */
export function generateChoices(call: ChatCall): readonly DemoChoice[] {
  return Array.from({ length: call.n }, (_, index) => generateChoice(call, index))
}

function generateChoice(call: ChatCall, index: number): DemoChoice {
  const draw = seededDraw(`${call.seed}\0${String(index)}`)
  const bare: Bare[] = []
  if (call.markers.reasoning) {
    for (const text of words(draw, REASONING_TOKENS)) bare.push({ kind: 'reasoning', text })
  }
  const called = toolsToCall(call)
  const length =
    call.markers.tokens ?? (called.length > 0 ? 0 : MIN_CONTENT_TOKENS + draw(CONTENT_TOKEN_SPREAD))
  const { texts, stopReason } = untilStop(words(draw, length), call.stop)
  for (const text of texts) bare.push({ kind: 'content', text })
  if (stopReason === null) bare.push(...called.flatMap((tool, i) => toolPieces(draw, tool, i)))

  const { pieces, finish } = finishPieces(bare, call, stopReason !== null)
  return {
    index,
    pieces: pieces.map((piece): Piece => {
      return { ...piece, logprobs: call.logprobs ? drawLogprobs(draw, piece.text, call) : null }
    }),
    finish,
    stopReason: finish === 'stop' ? stopReason : null,
  }
}

/** A stop string and a length stop end on a token with text; only a regular end has the token that ends the turn. */
function finishPieces(
  bare: readonly Bare[],
  call: ChatCall,
  isStopped: boolean,
): { readonly pieces: readonly Bare[]; readonly finish: DemoChoice['finish'] } {
  const { abort, error } = call.markers
  if (abort || error) {
    const half = Math.min(call.maxTokens, Math.ceil(bare.length / 2))
    return { pieces: bare.slice(0, half), finish: error ? 'error' : 'abort' }
  }
  if (bare.length > call.maxTokens || (bare.length === call.maxTokens && !isStopped)) {
    return { pieces: bare.slice(0, call.maxTokens), finish: 'length' }
  }
  if (isStopped) return { pieces: bare, finish: 'stop' }
  return { pieces: [...bare, { kind: 'end', text: END_OF_TURN }], finish: 'stop' }
}

function toolsToCall(call: ChatCall): readonly DemoTool[] {
  const { toolChoice, tools } = call
  if (toolChoice.kind === 'none') return []
  if (toolChoice.kind === 'named') return tools.filter((tool) => tool.name === toolChoice.name)
  const asked =
    toolChoice.kind === 'required' ? Math.max(1, call.markers.toolCalls) : call.markers.toolCalls
  const count = call.parallelToolCalls ? asked : Math.min(asked, 1)
  return Array.from({ length: count }, (_, i) => tools[i % tools.length]).filter(
    (tool) => tool !== undefined,
  )
}

function toolPieces(draw: Draw, tool: DemoTool, index: number): Bare[] {
  const id = `chatcmpl-tool-${hex64(draw)}`
  const codePoints = Array.from(toolArguments(draw, tool.parameters))
  const pieces: Bare[] = [{ kind: 'tool_name', index, id, text: tool.name }]
  for (let i = 0; i < codePoints.length; i += ARGUMENT_PIECE) {
    const text = codePoints.slice(i, i + ARGUMENT_PIECE).join('')
    pieces.push({ kind: 'tool_arguments', index, text })
  }
  return pieces
}

/** Arguments for the declared properties, spelled as models do (a space after colon and comma). */
function toolArguments(draw: Draw, parameters: JsonObject): string {
  const properties = isJsonObject(parameters['properties']) ? parameters['properties'] : {}
  const members = Object.entries(properties).map(([name, schema]) => {
    return `${JSON.stringify(name)}: ${argument(draw, isJsonObject(schema) ? schema : {})}`
  })
  return `{${members.join(', ')}}`
}

function argument(draw: Draw, schema: JsonObject): string {
  const options: unknown = schema['enum']
  if (Array.isArray(options) && options.length > 0) {
    return JSON.stringify(options[draw(options.length)])
  }
  switch (schema['type']) {
    case 'integer':
      return String(draw(100))
    case 'number':
      return `${String(draw(100))}.5`
    case 'boolean':
      return draw(2) === 0 ? 'true' : 'false'
    case 'array':
      return '[]'
    case 'object':
      return '{}'
    default:
      return JSON.stringify(pick(draw, WIDE_WORDS.flat()))
  }
}

function words(draw: Draw, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    // Every other word is wide, each kind in turn, so that eight words already have all of them.
    const wide = i % 2 === 1 ? WIDE_WORDS[((i - 1) / 2) % WIDE_WORDS.length] : undefined
    const word = pick(draw, wide ?? PLAIN_WORDS)
    return i === 0 ? word : ` ${word}`
  })
}

/** Cuts before the first stop string, which is not part of the text (include_stop_str_in_output is false). */
function untilStop(
  texts: readonly string[],
  stop: readonly string[],
): { readonly texts: readonly string[]; readonly stopReason: string | null } {
  const whole = texts.join('')
  let at = -1
  let stopReason: string | null = null
  for (const candidate of stop) {
    const found = whole.indexOf(candidate)
    if (found !== -1 && (at === -1 || found < at)) {
      at = found
      stopReason = candidate
    }
  }
  if (stopReason === null) return { texts, stopReason }
  const kept: string[] = []
  let length = 0
  for (const text of texts) {
    kept.push(text.slice(0, Math.max(0, at - length)))
    length += text.length
    if (length >= at + stopReason.length) break
  }
  return { texts: kept, stopReason }
}

function drawLogprobs(draw: Draw, token: string, call: ChatCall): TokenLogprobs {
  const alternatives = [token, ...words(draw, call.topLogprobs)].slice(0, call.topLogprobs)
  // Never a whole number: Python and JavaScript spell those differently.
  const best = -(draw(900) + 1) / 1024
  const entry = (text: string, rank: number) => ({
    token: text,
    logprob: best - rank,
    bytes: [...Buffer.from(text)],
  })
  return { ...entry(token, 0), top_logprobs: alternatives.map(entry) }
}

function pick(draw: Draw, from: readonly string[]): string {
  return from[draw(from.length)] ?? ''
}

function hex64(draw: Draw): string {
  const half = () =>
    draw(2 ** 32)
      .toString(16)
      .padStart(8, '0')
  return half() + half()
}

/** Numbers below a bound from SHA-256 of a counter; the bias for bounds that do not divide 2^32 does not matter here. */
function seededDraw(seed: string): Draw {
  let block: Buffer = Buffer.alloc(0)
  let offset = 0
  let counter = 0
  return (bound) => {
    if (offset === block.length) {
      block = createHash('sha256')
        .update(`${seed}\0${String(counter++)}`)
        .digest()
      offset = 0
    }
    const value = block.readUInt32BE(offset)
    offset += 4
    return value % bound
  }
}
