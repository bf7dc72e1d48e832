/**
 * Reads a file that was named on the command line.
 *
 * @module
 */
import { readRegularFile } from '../read-regular-file.ts'
import type { RegularFile } from '../read-regular-file.ts'
import { Refusal } from './refusal.ts'

/** Bytes of a file, or of an answer, that are read. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024

/**
 * @param limit bytes
 * @throws Refusal for what cannot be read, is no regular file (a device or a pipe need not end) or is too large
 */
export async function readBounded(path: string, limit = MAX_DOCUMENT_BYTES): Promise<Buffer> {
  let file: RegularFile
  try {
    file = await readRegularFile(path, limit)
  } catch {
    throw new Refusal(
      /^[\w.-]+:\d+/.test(path)
        ? `${path} cannot be read; a service is named by its URL, http://${path}.`
        : `${path} cannot be read.`,
    )
  }
  if (file.ok) return file.bytes
  throw new Refusal(
    file.why === 'irregular'
      ? `${path} cannot be read: it is not a regular file.`
      : `${path} is too large.`,
  )
}
