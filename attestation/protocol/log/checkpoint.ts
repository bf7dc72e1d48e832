/**
 * Log heads as signed text: C2SP tlog-checkpoint in a C2SP signed note, signature type 0x01 (Ed25519, RFC 8032), the key being named
 * for the origin.
 *
 * ```
 * <origin>\n<size>\n<base64 of the root>\n\n— <origin> <base64 of key id ‖ signature>\n
 * key id = SHA-256(origin ‖ 0x0A ‖ 0x01 ‖ public key)[:4]
 * ```
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { decodeBase64, encodeBase64 } from '../base64.ts'
import { ED25519_KEY_BYTES } from '../ed25519-key.ts'
import { hex32Bytes, toHex32 } from '../hex.ts'
import { HASH_BYTES } from '../merkle-hash.ts'
import type { LogHead } from '../statement.ts'
import { toUtf8 } from '../utf8.ts'
import { isTreeSize } from './inclusion-proof.ts'
import { isLogOrigin } from './log-origin.ts'

/** Characters of a note: a checkpoint with the sixteen signatures that readers must take, some of them large. */
export const MAX_CHECKPOINT = 100_000
/** Signature lines that are read. The format asks for sixteen at least. */
export const MAX_NOTE_SIGNATURES = 32

const ED25519_TYPE = 0x01
const KEY_ID_BYTES = 4
const SIGNATURE_BYTES = 64
const SIZE = /^[1-9]\d{0,15}$/
const SIGNATURE_LINE = /^\u2014 ([^\s+]{1,512}) ([A-Za-z0-9+/]{4,8000}={0,2})$/u
/** Other than the line feed, which ends lines. */
const CONTROL = /[\0-\x09\x0b-\x1f]/

export interface Checkpoint {
  readonly head: LogHead
  /** The text that is signed. */
  readonly signedText: string
  readonly signatures: readonly {
    readonly name: string
    /** key id ‖ signature */
    readonly bytes: Uint8Array
  }[]
}

function noteText({ origin, root, size }: LogHead): string {
  return `${origin}\n${size}\n${encodeBase64(hex32Bytes(root))}\n`
}

/** @param publicKey 32 bytes */
export function noteKeyId(name: string, publicKey: Uint8Array, crypto: CryptoPort): Uint8Array {
  const prefix = toUtf8(`${name}\n`)
  const input = new Uint8Array(prefix.length + 1 + ED25519_KEY_BYTES)
  input.set(prefix)
  input[prefix.length] = ED25519_TYPE
  input.set(publicKey, prefix.length + 1)
  return crypto.sha256(input).subarray(0, KEY_ID_BYTES)
}

/** The signed note over a head. */
export function signCheckpoint(
  head: LogHead,
  key: {
    readonly publicKey: Uint8Array
    sign(message: Uint8Array): Uint8Array
  },
  crypto: CryptoPort,
): string {
  const text = noteText(head)
  const bytes = new Uint8Array(KEY_ID_BYTES + SIGNATURE_BYTES)
  bytes.set(noteKeyId(head.origin, key.publicKey, crypto))
  bytes.set(key.sign(toUtf8(text)), KEY_ID_BYTES)
  return `${text}\n\u2014 ${head.origin} ${encodeBase64(bytes)}\n`
}

/**
 * Reads a checkpoint of one of our logs: no extension lines, one spelling of each number. Signatures of others (witnesses) may stand
 * beside the log's own.
 *
 * @returns null for anything else
 */
export function parseCheckpoint(note: string): Checkpoint | null {
  if (note.length > MAX_CHECKPOINT || CONTROL.test(note) || !note.endsWith('\n')) return null
  const split = note.lastIndexOf('\n\n')
  if (split === -1) return null
  const signedText = note.slice(0, split + 1)
  const [origin, size, root, end, ...more] = signedText.split('\n')
  if (end !== '' || more.length > 0 || !isLogOrigin(origin) || !SIZE.test(size ?? '')) return null
  const hash = decodeBase64(root ?? '')
  if (hash?.length !== HASH_BYTES || !isTreeSize(Number(size))) return null
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > MAX_NOTE_SIGNATURES) return null
  const signatures: { name: string; bytes: Uint8Array }[] = []
  for (const line of lines) {
    const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? []
    const bytes = encoded === undefined ? null : decodeBase64(encoded)
    if (name === undefined || bytes === null || bytes.length <= KEY_ID_BYTES) return null
    signatures.push({ name, bytes })
  }
  return { head: { origin, root: toHex32(hash), size: Number(size) }, signedText, signatures }
}

/**
 * Whether the log's own key signed it. A line under the key's name and id that does not verify refuses the whole note; lines of other
 * keys say nothing.
 */
export function isSignedCheckpoint(
  checkpoint: Checkpoint,
  publicKey: Uint8Array,
  crypto: CryptoPort,
): boolean {
  const { origin } = checkpoint.head
  const id = noteKeyId(origin, publicKey, crypto)
  const own = checkpoint.signatures.filter(
    ({ name, bytes }) => name === origin && crypto.equal(bytes.subarray(0, KEY_ID_BYTES), id),
  )
  const message = toUtf8(checkpoint.signedText)
  return (
    own.length > 0 &&
    own.every(({ bytes }) => crypto.verifyEd25519(publicKey, message, bytes.subarray(KEY_ID_BYTES)))
  )
}
