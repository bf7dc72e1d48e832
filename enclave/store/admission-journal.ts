/**
 * Admissions without a receipt: what the next boot has to account for after a kill.
 *
 * A request that is over within a moment never reaches the journal: its admission is written with the first commit that
 * comes {@link JOURNAL_MS} after it, and struck out in the commit that holds its receipt. A kill thus loses the admissions
 * of that moment, whose requests may have reached the model and leave no trace but the upstream's own.
 *
 * Whoever has the volume can keep a row and put it back when it was struck out; it still opens in its place. A receipt and the end of its
 * admission are one commit, so a row whose receipt id has its receipt was put back, and nobody is told that its request was interrupted.
 *
 * @module
 */
import type { InterruptedAdmission, OpenAdmission } from '../receipts/receipt-store.ts'
import type { Boots } from './boots.ts'
import type { Change, Tables } from './open-tables.ts'
import type { Sealer } from './sealer.ts'
import { decodeAdmission, encodeAdmission } from './stored-entry.ts'

export const JOURNAL_MS = 25

/** Admissions of earlier boots that are accounted for at one start; the rest at the next. */
export const MAX_INTERRUPTED = 65_536

const NO_HEADER = new Uint8Array(0)

export interface AdmissionJournal {
  admitted(admission: OpenAdmission): void
  /** The changes that strike an admission out. */
  settled(receiptId: string): readonly Change[]
  readonly interrupted: readonly InterruptedAdmission[]
  /** What strikes out again the rows that were put back. */
  readonly putBack: readonly Change[]
  close(): void
}

export function createAdmissionJournal(
  tables: Tables,
  sealer: Sealer,
  boots: Boots,
  refuse: () => void,
  write: (changes: readonly Change[]) => void,
  hasReceipt: (receiptId: string) => boolean,
): AdmissionJournal {
  /** Written, by receipt id. */
  const written = new Map<string, Buffer>()
  const interrupted: InterruptedAdmission[] = []
  const putBack: Change[] = []
  for (const { key, value } of tables.admissions.getRange({ limit: MAX_INTERRUPTED })) {
    const boot = boots.of(key)
    const plain =
      boot === null ? null : sealer.open('admissions', key, NO_HEADER, boot.bootId, value)
    if (boot === null || plain === null) {
      refuse()
      continue
    }
    const admission = decodeAdmission(plain)
    if (hasReceipt(admission.receiptId)) {
      refuse()
      putBack.push({ table: tables.admissions, key: Buffer.from(key), value: null })
      continue
    }
    written.set(admission.receiptId, Buffer.from(key))
    interrupted.push({ admission, bootId: boot.bootId })
  }
  let young = new Map<string, OpenAdmission>()
  let timer: NodeJS.Timeout | null = null
  let position = 0n

  const flush = () => {
    timer = null
    const changes: Change[] = []
    for (const [receiptId, admission] of young) {
      const key = boots.key(++position)
      written.set(receiptId, key)
      const value = sealer.seal('admissions', key, NO_HEADER, encodeAdmission(admission))
      changes.push({ table: tables.admissions, key, value })
    }
    young = new Map()
    if (changes.length > 0) write(changes)
  }

  return {
    interrupted,
    putBack,
    admitted(admission) {
      young.set(admission.receiptId, admission)
      timer ??= setTimeout(flush, JOURNAL_MS).unref()
    },
    settled(receiptId) {
      if (young.delete(receiptId)) return []
      const key = written.get(receiptId)
      if (key === undefined) return []
      written.delete(receiptId)
      return [{ table: tables.admissions, key, value: null }]
    },
    close() {
      if (timer !== null) clearTimeout(timer)
    },
  }
}
