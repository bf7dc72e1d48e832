/**
 * Files in which GPU evidence travels, read into the one list that `verifyGpuEvidence` takes:
 *
 * ```
 * [{"arch", "nonce"?, "certificate", "evidence"}, …]                               NVIDIA's collectors, Countersign's list
 * {"nonce", "arch", "evidence_list": [{"certificate", "evidence"}, …]}             a request to NVIDIA's service (NRAS)
 * {"result_code": 0, "result_message", "evidences": [{"arch", "nonce", …}, …]}     `nvattest collect-evidence --format json`
 * ```
 *
 * A nonce in a file is text that nobody signed. It is handed out for comparison with the one that the caller chose.
 *
 * @module
 */
import { fromHex, toHex } from '../../protocol/hex.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import type { JsonObject, JsonValue } from '../../protocol/json.ts'
import { objectOf, textOf, Unreadable } from '../read-members.ts'
import { parseNrasPayload } from './parse-nras-payload.ts'
import { NONCE_BYTES } from './parse-spdm-report.ts'

/** Bytes of a file; a device has about 12 kB, with report and chain as large as their buffers 19 kB. */
export const MAX_GPU_FILE_BYTES = 1024 * 1024
/** More elements than any list that is judged, so that the list itself is what is called too long. */
const MAX_ELEMENTS = 64
const MAX_MESSAGE = 1024
/** Characters of a result that are quoted. */
const MAX_SHOWN = 64
/** What the service assumes where a list names no architecture. The certificates are held against it. */
const DEFAULT_ARCHITECTURE = 'HOPPER'

export type GpuFileResult =
  | {
      readonly ok: true
      /** As `verifyGpuEvidence` takes it; what stands in the elements is judged there. */
      readonly list: readonly unknown[]
      /** Lower-case hex, each different one once. Unsigned. */
      readonly statedNonces: readonly string[]
    }
  | {
      readonly ok: false
      readonly code: 'gpu_file_malformed' | 'gpu_collection_failed'
      readonly detail: string
    }

function nonceOf(value: JsonValue | undefined, where: string): string | null {
  if (value === undefined) return null
  const bytes = typeof value === 'string' ? fromHex(value.toLowerCase()) : null
  if (bytes?.length !== NONCE_BYTES) throw new Unreadable(`${where} is not 64 hex digits`)
  return toHex(bytes)
}

function elementsOf(items: readonly JsonValue[]): GpuFileResult {
  if (items.length > MAX_ELEMENTS) throw new Unreadable(`over ${MAX_ELEMENTS} elements`)
  const nonces = new Set<string>()
  const list = items.map((item, index) => {
    const where = `element ${index}`
    const given = objectOf(item, where, ['certificate', 'evidence'], ['arch', 'nonce'])
    const { nonce, ...element } = given
    const stated = nonceOf(nonce, `the nonce of ${where}`)
    if (stated !== null) nonces.add(stated)
    return { arch: DEFAULT_ARCHITECTURE, ...element }
  })
  return { ok: true, list, statedNonces: [...nonces] }
}

/** @throws Unreadable */
function collected(file: JsonObject): GpuFileResult {
  const { evidences, result_code: result } = objectOf(
    file,
    'the file',
    ['evidences'],
    ['result_code', 'result_message'],
  )
  const message = textOf(file['result_message'] ?? '', 'result_message', MAX_MESSAGE)
  // A collector that failed may still print what it had; one that does not say is not taken to have succeeded.
  if (result !== 0) {
    const said =
      result === undefined
        ? 'no result_code'
        : `result_code ${JSON.stringify(result).slice(0, MAX_SHOWN)}`
    const detail = message === '' ? said : `${said}: ${message}`
    return { ok: false, code: 'gpu_collection_failed', detail }
  }
  if (!Array.isArray(evidences)) throw new Unreadable('evidences is no list')
  return elementsOf(evidences as readonly JsonValue[])
}

function requested(file: JsonObject): GpuFileResult {
  const payload = parseNrasPayload(file)
  if (!payload.ok) throw new Unreadable(payload.detail)
  return { ok: true, list: payload.evidence, statedNonces: [toHex(payload.nonce)] }
}

/** Reads the value of one file. Never throws. */
export function readGpuFile(value: JsonValue): GpuFileResult {
  try {
    if (Array.isArray(value)) return elementsOf(value as readonly JsonValue[])
    if (!isJsonObject(value)) throw new Unreadable('neither a list nor an object')
    // Told apart by the one member that each kind has: a file with both would be read in two ways.
    if ('evidence_list' in value) return requested(value)
    if ('evidences' in value || 'result_code' in value) return collected(value)
    throw new Unreadable('neither evidence_list nor evidences is there')
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { ok: false, code: 'gpu_file_malformed', detail: error.message }
  }
}

/** {@link readGpuFile} from its bytes. Never throws. */
export function parseGpuFile(bytes: Uint8Array): GpuFileResult {
  const malformed = (detail: string): GpuFileResult => ({
    ok: false,
    code: 'gpu_file_malformed',
    detail,
  })
  if (bytes.length > MAX_GPU_FILE_BYTES) return malformed(`over ${MAX_GPU_FILE_BYTES} bytes`)
  const parsed = parseJson(bytes)
  return parsed.ok ? readGpuFile(parsed.value) : malformed(`not strict JSON: ${parsed.fault}`)
}

/** Whether a value looks like a file of GPU evidence and like nothing else that is judged here. */
export function isGpuFile(value: JsonValue): boolean {
  if (Array.isArray(value)) {
    const [first] = value as readonly JsonValue[]
    return isJsonObject(first) && 'evidence' in first && 'certificate' in first
  }
  return isJsonObject(value) && ('evidence_list' in value || 'evidences' in value)
}
