/**
 * What the leaves of a log are: each the 32 bytes of a SHA-256 over a JCS text whose `purpose` says what it is. Leaf 0 is of the boot
 * record, the others of records of requests, or of padding.
 *
 * A padding leaf has a purpose of its own, so its 32 bytes are the hash of no record; and they commit to a secret, so that nobody but
 * the enclave can tell it from a record's.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { isHex32, isSha256Digest } from '../hex.ts'
import type { Hex32, Sha256Digest } from '../hex.ts'
import { canonicalBytes } from '../jcs.ts'
import { isJsonObject, parseJsonText } from '../json.ts'
import type { JsonValue } from '../json.ts'
import { isLogOrigin } from './log-origin.ts'
import { isTreeSize } from './inclusion-proof.ts'
import type { LogHead } from '../statement.ts'

export const BOOT_RECORD_PURPOSE = 'countersign.boot_record.v1'
export const PADDING_PURPOSE = 'countersign.log_padding.v1'

/** Characters of a boot record's text. */
export const MAX_BOOT_RECORD = 2048
/** Boots of one store, one after the other. */
export const MAX_GENERATION = 0xffff_ffff

export interface BootRecord {
  readonly boot_id: Hex32
  readonly config_digest: Sha256Digest
  /** 1 where no earlier log is known, else one more than the predecessor's. */
  readonly generation: number
  readonly keyset_digest: Sha256Digest
  /** The last head of the boot before, as its store had it; null where none is known. */
  readonly predecessor: LogHead | null
}

/** The record's exact text, JCS. */
export function bootRecordBytes(record: BootRecord): Uint8Array<ArrayBuffer> {
  const { predecessor } = record
  return canonicalBytes({
    boot_id: record.boot_id,
    config_digest: record.config_digest,
    generation: record.generation,
    keyset_digest: record.keyset_digest,
    predecessor:
      predecessor === null
        ? null
        : { origin: predecessor.origin, root: predecessor.root, size: predecessor.size },
    purpose: BOOT_RECORD_PURPOSE,
  })
}

export function bootLeaf(record: BootRecord, crypto: CryptoPort): Uint8Array {
  return crypto.sha256(bootRecordBytes(record))
}

/** @param nonce 32 secret bytes, other ones for each leaf */
export function paddingLeaf(bootId: Hex32, index: number, nonce: Hex32, crypto: CryptoPort) {
  return crypto.sha256(canonicalBytes({ boot_id: bootId, index, nonce, purpose: PADDING_PURPOSE }))
}

const HEAD_MEMBERS = ['origin', 'root', 'size']
const BOOT_MEMBERS = [
  ...['boot_id', 'config_digest', 'generation', 'keyset_digest', 'predecessor', 'purpose'],
]

function hasExactly(object: object, names: readonly string[]): boolean {
  const own = Object.keys(object)
  return own.length === names.length && names.every((name) => own.includes(name))
}

/** A head as JSON; null for anything else. */
export function readLogHead(value: JsonValue | undefined): LogHead | null {
  if (value === undefined || !isJsonObject(value) || !hasExactly(value, HEAD_MEMBERS)) return null
  const { origin, root, size } = value
  if (!isLogOrigin(origin) || !isHex32(root)) return null
  if (typeof size !== 'number' || !isTreeSize(size)) return null
  return { origin, root, size }
}

/**
 * Parses a boot record. What a leaf is of is recomputed from the parts, so a text in another form than JCS says the same.
 *
 * @returns null for anything but exactly its members
 */
export function parseBootRecord(text: string): BootRecord | null {
  if (text.length > MAX_BOOT_RECORD) return null
  const parsed = parseJsonText(text)
  if (!parsed.ok || !isJsonObject(parsed.value)) return null
  const row = parsed.value
  if (!hasExactly(row, BOOT_MEMBERS) || row['purpose'] !== BOOT_RECORD_PURPOSE) return null
  const { boot_id, config_digest, generation, keyset_digest } = row
  if (!isHex32(boot_id) || !isSha256Digest(config_digest) || !isSha256Digest(keyset_digest)) {
    return null
  }
  if (typeof generation !== 'number' || !Number.isSafeInteger(generation)) return null
  if (generation < 1 || generation > MAX_GENERATION) return null
  const predecessor = row['predecessor'] === null ? null : readLogHead(row['predecessor'])
  if (predecessor === null && row['predecessor'] !== null) return null
  return { boot_id, config_digest, generation, keyset_digest, predecessor }
}
