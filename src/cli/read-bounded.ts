/**
 * Reads a file that was named on the command line.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { Refusal } from './refusal.ts'

/** Bytes of a file, or of an answer, that are read. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024

export async function readBounded(path: string): Promise<Buffer> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch {
    throw new Refusal(
      /^[\w.-]+:\d+/.test(path)
        ? `${path} cannot be read; a service is named by its URL, http://${path}.`
        : `${path} cannot be read.`,
    )
  }
  if (bytes.length > MAX_DOCUMENT_BYTES) throw new Refusal(`${path} is too large.`)
  return bytes
}
