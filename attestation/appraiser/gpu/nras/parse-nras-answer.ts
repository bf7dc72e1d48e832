/**
 * An answer of NVIDIA's Remote Attestation Service to `/v3/attest` and `/v4/attest`: a detached EAT bundle (RFC 9711 §5),
 * `[["JWT", overall], {"GPU-0": token, …}]`, for switches with `SWITCH-0` and so on.
 *
 * @module
 */
import { isJsonObject, parseJson } from '../../../protocol/json.ts'
import type { JsonValue } from '../../../protocol/json.ts'
import { MAX_GPUS } from '../parse-gpu-evidence.ts'
import { parseCompactToken } from './parse-compact-token.ts'
import type { CompactToken, TokenFault } from './parse-compact-token.ts'

/** Bytes of an answer. One about 8 good GPUs has about 20,000. */
export const MAX_ANSWER_BYTES = 1024 * 1024

/** Which of the two services was asked. */
export type NrasKind = 'gpu' | 'switch'

export interface NrasDeviceToken {
  /** `GPU-0`, `SWITCH-3`. */
  readonly name: string
  readonly index: number
  readonly token: CompactToken
}

/** Read, not yet trusted. */
export interface NrasAnswer {
  readonly overall: CompactToken
  /** By index. At least one, at most 16. */
  readonly devices: readonly NrasDeviceToken[]
}

export interface AnswerFault {
  readonly code: 'nras_answer_malformed' | TokenFault['code']
  readonly detail: string
}

export type AnswerResult =
  { readonly ok: true; readonly answer: NrasAnswer } | ({ readonly ok: false } & AnswerFault)

/** One spelling of each number, so that no device can be listed under two names. */
const NAMES: Readonly<Record<NrasKind, RegExp>> = {
  gpu: /^GPU-(0|[1-9][0-9]?)$/,
  switch: /^SWITCH-(0|[1-9][0-9]?)$/,
}

function malformed(detail: string): AnswerResult {
  return { ok: false, code: 'nras_answer_malformed', detail }
}

/** The value of `input`: bytes are parsed strictly, anything else is taken for a value that was. */
function valueOf(input: unknown): { readonly value: unknown } | { readonly detail: string } {
  if (!(input instanceof Uint8Array)) return { value: input }
  if (input.length > MAX_ANSWER_BYTES) return { detail: `longer than ${MAX_ANSWER_BYTES} bytes` }
  const json = parseJson(input)
  return json.ok ? { value: json.value } : { detail: `not strict JSON: ${json.fault}` }
}

/**
 * Reads an answer and the tokens in it. Never throws; no signature is looked at.
 *
 * @param input the bytes that the service sent, or the value that `parseJson` made of them
 */
export function parseNrasAnswer(input: unknown, kind: NrasKind): AnswerResult {
  const read = valueOf(input)
  if ('detail' in read) return malformed(read.detail)
  if (!Array.isArray(read.value) || read.value.length !== 2) return malformed('not a pair')
  const [first, map] = read.value as readonly unknown[]
  if (!Array.isArray(first) || first.length !== 2) return malformed('no overall token')
  const [label, overallText] = first as readonly unknown[]
  if (label !== 'JWT' || typeof overallText !== 'string') return malformed('no overall token')
  if (!isJsonObject(map)) return malformed('no device tokens')
  const entries: readonly [string, unknown][] = Object.entries(map)
  if (entries.length === 0 || entries.length > MAX_GPUS) {
    return malformed(`${entries.length} device tokens, not 1 to ${MAX_GPUS}`)
  }
  const overall = parseCompactToken(overallText)
  if (!overall.ok) return { ...overall, detail: `overall: ${overall.detail}` }
  const devices: NrasDeviceToken[] = []
  for (const [name, text] of entries) {
    const index = NAMES[kind].exec(name)?.[1]
    if (index === undefined) return malformed(`a device named ${name.slice(0, 32)}`)
    if (typeof text !== 'string') return malformed(`${name} is no token`)
    const parsed = parseCompactToken(text)
    if (!parsed.ok) return { ...parsed, detail: `${name}: ${parsed.detail}` }
    devices.push({ name, index: Number(index), token: parsed.token })
  }
  devices.sort((a, b) => a.index - b.index)
  return { ok: true, answer: { overall: overall.token, devices } }
}

/** Whether a value looks like an answer of the service and like nothing else that is judged here. */
export function isNrasFile(value: JsonValue): boolean {
  if (!Array.isArray(value)) return false
  const [first] = value as readonly JsonValue[]
  return Array.isArray(first) && first[0] === 'JWT'
}

/** The kind of device that an answer speaks of, by the names in it; gpu where they are unclear, which is then refused. */
export function nrasKindOf(input: Uint8Array): NrasKind {
  const parsed = parseJson(input)
  const tokens = parsed.ok && Array.isArray(parsed.value) ? (parsed.value[1] as JsonValue) : null
  const names = isJsonObject(tokens) ? Object.keys(tokens) : []
  return names.length > 0 && names.every((name) => NAMES.switch.test(name)) ? 'switch' : 'gpu'
}
