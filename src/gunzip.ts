/**
 * Node's gzip, as the appraiser wants it of its caller.
 *
 * @module
 */
import { gunzipSync } from 'node:zlib'

/** Bounded by zlib itself, so that a small certificate cannot fill the memory. */
export function gunzip(compressed: Uint8Array, maxOutputLength: number): Uint8Array | null {
  try {
    return gunzipSync(compressed, { maxOutputLength })
  } catch {
    return null
  }
}
