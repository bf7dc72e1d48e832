/**
 * The bytes of an app-compose.json that a command was given.
 *
 * @module
 */
import { open } from 'node:fs/promises'
import { MAX_COMPOSE_BYTES } from '../../attestation/appraiser/eventlog/verify-compose.ts'
import { Refusal } from './refusal.ts'

/**
 * Reads one byte more than a guest accepts and no further, whatever the path leads to.
 *
 * @throws Refusal where the file cannot be read
 */
export async function readComposeFile(path: string): Promise<Uint8Array> {
  const buffer = new Uint8Array(MAX_COMPOSE_BYTES + 1)
  let length = 0
  try {
    const file = await open(path, 'r')
    try {
      while (length < buffer.length) {
        const { bytesRead } = await file.read(buffer, length, buffer.length - length)
        if (bytesRead === 0) break
        length += bytesRead
      }
    } finally {
      await file.close()
    }
  } catch {
    throw new Refusal(`${path} cannot be read.`)
  }
  return buffer.subarray(0, length)
}
