/**
 * What the service and the process that calls the driver say to one another: one JSON document a line, one answer for
 * each request, both strictly parsed and bounded. A library that scribbled over that process can only break it.
 *
 * ```
 * → {"call":"open","id":1,"library":"/usr/lib64/libnvidia-ml.so.1"}   ← {"code":0,"id":1,"out":""}
 * → {"call":"device","device":0,"id":2}                               ← {"fault":"library","id":1}
 * → {"call":"report","device":0,"id":3,"nonce":"<64 hex>"}            ← {"code":0,"id":3,"out":"<base64>"}
 * ```
 *
 * @module
 */
import { decodeBase64 } from '../../protocol/base64.ts'
import { isHex32 } from '../../protocol/hex.ts'
import type { Hex32 } from '../../protocol/hex.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { MAX_DEVICES, NVML_CALLS, isNvmlCallName } from './nvml-calls.ts'
import type { NvmlCallName, NvmlReturn } from './nvml-calls.ts'

/** A path at most. */
export const MAX_REQUEST_BYTES = 4_096
/** The largest buffer in base64 with its frame. */
export const MAX_ANSWER_BYTES = 20_480

export type NvmlRequest =
  | { readonly call: 'open'; readonly id: number; readonly library: string }
  /** Looks up the handle of a device, which its calls then use. */
  | { readonly call: 'device'; readonly id: number; readonly device: number }
  | {
      readonly call: NvmlCallName
      readonly id: number
      /** Index; null for calls that concern no single device. */
      readonly device: number | null
      /** Of `report` alone. */
      readonly nonce: Hex32 | null
    }

/** Why nothing could be called. */
export const NVML_FAULTS = Object.freeze([
  ...(['binding', 'confinement', 'library', 'function', 'request'] as const),
])
export type NvmlFault = (typeof NVML_FAULTS)[number]

export type NvmlAnswer =
  | { readonly id: number; readonly code: NvmlReturn; readonly out: Uint8Array }
  | { readonly id: number; readonly fault: NvmlFault }

function isCount(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
}

function hasExactly(object: JsonObject, names: readonly string[]): boolean {
  const found = Object.keys(object)
  return found.length === names.length && names.every((name) => Object.hasOwn(object, name))
}

function readObject(line: Uint8Array): JsonObject | null {
  const parsed = parseJson(line)
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : null
}

/** @returns null for anything that is not exactly one request */
export function parseRequest(line: Uint8Array): NvmlRequest | null {
  const message = readObject(line)
  if (message === null) return null
  const { call, id, device, library, nonce } = message as Readonly<Record<string, unknown>>
  if (!isCount(id, Number.MAX_SAFE_INTEGER)) return null
  if (call === 'open') {
    if (typeof library !== 'string' || !library.startsWith('/')) return null
    return hasExactly(message, ['call', 'id', 'library']) ? { call, id, library } : null
  }
  if (call === 'device') {
    if (!isCount(device, MAX_DEVICES - 1)) return null
    return hasExactly(message, ['call', 'device', 'id']) ? { call, id, device } : null
  }
  if (!isNvmlCallName(call)) return null
  const names = ['call', 'id']
  if (NVML_CALLS[call].device) {
    names.push('device')
    if (!isCount(device, MAX_DEVICES - 1)) return null
  }
  if (call === 'report') {
    names.push('nonce')
    if (!isHex32(nonce)) return null
  }
  if (!hasExactly(message, names)) return null
  return {
    call,
    id,
    device: isCount(device, MAX_DEVICES - 1) ? device : null,
    nonce: isHex32(nonce) ? nonce : null,
  }
}

/** @param bytes how many the call gives back when it succeeds @returns null for anything that is not exactly one answer */
export function parseAnswer(line: Uint8Array, bytes: number): NvmlAnswer | null {
  const message = readObject(line)
  if (message === null) return null
  const { id, code, out, fault } = message as Readonly<Record<string, unknown>>
  if (!isCount(id, Number.MAX_SAFE_INTEGER)) return null
  if (fault !== undefined) {
    const known = NVML_FAULTS.find((name) => name === fault)
    return known !== undefined && hasExactly(message, ['fault', 'id']) ? { id, fault: known } : null
  }
  if (!isCount(code, 0x7fff_ffff) || typeof out !== 'string') return null
  if (!hasExactly(message, ['code', 'id', 'out'])) return null
  const decoded = decodeBase64(out)
  if (decoded === null || decoded.length !== (code === 0 ? bytes : 0)) return null
  return { id, code, out: decoded }
}

/** Cuts what comes into lines. @returns false from the first line on that is longer than allowed */
export function createLineReader(
  maxBytes: number,
  onLine: (line: Uint8Array) => void,
): (piece: Uint8Array) => boolean {
  let held = Buffer.alloc(0)
  return (piece) => {
    held = Buffer.concat([held, piece])
    for (let end = held.indexOf(0x0a); end >= 0; end = held.indexOf(0x0a)) {
      if (end > maxBytes) return false
      const line = held.subarray(0, end)
      held = held.subarray(end + 1)
      onLine(line)
    }
    return held.length <= maxBytes
  }
}
