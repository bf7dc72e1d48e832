/**
 * The LMDB environment and its tables. Keys and values are bytes; what they mean is the store's matter.
 *
 * @module
 */
import { mkdir, open, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
// Its declarations for `import` end in `export =`, which no compiler takes there; those for `require` are the same and right.
import type { Database, Key, RootDatabase, RootDatabaseOptionsWithPath } from 'lmdb' with {
  'resolution-mode': 'require',
}
import { StoreError } from './store-error.ts'

/** Bytes of a page: fixed, so that a volume moves between machines. */
export const PAGE_BYTES = 4096
/** LMDB's own bound on readers of one environment; ours are one. */
const MAX_READERS = 16
const MAX_TABLES = 16
/** Writes after which LMDB's thread begins within a turn of the event loop: more than there ever are. */
const NO_THRESHOLD = 2 ** 30

/** Bytes of the time in front of a sealed receipt: unix seconds, big-endian. */
export const TIME_BYTES = 4

/** What is used of the package. */
interface Lmdb {
  open<V, K extends Key>(options: RootDatabaseOptionsWithPath): RootDatabase<V, K>
}

export type Table = Database<Buffer, Buffer>

/** One change of a table; a null value removes. */
export interface Change {
  readonly table: Table
  readonly key: Buffer
  readonly value: Buffer | null
}

export interface Tables {
  readonly root: RootDatabase<Buffer, Buffer>
  /** Key check, format and owner, in the clear. */
  readonly meta: Table
  /** boot number → boot id ‖ sealed identity */
  readonly boots: Table
  /** boot number → sealed attestation document */
  readonly documents: Table
  /** boot number ‖ position → time ‖ sealed receipt */
  readonly records: Table
  /** boot number ‖ position → sealed admission */
  readonly admissions: Table
  /** keyed digest → key of the record */
  readonly receipts: Table
  readonly chats: Table
  /** boot number → time of its last head ‖ sealed boot record and head */
  readonly logs: Table
  /** boot number ‖ number of the tile → sealed leaf hashes */
  readonly tiles: Table
  /** boot number ‖ number of the row → sealed roots of whole tiles */
  readonly roots: Table
  /** Pages of records, documents and leaves, in bytes. */
  bytes(): number
  close(): Promise<void>
}

/**
 * Rejections of lmdb carry a second promise with the reason, rejected later; nobody waits for it, and unheard it would end the
 * process.
 */
export function hearCommitError(error: unknown): void {
  if (!(error instanceof Error) || !('commitError' in error)) return
  if (error.commitError instanceof Promise) error.commitError.catch(() => undefined)
}

interface TreeStats {
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
  readonly entryCount: number
}

function numberIn(stats: object, name: string): number {
  const value: unknown = Reflect.get(stats, name)
  return typeof value === 'number' ? value : 0
}

export function treeOf(table: Table): TreeStats {
  const stats: object = table.getStats()
  return {
    treeBranchPageCount: numberIn(stats, 'treeBranchPageCount'),
    treeLeafPageCount: numberIn(stats, 'treeLeafPageCount'),
    overflowPages: numberIn(stats, 'overflowPages'),
    entryCount: numberIn(stats, 'entryCount'),
  }
}

function pageBytes(table: Table): number {
  const { treeBranchPageCount, treeLeafPageCount, overflowPages } = treeOf(table)
  return (treeBranchPageCount + treeLeafPageCount + overflowPages) * PAGE_BYTES
}

/** @throws StoreError store_binding_missing, store_damaged, store_unusable */
export async function openTables(folder: string): Promise<Tables> {
  let lmdb: Lmdb
  try {
    lmdb = createRequire(import.meta.url)('lmdb') as Lmdb
  } catch (error) {
    throw new StoreError('store_binding_missing', error)
  }
  const file = join(folder, 'receipts.mdb')
  let root: RootDatabase<Buffer, Buffer>
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await fillTruncated(file)
    root = lmdb.open<Buffer, Buffer>({
      path: file,
      noSubdir: true,
      encoding: 'binary',
      keyEncoding: 'binary',
      pageSize: PAGE_BYTES,
      maxDbs: MAX_TABLES,
      maxReaders: MAX_READERS,
      // An awaited write is then on the disk, and not only in the kernel's hands.
      overlappingSync: false,
      // With it lmdb 3.5.6 makes a promise of its own for each batch, whose rejection by a full disk would end the process. Without
      // it what one turn writes is one transaction too: writing begins after the turn, however much there is.
      eventTurnBatching: false,
      ...{ txnStartThreshold: NO_THRESHOLD },
      commitDelay: 0,
    })
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw new StoreError('store_unusable', error)
  }
  const table = (name: string): Table =>
    root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary' })
  try {
    const records = table('records')
    const documents = table('documents')
    const tiles = table('tiles')
    return {
      root,
      meta: table('meta'),
      boots: table('boots'),
      documents,
      records,
      admissions: table('admissions'),
      receipts: table('receipts'),
      chats: table('chats'),
      logs: table('logs'),
      tiles,
      roots: table('roots'),
      bytes: () => pageBytes(records) + pageBytes(documents) + pageBytes(tiles),
      close: () => root.close(),
    }
  } catch (error) {
    await root.close()
    throw new StoreError('store_damaged', error)
  }
}

/** A meta page of the data format of lmdb 3.5.6 (struct MDB_meta behind a page header of 24 bytes), little-endian. */
const META = { magicAt: 24, magic: 0xbeefc0de, lastPageAt: 0x90, end: 0xa0 } as const
/** Bytes of a file that is believed: 16 TiB, as ext4's. */
const MAX_FILE_BYTES = 2n ** 44n

/**
 * The file is mapped into memory, and reading a page that is not in it any more would end the process with SIGBUS. A file that
 * is shorter than its last page is given that length: what was cut off is zeros then, which no tree and no seal takes for its
 * own. It may be shorter for a good reason too, where its last pages are free.
 */
async function fillTruncated(file: string): Promise<void> {
  const found = await stat(file).catch(() => null)
  if (found === null || found.size === 0) return
  if (found.size < 2 * PAGE_BYTES) throw new StoreError('store_damaged')
  const head = Buffer.alloc(2 * PAGE_BYTES)
  const handle = await open(file, 'r+')
  try {
    await handle.read(head, 0, head.length, 0)
    let lastPage = 0n
    for (const at of [0, PAGE_BYTES]) {
      const page = head.subarray(at, at + META.end)
      if (page.readUInt32LE(META.magicAt) !== META.magic) throw new StoreError('store_damaged')
      const last = page.readBigUInt64LE(META.lastPageAt)
      if (last > lastPage) lastPage = last
    }
    const needed = (lastPage + 1n) * BigInt(PAGE_BYTES)
    if (needed > MAX_FILE_BYTES) throw new StoreError('store_damaged')
    if (BigInt(found.size) < needed) await handle.truncate(Number(needed))
  } finally {
    await handle.close()
  }
}
