/**
 * What a store gives up: receipts that are too old, and the oldest where there are too many bytes of them.
 *
 * @module
 */
import type { Boots } from './boots.ts'
import { TIME_BYTES } from './open-tables.ts'
import type { Change, Tables } from './open-tables.ts'
import type { Sealer } from './sealer.ts'
import { decodeEntry } from './stored-entry.ts'

export interface Retention {
  readonly days: number
  /** Of the pages that hold receipts and archived documents. */
  readonly bytes: number
}

export const DAY_S = 86_400
/** Receipts given up with a commit: more than come with it, so that a store that is too large shrinks. */
const LEAST_AT_ONCE = 16
const MOST_AT_ONCE = 512

/** @param coming receipts that the same commit adds, at most */
export function expiredRecords(
  tables: Tables,
  sealer: Sealer,
  boots: Boots,
  retention: Retention,
  now: number,
  coming: number,
): readonly Change[] {
  const tooLarge = tables.bytes() > retention.bytes
  const before = now - retention.days * DAY_S
  const limit = Math.min(Math.max(2 * coming, LEAST_AT_ONCE), MOST_AT_ONCE)
  const changes: Change[] = []
  let last: Buffer | null = null
  for (const { key, value } of tables.records.getRange({ limit })) {
    const time = value.length < TIME_BYTES ? 0 : value.readUInt32BE()
    if (!tooLarge && time >= before) break
    last = Buffer.from(key)
    changes.push({ table: tables.records, key: last, value: null })
    changes.push(...indexesOf(tables, sealer, boots, last, value))
  }
  return last === null ? changes : [...changes, ...boots.forgetBefore(last)]
}

/** What leads to a receipt goes with it; one that cannot be opened leaves names behind that lead nowhere. */
function indexesOf(
  tables: Tables,
  sealer: Sealer,
  boots: Boots,
  key: Buffer,
  value: Buffer,
): readonly Change[] {
  const boot = boots.of(key)
  const time = value.subarray(0, TIME_BYTES)
  if (boot === null) return []
  const plain = sealer.open('records', key, time, boot.bootId, value.subarray(TIME_BYTES))
  if (plain === null) return []
  const { record, ownership } = decodeEntry(plain, boot.identity)
  const changes: Change[] = [
    { table: tables.receipts, key: sealer.indexKey('receipt', record.receipt_id), value: null },
  ]
  if (record.chat_id === null) return changes
  const chat = sealer.indexKey('chat', `${ownership.principal}\0${record.chat_id}`)
  // A later receipt of the same name never took the place, so the name is this one's or nobody's.
  if (tables.chats.get(chat)?.equals(key) === true) {
    changes.push({ table: tables.chats, key: chat, value: null })
  }
  return changes
}
