/**
 * Whether what lies in a store is of this format and under this key.
 *
 * @module
 */
import { CLOCK_FLOOR_KEY } from './clock-floor.ts'
import { treeOf } from './open-tables.ts'
import type { Tables } from './open-tables.ts'
import { StoreError } from './store-error.ts'
import type { StoreFindings } from './store-warnings.ts'

const STORE_FORMAT = '1'
const FORMAT = Buffer.from('format')

/**
 * @param check of the key, as the sealer gives it
 * @returns what was removed, because the key that it was sealed under is gone
 * @throws StoreError store_key_mismatch, store_damaged
 */
export async function checkFormat(
  tables: Tables,
  check: string,
  ephemeral: boolean,
): Promise<StoreFindings['lost']> {
  const lost = { boots: 0, receipts: 0 }
  const own = `${STORE_FORMAT}\n${ephemeral ? 'ephemeral' : 'lasting'}\n${check}`
  const found = tables.meta.get(FORMAT)?.toString('latin1') ?? null
  if (found === own) return lost
  if (found !== null) {
    const [format, key] = found.split('\n')
    if (format !== STORE_FORMAT) throw new StoreError('store_damaged')
    if (!ephemeral || key !== 'ephemeral') throw new StoreError('store_key_mismatch')
    const { boots, documents, records, admissions, receipts, chats, logs, tiles, roots } = tables
    lost.boots = treeOf(boots).entryCount
    lost.receipts = treeOf(records).entryCount
    const all = [boots, documents, records, admissions, receipts, chats, logs, tiles, roots]
    await Promise.all([
      ...all.map((table) => table.clearAsync()),
      tables.meta.remove(CLOCK_FLOOR_KEY),
    ])
  }
  await tables.meta.put(FORMAT, Buffer.from(own, 'latin1'))
  return lost
}
