/**
 * Reads a file that somebody named, within a bound: opened once, so that what was looked at is what is read.
 *
 * @module
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

export type RegularFile =
  | { readonly ok: true; readonly bytes: Buffer }
  /** `irregular`: a device or a pipe, which need not end. */
  | { readonly ok: false; readonly why: 'irregular' | 'too_large' }

/** @returns null where the file grew beyond the limit after its size was looked at */
async function readAtMost(file: FileHandle, size: number, limit: number): Promise<Buffer | null> {
  // One byte more than it said it has, to see its end; it may grow while it is read.
  let buffer = Buffer.alloc(Math.min(size, limit) + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length)
    if (bytesRead === 0) return buffer.subarray(0, length)
    length += bytesRead
    if (length > limit) return null
    if (length === buffer.length) {
      buffer = Buffer.concat([buffer], Math.min(2 * buffer.length, limit + 1))
    }
  }
}

/**
 * @param limit bytes
 * @throws whatever opening and reading throw
 */
export async function readRegularFile(path: string, limit: number): Promise<RegularFile> {
  // Without O_NONBLOCK opening a pipe waits for somebody to write to it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const found = await file.stat()
    if (!found.isFile()) return { ok: false, why: 'irregular' }
    const bytes = found.size > limit ? null : await readAtMost(file, found.size, limit)
    return bytes === null ? { ok: false, why: 'too_large' } : { ok: true, bytes }
  } finally {
    await file.close()
  }
}
