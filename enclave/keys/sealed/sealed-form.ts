/**
 * The sealed address key as text: 32 bytes under AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; version,
 * purpose and generation are its associated data, so that none of them can be changed without the key.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { fromHex, toHex } from '../../../attestation/protocol/hex.ts'
import { canonicalBytes } from '../../../attestation/protocol/jcs.ts'
import { isJsonObject, parseJson } from '../../../attestation/protocol/json.ts'
import { SealedKeyError } from './sealed-key-error.ts'

export const SEALED_VERSION = 1
export const SEALED_PURPOSE = 'countersign.sealed-address-key.v1'
/** A sealed file is far shorter. */
export const MAX_SEALED_BYTES = 1024
/** More rotations than anybody will make. */
export const MAX_GENERATION = 1_000_000

export const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const CIPHER = 'aes-256-gcm'
const MEMBERS = ['ciphertext', 'generation', 'nonce', 'purpose', 'tag', 'version']

export interface SealedKey {
  readonly key: Uint8Array
  /** 1 for the first, one more with each rotation. */
  readonly generation: number
}

function associatedData(generation: number): Uint8Array {
  return canonicalBytes({ generation, purpose: SEALED_PURPOSE, version: SEALED_VERSION })
}

/** @param sealingKey 32 bytes @returns one line of JSON */
export function seal({ key, generation }: SealedKey, sealingKey: Uint8Array): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, sealingKey, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associatedData(generation))
  const ciphertext = Buffer.concat([cipher.update(key), cipher.final()])
  return `${JSON.stringify({
    version: SEALED_VERSION,
    purpose: SEALED_PURPOSE,
    generation,
    nonce: toHex(nonce),
    ciphertext: toHex(ciphertext),
    tag: toHex(cipher.getAuthTag()),
  })}\n`
}

/** @throws SealedKeyError `sealed_malformed` or `sealed_not_opened` */
export function unseal(bytes: Uint8Array, sealingKey: Uint8Array): SealedKey {
  const parsed = bytes.length > MAX_SEALED_BYTES ? null : parseJson(bytes)
  if (parsed?.ok !== true || !isJsonObject(parsed.value)) {
    throw new SealedKeyError('sealed_malformed')
  }
  const { version, purpose, generation, ...hex } = parsed.value
  const names = Object.keys(parsed.value).toSorted()
  const nonce = bytesOf(hex['nonce'], NONCE_BYTES)
  const ciphertext = bytesOf(hex['ciphertext'], KEY_BYTES)
  const tag = bytesOf(hex['tag'], TAG_BYTES)
  if (
    version !== SEALED_VERSION ||
    purpose !== SEALED_PURPOSE ||
    names.join() !== MEMBERS.join() ||
    typeof generation !== 'number' ||
    !Number.isInteger(generation) ||
    generation < 1 ||
    generation > MAX_GENERATION ||
    nonce === null ||
    ciphertext === null ||
    tag === null
  ) {
    throw new SealedKeyError('sealed_malformed')
  }
  const decipher = createDecipheriv(CIPHER, sealingKey, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(associatedData(generation))
  decipher.setAuthTag(tag)
  try {
    const key = Buffer.concat([decipher.update(ciphertext), decipher.final()])
    return { key: Uint8Array.from(key), generation }
  } catch {
    throw new SealedKeyError('sealed_not_opened')
  }
}

function bytesOf(value: unknown, length: number): Uint8Array | null {
  const bytes = typeof value === 'string' ? fromHex(value) : null
  return bytes?.length === length ? bytes : null
}
