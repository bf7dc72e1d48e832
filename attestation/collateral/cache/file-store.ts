/**
 * Small files in one folder, each written whole or not at all.
 *
 * Several processes may share a folder: a file is written under another name and then renamed (rename(2) replaces at once),
 * so a reader sees the old or the new one, never parts of both. A folder that cannot be written costs a fetch, nothing else.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { ABANDONED_FILE_MS } from '../limits.ts'

export interface FileStoreOptions {
  readonly directory: string
  /** Whether a name is one of this store; others in the folder are left alone. */
  readonly owns: (name: string) => boolean
  /** More are removed, the longest written first. */
  readonly maxFiles: number
  /** A longer file is none. */
  readonly maxBytes: number
}

export interface FileStore {
  /** @returns null where there is no such file, or none that is read */
  read(name: string): Promise<Uint8Array | null>
  /** @returns what stands in the way, as the system calls it, e.g. `ENOSPC`; null where it was kept */
  write(name: string, text: string): Promise<string | null>
  /** Names, in order. */
  list(): Promise<readonly string[]>
}

const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600
const TEMPORARY = /^\.(.{1,255})\.[0-9a-f]{16}\.tmp$/

/** @param name must be one that the store owns */
export function openFileStore(options: FileStoreOptions): FileStore {
  const { directory, owns, maxBytes } = options
  return {
    read: (name) => readWhole(join(directory, name), maxBytes),
    async write(name, text) {
      if (!owns(name)) throw new TypeError('a file of another store')
      try {
        await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE })
        await replace(directory, name, text)
        await tidy(options)
        return null
      } catch (error) {
        return systemCode(error)
      }
    },
    async list() {
      try {
        return (await readdir(directory)).filter(owns).toSorted()
      } catch (error) {
        systemCode(error)
        return []
      }
    },
  }
}

function systemCode(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') throw error
  return error.code
}

/** Opens without following a link and without waiting for a pipe: the folder may not be ours alone. */
async function readWhole(path: string, maxBytes: number): Promise<Uint8Array | null> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const { size } = await file.stat()
      if (size > maxBytes) return null
      const buffer = new Uint8Array(size)
      const { bytesRead } = await file.read(buffer, 0, size)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    systemCode(error)
    return null
  }
}

async function replace(directory: string, name: string, text: string): Promise<void> {
  const temporary = join(directory, `.${name}.${randomBytes(8).toString('hex')}.tmp`)
  try {
    const file = await open(temporary, 'wx', FILE_MODE)
    try {
      await file.writeFile(text)
      // Otherwise a power cut after the rename could leave a name with nothing behind it.
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, join(directory, name))
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

/** Removes what was written longest ago beyond the bound, and what a killed process left behind. Never anything else. */
async function tidy({ directory, owns, maxFiles }: FileStoreOptions): Promise<void> {
  const names = await readdir(directory)
  const age = async (name: string): Promise<number> =>
    stat(join(directory, name)).then(
      ({ mtimeMs }) => mtimeMs,
      // Another process was faster.
      () => 0,
    )
  const remove = async (name: string): Promise<void> =>
    unlink(join(directory, name)).catch(() => undefined)
  for (const name of names.filter((each) => owns(TEMPORARY.exec(each)?.[1] ?? ''))) {
    if (Date.now() - (await age(name)) > ABANDONED_FILE_MS) await remove(name)
  }
  const entries = names.filter(owns)
  if (entries.length <= maxFiles) return
  const dated = await Promise.all(entries.map(async (name) => ({ name, at: await age(name) })))
  const oldest = dated.toSorted((a, b) => a.at - b.at)
  for (const { name } of oldest.slice(0, entries.length - maxFiles)) await remove(name)
}
