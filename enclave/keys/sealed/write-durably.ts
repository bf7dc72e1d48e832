/**
 * Puts a small file into place so that after a crash at any point there is the old one or the new one, whole: a
 * temporary file, its fsync, one atomic step, the fsync of the folder (POSIX fsync and rename; Linux ext4 and zfs).
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

const OWNER_ONLY = 0o600
const TEMPORARY = /^\.[a-z.-]+\.[0-9a-f]{16}\.tmp$/

/**
 * @param how `create` fails with EEXIST where the file is there: it links, because a rename would replace it
 * @throws what the file system says; the temporary file is gone then, as far as it lets itself be removed
 */
export function writeDurably(
  folder: string,
  name: string,
  text: string,
  how: 'create' | 'replace',
): void {
  const path = join(folder, name)
  const temporary = join(folder, `.${name}.${randomBytes(8).toString('hex')}.tmp`)
  try {
    const file = openSync(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      OWNER_ONLY,
    )
    try {
      const bytes = Buffer.from(text, 'utf8')
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    if (how === 'create') {
      linkSync(temporary, path)
      unlinkSync(temporary)
    } else renameSync(temporary, path)
    syncFolder(folder)
  } catch (error) {
    try {
      unlinkSync(temporary)
    } catch {
      // It was never made, or is in place already, or the volume is beyond that; the next start removes it.
    }
    throw error
  }
}

/** Makes names durable that were added to the folder or taken from it. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** What a process left that was killed while it wrote; only for who holds the lock. */
export function removeTemporaries(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (TEMPORARY.test(name)) unlinkSync(join(folder, name))
  }
}
