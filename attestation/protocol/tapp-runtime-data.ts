/**
 * `runtime_data`: the JSON text of 0G's TAPP (0g-tapp 0.4 to 0.9, `tapp-common/src/report_data.rs`) that a quote is made over.
 *
 * ```
 * {"nonce":"0x…","signer":"0x…","tls_public_key":"0x…"}     lower-case hex; nonce and tls_public_key are absent where empty
 * report_data = SHA-512(the bytes as TAPP wrote them)
 * ```
 *
 * The nonce is what the caller asked for: here the SHA-512 of a statement, which for other platforms is the report data itself.
 * Exactly these members: one that is not known here could say to somebody else what the quote is for.
 *
 * @module
 */
import { fromHex, toHex } from './hex.ts'
import { isJsonObject, parseJson } from './json.ts'
import type { JsonValue } from './json.ts'

/** Bytes of the text; TAPP's own has at most about 300. */
export const MAX_RUNTIME_DATA_BYTES = 1024
/** Bytes of a nonce at most; SHA-512 fills them. */
export const MAX_TAPP_NONCE = 64
const ADDRESS_BYTES = 20
const SHA256_BYTES = 32

export interface TappRuntimeData {
  /** 1 to 64 bytes; null where whoever asked sent none. */
  readonly nonce: Uint8Array | null
  /** Lower-case `0x` address of the app's key of this boot. */
  readonly signer: string
  /** Lower-case hex: SHA-256 of the SubjectPublicKeyInfo of the TLS key that TAPP gave the app; null where it asked for none. */
  readonly tlsPublicKey: string | null
}

export type TappRuntimeDataResult =
  | { readonly ok: true; readonly data: TappRuntimeData }
  | { readonly ok: false; readonly detail: string }

const MEMBERS: ReadonlySet<string> = new Set(['nonce', 'signer', 'tls_public_key'])

/** @returns undefined where the member is absent, null where it is no `0x` and lower-case hex, or empty */
function hexOf(value: JsonValue | undefined): Uint8Array | null | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || !value.startsWith('0x')) return null
  const bytes = fromHex(value.slice(2))
  return bytes === null || bytes.length === 0 ? null : bytes
}

/**
 * Reads the text. Never throws. That a quote covers it is for the caller to check, before it believes any of it.
 *
 * @param bytes as received
 */
export function parseTappRuntimeData(bytes: Uint8Array): TappRuntimeDataResult {
  const malformed = (detail: string): TappRuntimeDataResult => ({ ok: false, detail })
  if (bytes.length > MAX_RUNTIME_DATA_BYTES) {
    return malformed(`longer than ${MAX_RUNTIME_DATA_BYTES} bytes`)
  }
  const parsed = parseJson(bytes)
  if (!parsed.ok) return malformed(parsed.fault)
  if (!isJsonObject(parsed.value)) return malformed('not an object')
  if (Object.keys(parsed.value).some((name) => !MEMBERS.has(name))) {
    return malformed('a member that is not known')
  }
  const nonce = hexOf(parsed.value['nonce'])
  if (nonce === null || (nonce?.length ?? 0) > MAX_TAPP_NONCE) return malformed('nonce')
  const signer = hexOf(parsed.value['signer'])
  if (signer?.length !== ADDRESS_BYTES) return malformed('signer')
  const tls = hexOf(parsed.value['tls_public_key'])
  if (tls === null || (tls !== undefined && tls.length !== SHA256_BYTES)) {
    return malformed('tls_public_key')
  }
  return {
    ok: true,
    data: {
      nonce: nonce ?? null,
      signer: `0x${toHex(signer)}`,
      tlsPublicKey: tls === undefined ? null : toHex(tls),
    },
  }
}
