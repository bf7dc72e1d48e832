/**
 * What a test or the demo may do to the demo model's answers. Only the process that started the model can reach these;
 * no request can.
 *
 * @module
 */

/** Pause between the two pieces of a split body, so that the peer reads them apart. */
export const SPLIT_PAUSE_MS = 2

/**
 * Faults of the chat routes, read once when a request has arrived. Byte counts are of the body as sent (after CRLF,
 * gzip and padding, before HTTP chunk framing).
 *
 * Of `cutAfterBytes`, `resetAfterBytes` and `silenceAfterChunks` the first that is set wins.
 */
export interface DemoFaults {
  /** Wait before the status line, milliseconds. */
  delayMs?: number | undefined
  /** Wait for this promise before the status line. */
  holdUntil?: Promise<unknown> | undefined
  /** Answer with this instead; the body is sent as it is. */
  status?: { readonly status: number; readonly body: string | Buffer } | undefined
  /** After so many body bytes close the connection cleanly (FIN), without ending the body. */
  cutAfterBytes?: number | undefined
  /** After so many body bytes reset the connection (RST; on a unix socket a plain close). */
  resetAfterBytes?: number | undefined
  /** Leave out `data: [DONE]`. */
  omitDone?: boolean | undefined
  /** Write the body in two pieces, split at this byte offset, or every byte by itself. */
  splitAt?: number | 'every' | undefined
  /** End the lines of a stream with CR LF. */
  crlf?: boolean | undefined
  /** Put a content delta in a stream, after its first event, whose line has this many bytes (at least about 300). */
  oversizeLine?: number | undefined
  /** After so many events of a stream (0: after the headers) send nothing more and keep the connection open. */
  silenceAfterChunks?: number | undefined
  /** Compress the body whether the client accepts it or not. */
  gzip?: boolean | undefined
  /** Send a buffered body in HTTP chunks instead of with a declared length. */
  chunkedBuffered?: boolean | undefined
}

/** What happens after the last byte: the regular end of the body, or one of the faults. */
export type Ending = 'end' | 'fin' | 'reset' | 'silence'

/** Pieces to write in order, how to pause between them, and how to end. */
export interface DeliveryPlan {
  readonly pieces: readonly Buffer[]
  /** Milliseconds between pieces; 0 lets the event loop turn once; null writes them back to back. */
  readonly pauseMs: number | null
  readonly ending: Ending
}

/** Applies the faults that concern a body, given as the events of a stream or as one buffered part. */
export function planDelivery(
  parts: readonly Buffer[],
  faults: DemoFaults,
  chunkDelayMs: number,
): DeliveryPlan {
  let pieces = parts
  let ending: Ending = 'end'
  const cutAt = faults.cutAfterBytes ?? faults.resetAfterBytes
  if (cutAt !== undefined) {
    ending = faults.cutAfterBytes === undefined ? 'reset' : 'fin'
    pieces = firstBytes(pieces, cutAt)
  } else if (faults.silenceAfterChunks !== undefined) {
    ending = 'silence'
    pieces = pieces.slice(0, faults.silenceAfterChunks)
  }
  if (faults.splitAt === 'every') {
    const bytes = Buffer.concat(pieces)
    pieces = Array.from({ length: bytes.length }, (_, i) => bytes.subarray(i, i + 1))
    return { pieces, pauseMs: 0, ending }
  }
  if (faults.splitAt !== undefined) {
    const bytes = Buffer.concat(pieces)
    pieces = [bytes.subarray(0, faults.splitAt), bytes.subarray(faults.splitAt)]
    return { pieces: pieces.filter((piece) => piece.length > 0), pauseMs: SPLIT_PAUSE_MS, ending }
  }
  return { pieces, pauseMs: chunkDelayMs > 0 ? chunkDelayMs : null, ending }
}

/** Applies the faults that concern the events of a stream. `filler` makes an event with a text of so many bytes. */
export function disturbEvents(
  events: readonly Buffer[],
  faults: DemoFaults,
  filler: (bytes: number) => Buffer,
): readonly Buffer[] {
  let disturbed = [...events]
  if (faults.omitDone === true) disturbed = disturbed.slice(0, -1)
  if (faults.oversizeLine !== undefined) {
    // The event is the line and two line ends.
    const bare = filler(0).length - 2
    disturbed.splice(1, 0, filler(Math.max(0, faults.oversizeLine - bare)))
  }
  if (faults.crlf === true) {
    disturbed = disturbed.map((event) =>
      Buffer.from(event.toString('latin1').replaceAll('\n', '\r\n'), 'latin1'),
    )
  }
  return disturbed
}

function firstBytes(parts: readonly Buffer[], count: number): readonly Buffer[] {
  const kept: Buffer[] = []
  let left = count
  for (const part of parts) {
    if (left <= 0) break
    kept.push(part.subarray(0, left))
    left -= part.length
  }
  return kept
}
