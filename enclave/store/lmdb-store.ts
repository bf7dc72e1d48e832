/**
 * Receipts on disk: LMDB, every entry sealed, acknowledged when it was flushed.
 *
 * A receipt lies under boot number ‖ position, so that writing appends; two small tables lead to it from keyed digests. The
 * volume can lose or withhold what it was given, and roll back; it cannot read it, forge it, or pass one entry for another:
 * a receipt that was found is read only if it is sealed for its place and says the id that was asked for.
 *
 * @module
 */
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type {
  DurableStore,
  InterruptedAdmission,
  LocalReceiptStore,
  OpenAdmission,
  ReceiptEntry,
  StoredReceipt,
} from '../receipts/receipt-store.ts'
import { createAdmissionJournal } from './admission-journal.ts'
import { checkFormat } from './check-format.ts'
import { readClockFloor, sealClockFloor } from './clock-floor.ts'
import { openBoots } from './boots.ts'
import { openLogTables } from './log-tables.ts'
import { createGroupCommit } from './group-commit.ts'
import type { Durability } from './group-commit.ts'
import { TIME_BYTES, hearCommitError, openTables, treeOf } from './open-tables.ts'
import type { Change, Table, Tables } from './open-tables.ts'
import { DAY_S, expiredRecords } from './retention.ts'
import type { Retention } from './retention.ts'
import { createSealer } from './sealer.ts'
import { StoreError } from './store-error.ts'
import type { BootIdentity } from './stored-entry.ts'
import { decodeEntry, encodeEntry } from './stored-entry.ts'
import { takeStore } from './take-store.ts'

export interface LmdbStoreOptions {
  /** A folder; made where it is missing. */
  readonly path: string
  readonly durability: Durability
  readonly retention: Retention
  /** 32 secret bytes. */
  readonly rootKey: Uint8Array
  /** The root key ends with the process: what an earlier process of that kind left is unreadable for good, and goes. */
  readonly ephemeral: boolean
  readonly bootId: Hex32
  readonly boot: BootIdentity
  /** Unix seconds. */
  readonly now: () => number
  /** Told of each commit that failed, and how many receipts of it had been acknowledged. */
  readonly onFailure: (lost: number) => void
  /** Stands around each commit; for tests and measurements of slow and broken disks. */
  readonly disk?: (commit: () => Promise<void>) => Promise<void>
}

export interface OpenStore extends LocalReceiptStore {
  readonly durable: Omit<DurableStore, 'document'> & {
    document(keysetDigest: string): string | null
  }
}

/** @throws StoreError */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<OpenStore> {
  const tables = await openTables(options.path)
  let leave: () => Promise<void> = () => Promise.resolve()
  try {
    leave = await takeStore(options.path, ownerRow(tables))
    return await openOwned(options, tables, leave)
  } catch (error) {
    hearCommitError(error)
    await leave()
    await tables.close()
    throw error instanceof StoreError ? error : new StoreError('store_damaged', error)
  }
}

