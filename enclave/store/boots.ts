/**
 * The boots whose receipts a store holds: their numbers, by what their receipts are verified, and the documents of their keysets.
 *
 * @module
 */
import { MAX_DOCUMENT_BYTES } from '../../attestation/appraiser/document/parse-document.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { TIME_BYTES } from './open-tables.ts'
import type { Change, Table, Tables } from './open-tables.ts'
import type { Sealer } from './sealer.ts'
import { StoreError } from './store-error.ts'
import { decodeBoot, encodeBoot } from './stored-entry.ts'
import type { BootIdentity, KeysetNumbers } from './stored-entry.ts'

const NUMBER_BYTES = 4
const POSITION_BYTES = 8
const BOOT_ID_BYTES = 32
/** Boots that a store knows: one in three minutes for a month. Older ones without receipts go first, and then with theirs. */
export const MAX_BOOTS = 16_384
/** Renewed keysets of one boot whose documents are kept, the latest; that of its first is kept beside them. */
export const MAX_RENEWED = 64
/** Rows of leaves that go with one commit: those of a million leaves. */
const MOST_ROWS_AT_ONCE = 4096
/** Bytes of a document that is archived: as many as verifiers read. */
export const MAX_ARCHIVED_BYTES = MAX_DOCUMENT_BYTES

export interface KnownBoot {
  readonly bootId: Hex32
  readonly identity: BootIdentity
}

/** 0 is the keyset that the boot began with. */
interface BootEntry extends KnownBoot {
  readonly renewed: KeysetNumbers
}

export interface Boots {
  readonly bootId: Hex32
  /** Of this boot. */
  readonly number: number
  /** By number, the first first. */
  known(): ReadonlyMap<number, KnownBoot>
  /** Of an entry of this boot. */
  key(position: bigint): Buffer
  /** The boot that an entry's key belongs to; null where none is known. */
  of(key: Uint8Array): KnownBoot | null
  /** Of a keyset of this boot. None for a document that no verifier would read. */
  archive(keysetDigest: string, document: string): readonly Change[]
  document(keysetDigest: string): string | null
  /** Drops what is known of boots before this one. */
  forgetBefore(key: Uint8Array): readonly Change[]
}

export interface BootsOptions {
  readonly bootId: Hex32
  readonly identity: BootIdentity
  readonly refuse: () => void
  /** Boots whose last head was published after that stay, with or without receipts (unix seconds). */
  readonly logsSince: () => number
}

const NO_HEADER = new Uint8Array(0)

export function numberKey(number: number): Buffer {
  const key = Buffer.alloc(NUMBER_BYTES)
  key.writeUInt32BE(number)
  return key
}

/** Of a row of leaves of a boot's log. */
export function logRowKey(number: number, index: number): Buffer {
  const key = Buffer.alloc(NUMBER_BYTES + POSITION_BYTES)
  key.writeUInt32BE(number)
  key.writeBigUInt64BE(BigInt(index), NUMBER_BYTES)
  return key
}

/** That of a boot's first keyset lies under its number alone. */
function documentKey(number: number, keyset: number): Buffer {
  return keyset === 0 ? numberKey(number) : Buffer.concat([numberKey(number), numberKey(keyset)])
}

