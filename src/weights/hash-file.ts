/**
 * SHA-256 of one file, read in pieces of bounded size; in a thread of its own, so reading blocks nobody.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type { ListedFile } from './list-weights.ts'
import { WeightsError } from './weights-error.ts'

/** A link in the place of the file is an error, and a pipe there keeps nobody waiting. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

function open(listed: ListedFile): number {
  try {
    return openSync(listed.file, FLAGS)
  } catch (cause) {
    throw new WeightsError('weights_unreadable', listed.path, { cause })
  }
}

/**
 * @param buffer the piece that is held at a time
 * @param onBytes told of every piece
 * @throws WeightsError, also where the file is not the one that was listed or changed while it was read
 */
export function hashFile(
  listed: ListedFile,
  buffer: Uint8Array,
  onBytes: (count: number) => void,
): Hex32 {
  const changed = () => new WeightsError('weights_changed', listed.path)
  const fd = open(listed)
  try {
    const before = fstatSync(fd, { bigint: true })
    if (!before.isFile() || `${before.dev}:${before.ino}` !== listed.identity) throw changed()
    const hash = createHash('sha256')
    let total = 0
    for (;;) {
      let count = 0
      try {
        count = readSync(fd, buffer)
      } catch (cause) {
        throw new WeightsError('weights_unreadable', listed.path, { cause })
      }
      if (count === 0) break
      total += count
      if (total > listed.size) throw changed()
      hash.update(buffer.subarray(0, count))
      onBytes(count)
    }
    const after = fstatSync(fd, { bigint: true })
    const same = after.mtimeNs === before.mtimeNs && after.ctimeNs === before.ctimeNs
    if (total !== listed.size || !same) throw changed()
    return toHex32(hash.digest())
  } finally {
    closeSync(fd)
  }
}
