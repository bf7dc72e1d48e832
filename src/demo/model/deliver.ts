/**
 * Writes an answer as planned: paced, split, cut, reset or silent. Stops at once when the client has gone.
 *
 * @module
 */
import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { constants, createGzip, gzipSync } from 'node:zlib'
import type { DeliveryPlan } from './faults.ts'

/** A reset overtakes what the peer has not read yet, so the bytes before it get this head start. */
const RESET_GRACE_MS = 50

/**
 * Writes the pieces; the headers must be set. `onFault` is called just before the connection is closed on purpose.
 * Resolves when the last byte is handed over or the client has gone.
 */
export async function deliver(
  response: ServerResponse,
  plan: DeliveryPlan,
  signal: AbortSignal,
  onFault: () => void,
): Promise<void> {
  const { pieces, pauseMs, ending } = plan
  response.flushHeaders()
  for (const [i, piece] of pieces.entries()) {
    if (i > 0 && pauseMs !== null) await pause(pauseMs, signal)
    if (signal.aborted) return
    // Every write waits until the socket has taken it where the borders of the pieces matter, else only when it is full.
    if (pauseMs !== null || ending !== 'end') await written(response, piece, signal)
    else if (!response.write(piece)) await drained(response, signal)
  }
  if (signal.aborted) return
  switch (ending) {
    case 'end':
      response.end()
      return
    case 'fin':
      onFault()
      response.socket?.end()
      return
    case 'reset':
      await pause(RESET_GRACE_MS, signal)
      onFault()
      reset(response)
      return
    case 'silence':
      return
  }
}

/** Waits before the status line; false when the client has gone meanwhile. */
export async function holdBack(
  delayMs: number,
  until: Promise<unknown> | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (delayMs > 0) await pause(delayMs, signal)
  if (until !== undefined) {
    const gone = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => {
        resolve()
      })
    })
    await Promise.race([until, gone])
  }
  return !signal.aborted
}

/** Compresses parts so that each can be decoded as soon as it has arrived. */
export async function gzipParts(parts: readonly Buffer[]): Promise<readonly Buffer[]> {
  const [only] = parts
  if (only !== undefined && parts.length === 1) return [gzipSync(only)]
  const gzip = createGzip()
  const compressed: Buffer[] = []
  let pending: Buffer[] = []
  gzip.on('data', (bytes: Buffer) => pending.push(bytes))
  for (const part of parts) {
    gzip.write(part)
    await new Promise<void>((resolve) => {
      gzip.flush(constants.Z_SYNC_FLUSH, resolve)
    })
    compressed.push(Buffer.concat(pending))
    pending = []
  }
  const ended = new Promise((resolve) => gzip.once('end', resolve))
  gzip.end()
  await ended
  return [...compressed, Buffer.concat(pending)].filter((part) => part.length > 0)
}

function reset(response: ServerResponse): void {
  const { socket } = response
  if (socket === null) return
  // A unix socket has no reset.
  if (socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0) return nextTurn()
  try {
    await sleep(ms, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function written(response: ServerResponse, piece: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', done)
    response.write(piece, done)
    function done(): void {
      signal.removeEventListener('abort', done)
      resolve()
    }
  })
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', done)
    response.once('drain', done)
    function done(): void {
      signal.removeEventListener('abort', done)
      response.removeListener('drain', done)
      resolve()
    }
  })
}
