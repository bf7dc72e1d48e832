/**
 * The boots whose receipts a store holds: their numbers, by what their receipts are verified, and their documents.
 *
 * @module
 */
import { MAX_DOCUMENT_BYTES } from '../../attestation/appraiser/document/parse-document.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type { Change, Tables } from './open-tables.ts'
import type { Sealer } from './sealer.ts'
import { StoreError } from './store-error.ts'
import { decodeBoot, encodeBoot } from './stored-entry.ts'
import type { BootIdentity } from './stored-entry.ts'

const NUMBER_BYTES = 4
const POSITION_BYTES = 8
const BOOT_ID_BYTES = 32
/** Boots that a store knows: one in three minutes for a month. Older ones without receipts go first, and then with theirs. */
export const MAX_BOOTS = 16_384
/** Bytes of a document that is archived: as many as verifiers read. */
export const MAX_ARCHIVED_BYTES = MAX_DOCUMENT_BYTES

export interface KnownBoot {
  readonly bootId: Hex32
  readonly identity: BootIdentity
}

export interface Boots {
  /** Of an entry of this boot. */
  key(position: bigint): Buffer
  /** The boot that an entry's key belongs to; null where none is known. */
  of(key: Uint8Array): KnownBoot | null
  /** Null for one that no verifier would read. */
  archive(document: string): Change | null
  document(keysetDigest: string): string | null
  /** Drops what is known of boots before this one. */
  forgetBefore(key: Uint8Array): readonly Change[]
}

export interface BootsOptions {
  readonly bootId: Hex32
  readonly identity: BootIdentity
  readonly refuse: () => void
}

const NO_HEADER = new Uint8Array(0)

function numberKey(number: number): Buffer {
  const key = Buffer.alloc(NUMBER_BYTES)
  key.writeUInt32BE(number)
  return key
}

/** Reads the earlier boots and adds this one. */
export async function openBoots(
  tables: Tables,
  sealer: Sealer,
  { bootId, identity, refuse }: BootsOptions,
): Promise<Boots> {
  const known = new Map<number, KnownBoot>()
  let last = 0
  for (const { key, value } of tables.boots.getRange()) {
    last = key.readUInt32BE()
    const id = toHex32(value.subarray(0, BOOT_ID_BYTES))
    const plain = sealer.open('boots', key, NO_HEADER, id, value.subarray(BOOT_ID_BYTES))
    if (plain === null) refuse()
    else known.set(last, { bootId: id, identity: decodeBoot(plain) })
  }
  for (const number of [...known.keys()]) {
    if (hasEntries(tables, number) && known.size < MAX_BOOTS) continue
    known.delete(number)
    const key = numberKey(number)
    await Promise.all([tables.boots.remove(key), tables.documents.remove(key)])
  }
  const own = last + 1
  if (own > 0xffff_ffff) throw new StoreError('store_damaged')
  known.set(own, { bootId, identity })
  const ownKey = numberKey(own)
  await tables.boots.put(
    ownKey,
    Buffer.concat([
      Buffer.from(bootId, 'hex'),
      sealer.seal('boots', ownKey, NO_HEADER, encodeBoot(identity)),
    ]),
  )

  return {
    key(position) {
      const key = Buffer.alloc(NUMBER_BYTES + POSITION_BYTES)
      key.writeUInt32BE(own)
      key.writeBigUInt64BE(position, NUMBER_BYTES)
      return key
    },
    of: (key) =>
      key.length < NUMBER_BYTES ? null : (known.get(Buffer.from(key).readUInt32BE()) ?? null),

    archive(document) {
      const plain = Buffer.from(document)
      if (plain.length > MAX_ARCHIVED_BYTES) return null
      const value = sealer.seal('documents', ownKey, NO_HEADER, plain)
      return { table: tables.documents, key: ownKey, value }
    },

    document(keysetDigest) {
      for (const [number, boot] of known) {
        if (boot.identity.keysetDigest !== keysetDigest) continue
        const key = numberKey(number)
        const value = tables.documents.get(key)
        if (value === undefined) return null
        const plain = sealer.open('documents', key, NO_HEADER, boot.bootId, value)
        if (plain === null) refuse()
        return plain === null ? null : plain.toString('utf8')
      }
      return null
    },

    forgetBefore(key) {
      const first = Math.min(Buffer.from(key).readUInt32BE(), own)
      const changes: Change[] = []
      for (const number of known.keys()) {
        if (number >= first || hasEntries(tables, number)) continue
        known.delete(number)
        const gone = numberKey(number)
        changes.push(
          { table: tables.boots, key: gone, value: null },
          { table: tables.documents, key: gone, value: null },
        )
      }
      return changes
    },
  }
}

/** Receipts, or admissions that still await theirs. */
function hasEntries(tables: Tables, number: number): boolean {
  const range = { start: numberKey(number), end: numberKey(number + 1), limit: 1 }
  return [tables.records, tables.admissions].some((table) => [...table.getKeys(range)].length > 0)
}
