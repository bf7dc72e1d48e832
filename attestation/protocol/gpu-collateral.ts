/**
 * GPU collateral: what NVIDIA signs about devices and hands out beside their reports, as one JSON document.
 *
 * ```
 * {"rims": [{"id": "NV_GPU_DRIVER_GH100_550.144.03", "rim": "<base64 of the SWID tag as served>"}, …],
 *  "ocsp": ["<base64 of a DER OCSPResponse>", …]}
 * ```
 *
 * The signed bytes stay exactly those that were received. An id is the name by which NVIDIA's RIM service was asked: a
 * label for finding a file, which proves nothing; what a RIM is for stands in what is signed.
 *
 * @module
 */
import { decodeBase64 } from './base64.ts'
import { isJsonObject, parseJson } from './json.ts'
import type { JsonValue } from './json.ts'

/** Longest document accepted. Eight GPUs and four switches of one kind need about 200 kB. */
export const MAX_GPU_COLLATERAL_BYTES = 2 * 1024 * 1024
/** RIMs in it: one driver, and a VBIOS for each device of a machine with no two alike. */
export const MAX_RIMS = 33
/** Longest SWID tag; NVIDIA's have 20 to 26 kB. */
export const MAX_RIM_BYTES = 64 * 1024
/** Responses in it: one for each certificate that is no root, of sixteen devices and of three RIM signers, and room. */
export const MAX_OCSP_RESPONSES = 128
/** Longest response, responder's certificate included; NVIDIA's have about 2 kB. */
export const MAX_OCSP_BYTES = 16 * 1024

export interface NamedRim {
  /** Of the RIM service, e.g. `NV_GPU_VBIOS_1010_0200_882_96005E0001`. Unsigned. */
  readonly id: string
  /** Base64 of the SWID tag as served. */
  readonly rim: string
}

export interface GpuCollateral {
  readonly rims: readonly NamedRim[]
  /** Base64 of DER, each an OCSPResponse (RFC 6960 §4.2.1). */
  readonly ocsp: readonly string[]
}

export type GpuCollateralResult =
  | { readonly ok: true; readonly collateral: GpuCollateral }
  | { readonly ok: false; readonly detail: string }

/** The type of this collateral among the entries of a document's `evidence.collateral`: `{"type": "nvidia", "value": {…}}`. */
export const NVIDIA_ENTRY_TYPE = 'nvidia'

const RIM_ID = /^[A-Z0-9][A-Z0-9_.]{0,127}$/

/** An id as the RIM service has them; a client may safely put it into a path. */
export function isRimId(value: unknown): value is string {
  return typeof value === 'string' && RIM_ID.test(value)
}

function isBase64(value: unknown, maxBytes: number): value is string {
  // Bounded before decoding, so that a huge text costs nothing.
  if (typeof value !== 'string' || value.length > Math.ceil(maxBytes / 3) * 4) return false
  const bytes = decodeBase64(value)
  return bytes !== null && bytes.length > 0 && bytes.length <= maxBytes
}

function hasExactly(value: JsonValue, names: readonly string[]): boolean {
  return (
    isJsonObject(value) &&
    Object.keys(value).length === names.length &&
    names.every((name) => Object.hasOwn(value, name))
  )
}

/** @returns a detail where it is no RIM */
function readRim(value: JsonValue, index: number): NamedRim | string {
  if (!isJsonObject(value) || !hasExactly(value, ['id', 'rim'])) {
    return `rims[${index}] is not exactly id and rim`
  }
  const { id, rim } = value
  if (!isRimId(id)) return `rims[${index}].id is no id of a RIM`
  if (!isBase64(rim, MAX_RIM_BYTES)) {
    return `rims[${index}].rim is not base64 of 1 to ${MAX_RIM_BYTES} bytes`
  }
  return Object.freeze({ id, rim })
}

/**
 * Reads a parsed document into a frozen copy. No signature is looked at. Never throws.
 *
 * @param value a JSON value of any origin
 */
export function readGpuCollateral(value: JsonValue | undefined): GpuCollateralResult {
  const malformed = (detail: string): GpuCollateralResult => ({ ok: false, detail })
  if (!isJsonObject(value) || !hasExactly(value, ['rims', 'ocsp'])) {
    return malformed('the GPU collateral is not exactly rims and ocsp')
  }
  const { rims, ocsp } = value
  if (!Array.isArray(rims) || rims.length > MAX_RIMS) {
    return malformed(`rims is not a list of at most ${MAX_RIMS}`)
  }
  if (!Array.isArray(ocsp) || ocsp.length > MAX_OCSP_RESPONSES) {
    return malformed(`ocsp is not a list of at most ${MAX_OCSP_RESPONSES}`)
  }
  const named: NamedRim[] = []
  for (const [index, item] of (rims as readonly JsonValue[]).entries()) {
    const rim = readRim(item, index)
    if (typeof rim === 'string') return malformed(rim)
    // Two files under one name: each reader would pick another one.
    if (named.some(({ id }) => id === rim.id)) return malformed(`${rim.id} is listed twice`)
    named.push(rim)
  }
  const responses: string[] = []
  for (const [index, item] of (ocsp as readonly JsonValue[]).entries()) {
    if (!isBase64(item, MAX_OCSP_BYTES)) {
      return malformed(`ocsp[${index}] is not base64 of 1 to ${MAX_OCSP_BYTES} bytes`)
    }
    if (responses.includes(item)) return malformed(`ocsp[${index}] is listed twice`)
    responses.push(item)
  }
  return {
    ok: true,
    collateral: Object.freeze({ rims: Object.freeze(named), ocsp: Object.freeze(responses) }),
  }
}

/** {@link readGpuCollateral} from the bytes of a file. Never throws. */
export function parseGpuCollateral(bytes: Uint8Array): GpuCollateralResult {
  if (bytes.length > MAX_GPU_COLLATERAL_BYTES) {
    return { ok: false, detail: `longer than ${MAX_GPU_COLLATERAL_BYTES} bytes` }
  }
  const parsed = parseJson(bytes)
  return parsed.ok
    ? readGpuCollateral(parsed.value)
    : { ok: false, detail: `not strict JSON: ${parsed.fault}` }
}
