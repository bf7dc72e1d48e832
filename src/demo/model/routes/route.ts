/**
 * What every route of the demo model besides chat is given.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { isJsonObject, parseJson } from '../../../../attestation/protocol/json.ts'
import type { JsonObject, JsonValue } from '../../../../attestation/protocol/json.ts'
import type { DemoError } from '../error-body.ts'
import { badShape, unknownModel } from '../error-body.ts'
import type { DemoChoice } from '../generate-choices.ts'
import { generateChoices } from '../generate-choices.ts'
import type { ChatCall } from '../read-chat-call.ts'
import { readChatCall } from '../read-chat-call.ts'
import type { Reply } from '../reply.ts'

export interface RouteContext {
  /** Names it answers to; answers carry the first. */
  readonly models: readonly string[]
  readonly model: string
  /** Unix seconds. */
  readonly created: number
  /** Of this request: `X-Request-Id`, or random. */
  readonly requestId: string
  /** Of the request; with the boundary where it is multipart. */
  readonly contentType: string
}

export type Route = (body: Buffer, context: RouteContext) => Reply | Promise<Reply>

export type Read =
  | { readonly ok: true; readonly request: JsonObject }
  | { readonly ok: false; readonly error: DemoError }

/** A JSON body that names a model of this server, or none. */
export function readRequest(body: Buffer, models: readonly string[]): Read {
  const parsed = parseJson(body)
  if (!parsed.ok || !isJsonObject(parsed.value)) {
    const msg = 'Input should be a valid dictionary or object to extract fields from'
    return { ok: false, error: badShape('model_attributes_type', 'body', msg, null) }
  }
  const request = parsed.value
  const { model } = request
  if (typeof model === 'string' && model !== '' && !models.includes(model)) {
    return { ok: false, error: unknownModel(model) }
  }
  return { ok: true, request }
}

export type Generated =
  | { readonly ok: true; readonly call: ChatCall; readonly choices: readonly DemoChoice[] }
  | { readonly ok: false; readonly error: DemoError }

/** What the model says to a chat request. The other generating routes turn theirs into one, as vLLM does for messages. */
export function generate(request: JsonObject, models: readonly string[]): Generated {
  const result = readChatCall(Buffer.from(JSON.stringify(request)), models)
  if (!result.ok) return result
  return { ok: true, call: result.call, choices: generateChoices(result.call) }
}

/** The members of `from` that are there, under other names. */
export function renamed(from: JsonObject, names: Readonly<Record<string, string>>): JsonObject {
  const found: Record<string, JsonValue> = {}
  for (const [name, as] of Object.entries(names)) {
    const value = from[name]
    if (value !== undefined && value !== null) found[as] = value
  }
  return found
}

/** The text of one content: a string, or the texts of its parts. */
export function textOf(content: JsonValue | undefined): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return (content as readonly JsonValue[])
    .map((part) => (isJsonObject(part) && typeof part['text'] === 'string' ? part['text'] : ''))
    .join('')
}

/** A repeatable number in [0, 1) for a text. */
export function fraction(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
}

/** About four bytes a token, at least one. */
export function tokensOf(text: string): number {
  return Math.max(1, Math.ceil(Buffer.byteLength(text) / 4))
}
