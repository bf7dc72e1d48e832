/**
 * Receipts and documents as rows of the place that replicas share.
 *
 * A row stands under a keyed digest (16 bytes, hex) of its id, is sealed under the key of the boot that wrote it, and opens under that digest
 * alone: format (1 byte) ‖ unix seconds (4, big-endian) ‖ boot id (32) ‖ sealed. Replicas of one app get the same root key from their KMS, so
 * each derives the key of any boot. A receipt brings along by what it is verified, because its boot may be a stranger's. Rows are written once and never
 * changed, so there is no older one to put in their place.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type { ReceiptEntry, StoredReceipt } from '../receipts/receipt-store.ts'
import { MAX_ARCHIVED_BYTES } from './boots.ts'
import { TIME_BYTES } from './open-tables.ts'
import { DAY_S } from './retention.ts'
import type { Sealer } from './sealer.ts'
import type { SharedRow } from './shared-place.ts'
import type { BootIdentity } from './stored-entry.ts'
import { decodeSharedEntry, encodeSharedEntry } from './stored-entry.ts'

/** In front of every key; an access list can name it. */
export const SHARED_KEY_PREFIX = 'countersign:1:'
/** Days beyond the receipts' own that a document stays: a keyset is in force for 90 at most, and receipts are made until then. */
export const DOCUMENT_DAYS = 91
const FORMAT = 1
const HEADER_BYTES = 1 + TIME_BYTES
const BOOT_ID_BYTES = 32
const DIGEST_BYTES = 16
/** Of a value that is read: more than the largest document with its seal. */
export const MAX_SHARED_VALUE_BYTES = MAX_ARCHIVED_BYTES + 1024
/** Of a receipt that is probed with, and seconds that it stands. */
export const MIN_PROBE_BYTES = 2048
export const MAX_PROBE_BYTES = 256 * 1024
const PROBE_S = 1

export interface SharedRows {
  /** The receipt, and where it has a completion id the name that leads to it. */
  receipt(entry: ReceiptEntry): readonly SharedRow[]
  document(keysetDigest: string, text: string): SharedRow
  /**
   * Rows like those of a receipt with a name, of random bytes and gone in a moment: what refuses receipts for their kind or size must refuse these.
   * @param bytes of the receipt
   */
  probe(bytes: number): readonly SharedRow[]
  digestOf(receiptId: string): Buffer
  recordKey(digest: Uint8Array): string
  chatKey(principal: string, chatId: string): string
  documentKey(keysetDigest: string): string
  /** Null for what no replica wrote as that receipt, and for what is too old to be kept. */
  openReceipt(digest: Uint8Array, value: Buffer): StoredReceipt | null
  openDocument(keysetDigest: string, value: Buffer): string | null
  /** Digest of the receipt that a name leads to; null for what is none. */
  openName(value: Buffer): Buffer | null
}

export interface SharedRowsOptions {
  /** Of the scope `shared`. */
  readonly sealer: Sealer
  readonly bootId: Hex32
  readonly boot: BootIdentity
  readonly days: number
  /** Unix seconds. */
  readonly now: () => number
}

export function createSharedRows(options: SharedRowsOptions): SharedRows {
  const { sealer, bootId, boot, now } = options
  const ttlS = options.days * DAY_S
  const keyOf = (kind: 'c' | 'd' | 'r', digest: Uint8Array) =>
    `${SHARED_KEY_PREFIX}${kind}:${Buffer.from(digest).toString('hex')}`
  const chatDigest = (principal: string, chatId: string) =>
    sealer.indexKey('chat', `${principal}\0${chatId}`)

  const seal = (
    table: 'shared-documents' | 'shared-records',
    digest: Uint8Array,
    plain: Uint8Array,
  ): Buffer => {
    const header = Buffer.alloc(HEADER_BYTES)
    header.writeUInt8(FORMAT)
    header.writeUInt32BE(now(), 1)
    const sealed = sealer.seal(table, digest, header, plain)
    return Buffer.concat([header, Buffer.from(bootId, 'hex'), sealed])
  }
  const open = (
    table: 'shared-documents' | 'shared-records',
    digest: Uint8Array,
    value: Buffer,
    keptS: number,
  ): Buffer | null => {
    if (value.length < HEADER_BYTES + BOOT_ID_BYTES || value.readUInt8() !== FORMAT) return null
    // The place was told to give it up by then: that it did not is no reason to serve it.
    if (value.readUInt32BE(1) < now() - keptS) return null
    const header = value.subarray(0, HEADER_BYTES)
    const made = toHex32(value.subarray(HEADER_BYTES, HEADER_BYTES + BOOT_ID_BYTES))
    return sealer.open(table, digest, header, made, value.subarray(HEADER_BYTES + BOOT_ID_BYTES))
  }
  const documentS = ttlS + DOCUMENT_DAYS * DAY_S

  const rows: SharedRows = {
    receipt(entry) {
      const digest = rows.digestOf(entry.receiptId)
      const value = seal('shared-records', digest, encodeSharedEntry(entry, boot))
      const record = { key: rows.recordKey(digest), value, ttlS }
      if (entry.chatId === null) return [record]
      const name = rows.chatKey(entry.ownership.principal, entry.chatId)
      return [record, { key: name, value: digest, ttlS }]
    },
    document(keysetDigest, text) {
      const value = seal(
        'shared-documents',
        sealer.indexKey('document', keysetDigest),
        Buffer.from(text),
      )
      return { key: rows.documentKey(keysetDigest), value, ttlS: documentS }
    },
    probe(bytes) {
      const value = randomBytes(Math.min(Math.max(bytes, MIN_PROBE_BYTES), MAX_PROBE_BYTES))
      value.writeUInt8(FORMAT)
      return [
        { key: keyOf('r', randomBytes(DIGEST_BYTES)), value, ttlS: PROBE_S },
        {
          key: keyOf('c', randomBytes(DIGEST_BYTES)),
          value: randomBytes(DIGEST_BYTES),
          ttlS: PROBE_S,
        },
      ]
    },
    digestOf: (receiptId) => sealer.indexKey('receipt', receiptId),
    recordKey: (digest) => keyOf('r', digest),
    chatKey: (principal, chatId) => keyOf('c', chatDigest(principal, chatId)),
    documentKey: (keysetDigest) => keyOf('d', sealer.indexKey('document', keysetDigest)),
    openReceipt(digest, value) {
      const plain = open('shared-records', digest, value, ttlS)
      return plain === null ? null : decodeSharedEntry(plain)
    },
    openDocument(keysetDigest, value) {
      const digest = sealer.indexKey('document', keysetDigest)
      return open('shared-documents', digest, value, documentS)?.toString('utf8') ?? null
    },
    openName: (value) => (value.length === DIGEST_BYTES ? value : null),
  }
  return rows
}