/** Reads the earlier boots and adds this one. */
export async function openBoots(
  tables: Tables,
  sealer: Sealer,
  { bootId, identity, refuse, logsSince }: BootsOptions,
): Promise<Boots> {
  const known = new Map<number, BootEntry>()
  let last = 0
  for (const { key, value } of tables.boots.getRange()) {
    last = key.readUInt32BE()
    const id = toHex32(value.subarray(0, BOOT_ID_BYTES))
    const plain = sealer.open('boots', key, NO_HEADER, id, value.subarray(BOOT_ID_BYTES))
    if (plain === null) refuse()
    else known.set(last, { bootId: id, ...decodeBoot(plain) })
  }
  const [lastLog] = [...tables.logs.getKeys({ reverse: true, limit: 1 })].map((key) =>
    key.readUInt32BE(),
  )
  for (const number of [...known.keys()]) {
    // The last log is the one that this boot's names.
    const stays = number === lastLog || hasEntries(tables, number, logsSince())
    if (stays && known.size < MAX_BOOTS) continue
    const { changes, all } = goneWith(tables, number)
    if (all) known.delete(number)
    await Promise.all(changes.map(({ table, key }) => table.remove(key)))
  }
  const own = last + 1
  if (own > 0xffff_ffff) throw new StoreError('store_damaged')
  const renewed = new Map<number, string>()
  known.set(own, { bootId, identity, renewed })
  const ownKey = numberKey(own)
  const ownRow = () =>
    Buffer.concat([
      Buffer.from(bootId, 'hex'),
      sealer.seal('boots', ownKey, NO_HEADER, encodeBoot(identity, renewed)),
    ])
  await tables.boots.put(ownKey, ownRow())
  let lastKeyset = 0

  /** The number of a keyset of this boot, a new one where it has none. */
  const numberOf = (digest: string): number => {
    if (digest === identity.keysetDigest) return 0
    for (const [number, other] of renewed) if (other === digest) return number
    renewed.set(++lastKeyset, digest)
    return lastKeyset
  }

  return {
    bootId,
    number: own,
    known: () => known,
    key(position) {
      const key = Buffer.alloc(NUMBER_BYTES + POSITION_BYTES)
      key.writeUInt32BE(own)
      key.writeBigUInt64BE(position, NUMBER_BYTES)
      return key
    },
    of: (key) =>
      key.length < NUMBER_BYTES ? null : (known.get(Buffer.from(key).readUInt32BE()) ?? null),

    archive(digest, document) {
      const plain = Buffer.from(document)
      if (plain.length > MAX_ARCHIVED_BYTES) return []
      const number = numberOf(digest)
      const key = documentKey(own, number)
      const value = sealer.seal('documents', key, NO_HEADER, plain)
      const changes: Change[] = [{ table: tables.documents, key, value }]
      if (number === 0) return changes
      for (const oldest of renewed.keys()) {
        if (renewed.size <= MAX_RENEWED) break
        renewed.delete(oldest)
        changes.push({ table: tables.documents, key: documentKey(own, oldest), value: null })
      }
      return [...changes, { table: tables.boots, key: ownKey, value: ownRow() }]
    },

    document(digest) {
      for (const [number, boot] of known) {
        const isOf = ([, other]: readonly [number, string]) => other === digest
        const keyset = boot.identity.keysetDigest === digest ? 0 : [...boot.renewed].find(isOf)?.[0]
        if (keyset === undefined) continue
        const key = documentKey(number, keyset)
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
        if (number >= first || hasEntries(tables, number, logsSince())) continue
        const gone = goneWith(tables, number)
        if (gone.all) known.delete(number)
        changes.push(...gone.changes)
      }
      return changes
    },
  }
}

/** What goes when a boot does: its leaves first, and where they are many, some of them now and the boot with the last. */
function goneWith(
  tables: Tables,
  number: number,
): { readonly changes: readonly Change[]; readonly all: boolean } {
  const range = { start: numberKey(number), end: numberKey(number + 1) }
  const rows = (table: Table, limit?: number): Change[] =>
    [...table.getKeys({ ...range, ...(limit === undefined ? {} : { limit }) })].map((key) => ({
      table,
      key: Buffer.from(key),
      value: null,
    }))
  const leaves = [
    ...rows(tables.tiles, MOST_ROWS_AT_ONCE),
    ...rows(tables.roots, MOST_ROWS_AT_ONCE),
  ]
  if (leaves.length >= MOST_ROWS_AT_ONCE) return { changes: leaves, all: false }
  const key = numberKey(number)
  return {
    changes: [
      ...leaves,
      { table: tables.boots, key, value: null },
      { table: tables.logs, key, value: null },
      ...rows(tables.documents),
    ],
    all: true,
  }
}

/** Receipts, admissions that still await theirs, or a log that somebody may still remember. */
function hasEntries(tables: Tables, number: number, logsSince: number): boolean {
  const range = { start: numberKey(number), end: numberKey(number + 1), limit: 1 }
  const log = tables.logs.get(numberKey(number))
  if (log !== undefined && log.length >= TIME_BYTES && log.readUInt32BE() >= logsSince) return true
  return [tables.records, tables.admissions].some((table) => [...table.getKeys(range)].length > 0)
}
