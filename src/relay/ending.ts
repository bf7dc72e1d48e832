/**
 * How an answer ends on the client's side.
 *
 * @module
 */
import type { ServerResponse } from 'node:http'
import type { Limits } from '../limits.ts'

/** Goes on at once where settling was synchronous: no turn of the event loop between signing and the last byte. */
export async function afterSettling(
  settled: Promise<void> | null,
  then: () => void,
  failed: () => void,
): Promise<void> {
  if (settled !== null) {
    try {
      await settled
    } catch {
      // The store did not take the receipt: an answer without one must not look finished.
      failed()
      return
    }
  }
  then()
}

/**
 * Calls `done` when the answer has been written out or its connection is gone. A client that takes nothing of it for too
 * long is let go: its answer, its place and its connection would be held for as long as it likes.
 */
export function leaveWhenWritten(res: ServerResponse, limits: Limits, done: () => void): void {
  if (res.closed) {
    done()
    return
  }
  const stalled =
    res.writableLength > 0 ? setTimeout(() => res.destroy(), limits.clientStallMs) : null
  res.once('close', () => {
    if (stalled !== null) clearTimeout(stalled)
    done()
  })
}

/** Ends a stream so that nobody takes it for finished, after what was written (and hashed) has been sent. */
export function cut(res: ServerResponse): void {
  const { socket } = res
  if (socket === null || socket.destroyed) res.destroy()
  else socket.destroySoon()
}
