/**
 * Sends rows to the place that replicas share: what one turn of the event loop brings goes together, and no batch waits for another. So a row
 * is held by its own write alone, and a write that comes too late takes none along that was acknowledged before.
 *
 * @module
 */
import type { SharedRow } from './shared-place.ts'

/** Rows of one write. */
export const MAX_ROWS_TOGETHER = 256

export interface RowSender {
  /** Rejects as the write does that they went with. */
  send(rows: readonly SharedRow[]): Promise<void>
  /** Resolves when nothing is under way, however that ended. */
  idle(): Promise<void>
}

export function createRowSender(write: (rows: readonly SharedRow[]) => Promise<void>): RowSender {
  let batch: SharedRow[] = []
  let open: Promise<void> | null = null
  const underWay = new Set<Promise<void>>()

  const begin = async (own: SharedRow[]): Promise<void> => {
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (batch === own) open = null
    await write(own)
  }
  const opened = (): Promise<void> => {
    batch = []
    const begun = begin(batch)
    const over = () => void underWay.delete(begun)
    underWay.add(begun)
    begun.then(over, over)
    return begun
  }
  return {
    send(rows) {
      if (open === null || batch.length + rows.length > MAX_ROWS_TOGETHER) open = opened()
      batch.push(...rows)
      return open
    },
    async idle() {
      while (underWay.size > 0) await Promise.allSettled(underWay)
    },
  }
}