async function openOwned(
  options: LmdbStoreOptions,
  tables: Tables,
  leave: () => Promise<void>,
): Promise<OpenStore> {
  const { bootId, now } = options
  const sealer = createSealer(options.rootKey, bootId)
  const lost = await checkFormat(tables, sealer.check, options.ephemeral)
  let refused = 0
  const refuse = () => void refused++
  const logsSince = () => now() - options.retention.days * DAY_S
  const boots = await openBoots(tables, sealer, {
    bootId,
    identity: options.boot,
    refuse,
    logsSince,
  })
  const unreadableBoots = refused
  const log = openLogTables({
    tables,
    sealer,
    boots,
    refuse,
    now,
    flushed: (changes) => commit.flushed(changes),
  })
  const receiptIndex = (receiptId: string) => sealer.indexKey('receipt', receiptId)
  /** Whatever it leads to: a receipt that the volume has since changed was there once. */
  const hasReceipt = (receiptId: string) => tables.receipts.doesExist(receiptIndex(receiptId))
  const toDisk = (changes: readonly Change[]) => void commit.write(changes)
  const journal = createAdmissionJournal(tables, sealer, boots, refuse, toDisk, hasReceipt)

  /** Of chats that are on their way to the disk, so that a second one of the same batch cannot take the place. */
  const pendingChats = new Set<string>()

  const write = async (batches: readonly (readonly Change[])[]): Promise<void> => {
    const changes = batches.flat()
    const expired = expiredRecords(tables, sealer, boots, options.retention, now(), batches.length)
    const leaves = log.take()
    const all = [...changes, ...leaves.changes, ...expired]
    // In one turn of the event loop, and so in one transaction.
    try {
      await Promise.all(
        all.map(({ table, key, value }) =>
          value === null ? table.remove(key) : table.put(key, value),
        ),
      )
      leaves.done()
    } catch (error) {
      hearCommitError(error)
      throw error
    } finally {
      for (const { table, key } of changes) {
        if (table === tables.chats) pendingChats.delete(key.toString('latin1'))
      }
    }
  }
  const { disk } = options
  const commit = createGroupCommit<readonly Change[]>({
    durability: options.durability,
    commit: (batches) => (disk === undefined ? write(batches) : disk(() => write(batches))),
    onFailure: options.onFailure,
  })
  let admissionsPutBack = journal.putBack.length
  // Where it fails, the next boot finds them again.
  if (admissionsPutBack > 0) void commit.flushed(journal.putBack)

  let position = 0n
  const archived = new Set<string>()
  const read = (key: Buffer | undefined): StoredReceipt | null => {
    if (key === undefined) return null
    const value = tables.records.get(key)
    const boot = boots.of(key)
    if (value === undefined || boot === null) {
      refuse()
      return null
    }
    const plain = sealer.open(
      'records',
      key,
      value.subarray(0, TIME_BYTES),
      boot.bootId,
      value.subarray(TIME_BYTES),
    )
    if (plain === null) {
      refuse()
      return null
    }
    return decodeEntry(plain, boot.identity)
  }
  /** What LMDB itself finds broken is an entry that cannot be read, like any other. */
  const find = (
    table: Table,
    index: Buffer,
    fits: (receipt: StoredReceipt) => boolean,
  ): StoredReceipt | null => {
    let receipt: StoredReceipt | null
    try {
      receipt = read(table.get(index))
    } catch {
      refuse()
      return null
    }
    if (receipt === null || fits(receipt)) return receipt
    // The index leads to somebody else's entry.
    refuse()
    return null
  }
  const chatName = (principal: string, chatId: string) => `${principal}\0${chatId}`

  const add = (entry: ReceiptEntry): Promise<void> | undefined => {
    const { receiptId, chatId, ownership } = entry
    // Whatever asks for it: what the id leads to is the receipt that somebody may hold.
    if (hasReceipt(receiptId)) throw new TypeError('a receipt id that has its receipt')
    const key = boots.key(++position)
    const time = Buffer.alloc(TIME_BYTES)
    time.writeUInt32BE(now())
    const sealed = sealer.seal('records', key, time, encodeEntry(entry))
    const changes: Change[] = [
      { table: tables.records, key, value: Buffer.concat([time, sealed]) },
      { table: tables.receipts, key: receiptIndex(receiptId), value: key },
      ...journal.settled(receiptId),
    ]
    if (chatId === null) return commit.write(changes)
    const index = sealer.indexKey('chat', chatName(ownership.principal, chatId))
    const name = index.toString('latin1')
    // The first of a name keeps it: ids are chosen by the model server, or by a client through it.
    if (pendingChats.has(name) || tables.chats.get(index) !== undefined) {
      return commit.write(changes)
    }
    pendingChats.add(name)
    changes.push({ table: tables.chats, key: index, value: key })
    return commit.write(changes)
  }
  /** Never throws: an answer whose receipt cannot be written is cut by the one who waits for it. */
  const put = (entry: ReceiptEntry): Promise<void> | undefined => {
    try {
      return add(entry)
    } catch (error) {
      options.onFailure(0)
      return Promise.reject(new StoreError('store_damaged', error))
    }
  }

  return {
    put,
    get: (receiptId) =>
      find(
        tables.receipts,
        receiptIndex(receiptId),
        ({ record }) => record.receipt_id === receiptId,
      ),
    findByChatId: (principal, chatId) =>
      find(
        tables.chats,
        sealer.indexKey('chat', chatName(principal, chatId)),
        ({ record, ownership }) => record.chat_id === chatId && ownership.principal === principal,
      ),
    usage: () => ({ receipts: treeOf(tables.records).entryCount, bytes: tables.bytes() }),
    durable: {
      admitted: (admission: OpenAdmission) => journal.admitted(admission),
      interrupted: journal.interrupted satisfies readonly InterruptedAdmission[],
      async strikeOut(receiptId) {
        refuse()
        admissionsPutBack++
        await commit.flushed(journal.settled(receiptId))
      },
      archive: async (digest, document) => {
        const changes = archived.has(digest) ? [] : boots.archive(digest, document)
        if (changes.length === 0) return
        await commit.flushed(changes)
        archived.add(digest)
      },
      document: (digest) => boots.document(digest),
      leaves: log.leaves,
      clockFloor: readClockFloor(tables, sealer, refuse),
      keepClockFloor: (at) => commit.flushed([sealClockFloor(tables, sealer, bootId, at)]),
      probe: () => commit.flushed([{ table: tables.meta, key: PROBE, value: probeValue(now()) }]),
      refused: () => refused,
      found: {
        ephemeral: options.ephemeral,
        lost,
        unreadableBoots,
        get admissionsPutBack() {
          return admissionsPutBack
        },
      },
      async close() {
        journal.close()
        await commit.idle()
        await leave()
        await tables.close()
      },
    },
  }
}

const OWNER = Buffer.from('owner')
const PROBE = Buffer.from('probe')

function probeValue(at: number): Buffer {
  const value = Buffer.alloc(TIME_BYTES)
  value.writeUInt32BE(at)
  return value
}

function ownerRow(tables: Tables) {
  const read = () => tables.meta.get(OWNER)?.toString('latin1') ?? null
  return {
    read,
    swap: (from: string | null, to: string | null): boolean =>
      tables.root.transactionSync(() => {
        if (read() !== from) return false
        if (to === null) tables.meta.removeSync(OWNER)
        else tables.meta.putSync(OWNER, Buffer.from(to, 'latin1'))
        return true
      }),
  }
}
