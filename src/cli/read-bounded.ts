/**
 * Reads a file that was named on the command line.
 *
 * @module
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { Refusal } from './refusal.ts'

/** Bytes of a file, or of an answer, that are read. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024

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
 * @throws Refusal for what cannot be read, is no regular file (a device or a pipe need not end) or is too large
 */
export async function readBounded(path: string, limit = MAX_DOCUMENT_BYTES): Promise<Buffer> {
  let file: FileHandle
  try {
    // Without O_NONBLOCK opening a pipe waits for somebody to write to it.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    throw new Refusal(
      /^[\w.-]+:\d+/.test(path)
        ? `${path} cannot be read; a service is named by its URL, http://${path}.`
        : `${path} cannot be read.`,
    )
  }
  try {
    const found = await file.stat()
    if (!found.isFile()) throw new Refusal(`${path} cannot be read: it is not a regular file.`)
    const bytes = found.size > limit ? null : await readAtMost(file, found.size, limit)
    if (bytes === null) throw new Refusal(`${path} is too large.`)
    return bytes
  } finally {
    await file.close()
  }
}
