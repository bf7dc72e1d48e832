/**
 * The keyset: every public key a verifier relies on, in the shape of ACI (`aci/1`). The role of a key is in `algo`;
 * a stranger who knows only ACI uses the `ed25519` entry and ignores the rest.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import { toSha256Digest } from './hex.ts'
import type { Sha256Digest } from './hex.ts'
import { canonicalBytes } from './jcs.ts'
import { isJsonObject } from './json.ts'

export const ACI_RECEIPT_ALGO = 'ed25519'
export const LEGACY_ED25519_ALGO = 'countersign-legacy-ed25519'
export const LOG_ALGO = 'countersign-log-ed25519'
export const HTTP_ALGO = 'countersign-http-ed25519'
export const COSE_ALGO = 'countersign-cose-ed25519'
export const EIP191_ALGO = 'countersign-eip191-secp256k1'

/** Entries that one list of a keyset may hold. */
export const MAX_KEYSET_ENTRIES = 32
/** Length of any text in a keyset. */
export const MAX_KEYSET_TEXT = 512

export interface KeysetKey {
  readonly key_id: string
  readonly algo: string
  /** Lower-case hex: 32 bytes for Ed25519, the 33-byte compressed point for secp256k1. */
  readonly public_key: string
}

export interface TlsKey {
  readonly spki_sha256: string
  readonly domain?: string
}

export interface Keyset {
  readonly subject: string | null
  /** Unix seconds; refused afterwards. */
  readonly not_after: number
  readonly receipt_signing_keys: readonly KeysetKey[]
  readonly e2ee_public_keys: readonly KeysetKey[]
  readonly tls_public_keys: readonly TlsKey[]
}

/** `sha256:` over the JCS of the keyset. */
export function keysetDigest(keyset: Keyset, crypto: CryptoPort): Sha256Digest {
  return toSha256Digest(crypto.sha256(canonicalBytes(keyset)))
}

export type KeysetResult =
  { readonly ok: true; readonly keyset: Keyset } | { readonly ok: false; readonly detail: string }

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_KEYSET_TEXT
}

function hasExactly(object: object, required: readonly string[], optional: readonly string[] = []) {
  const names = Object.keys(object)
  return (
    required.every((name) => names.includes(name)) &&
    names.every((name) => required.includes(name) || optional.includes(name))
  )
}

function parseKeys(value: unknown): KeysetKey[] | null {
  if (!Array.isArray(value) || value.length > MAX_KEYSET_ENTRIES) return null
  const keys: KeysetKey[] = []
  for (const item of value as unknown[]) {
    if (!isJsonObject(item) || !hasExactly(item, ['key_id', 'algo', 'public_key'])) return null
    const { key_id, algo, public_key } = item
    if (!isText(key_id) || !isText(algo) || !isText(public_key)) return null
    if (!/^(?:[0-9a-f]{2})+$/.test(public_key)) return null
    keys.push({ key_id, algo, public_key })
  }
  return keys
}

function parseTlsKeys(value: unknown): TlsKey[] | null {
  if (!Array.isArray(value) || value.length > MAX_KEYSET_ENTRIES) return null
  const keys: TlsKey[] = []
  for (const item of value as unknown[]) {
    if (!isJsonObject(item) || !hasExactly(item, ['spki_sha256'], ['domain'])) return null
    const { spki_sha256, domain } = item
    if (typeof spki_sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(spki_sha256)) return null
    if (domain === undefined) keys.push({ spki_sha256 })
    else if (isText(domain)) keys.push({ spki_sha256, domain })
    else return null
  }
  return keys
}

/** Parses a keyset; unknown members, repeated key ids and one key under two roles are refused. */
export function parseKeyset(value: unknown): KeysetResult {
  const no = (detail: string): KeysetResult => ({ ok: false, detail })
  if (!isJsonObject(value)) return no('the keyset is not an object')
  const members = [
    'subject',
    'not_after',
    'receipt_signing_keys',
    'e2ee_public_keys',
    'tls_public_keys',
  ]
  if (!hasExactly(value, members)) return no('the keyset has missing or unknown members')
  const { subject, not_after } = value
  if (subject !== null && !isText(subject)) return no('subject is neither null nor a text')
  if (typeof not_after !== 'number' || !Number.isSafeInteger(not_after) || not_after <= 0) {
    return no('not_after is not a time in unix seconds')
  }
  const receipt_signing_keys = parseKeys(value['receipt_signing_keys'])
  const e2ee_public_keys = parseKeys(value['e2ee_public_keys'])
  const tls_public_keys = parseTlsKeys(value['tls_public_keys'])
  if (receipt_signing_keys === null) return no('receipt_signing_keys is malformed')
  if (e2ee_public_keys === null) return no('e2ee_public_keys is malformed')
  if (tls_public_keys === null) return no('tls_public_keys is malformed')
  const all = [...receipt_signing_keys, ...e2ee_public_keys]
  if (new Set(all.map((key) => key.key_id)).size !== all.length) return no('a key id repeats')
  // A key under two roles would let a signature made in one protocol be shown as one of another.
  if (new Set(all.map((key) => key.public_key)).size !== all.length) {
    return no('one key stands under two roles')
  }
  // The same key for two hosts is one entry each.
  const hosts = tls_public_keys.map(({ spki_sha256, domain }) => `${spki_sha256} ${domain ?? ''}`)
  if (new Set(hosts).size !== hosts.length) return no('a TLS key repeats')
  return {
    ok: true,
    keyset: { subject, not_after, receipt_signing_keys, e2ee_public_keys, tls_public_keys },
  }
}

/** The one key of a role; null where there is none or more than one. */
export function keyOfRole(keyset: Keyset, algo: string): KeysetKey | null {
  const found = keyset.receipt_signing_keys.filter((key) => key.algo === algo)
  return found.length === 1 ? (found[0] ?? null) : null
}
