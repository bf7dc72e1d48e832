/**
 * One process at a time on one store.
 *
 * The owner listens on a unix socket in the store's folder and is named in the store. Whoever comes later asks that socket:
 * a process that was killed does not answer, whatever container it ran in. The name changes hands in one transaction, so of
 * two that come at once one is refused.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { StoreError } from './store-error.ts'

/** `sun_path` of Linux holds 108 bytes with the zero at the end. */
const MAX_SOCKET_PATH_BYTES = 107
/** Milliseconds for the owner's socket to take a connection; the kernel does that for it. */
const OWNER_MS = 2_000

const OWNER = /^owner-[0-9a-f]{16}\.sock$/

export interface OwnerRow {
  read(): string | null
  /** Puts a name in the place of the one that was read, in one transaction; false where it is another one by now. */
  swap(from: string | null, to: string | null): boolean
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const end = (alive: boolean) => {
      socket.destroy()
      resolve(alive)
    }
    socket.setTimeout(OWNER_MS, () => end(true))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

/**
 * @returns gives the store back
 * @throws StoreError store_in_use, store_unusable
 */
export async function takeStore(folder: string, row: OwnerRow): Promise<() => Promise<void>> {
  const name = `owner-${randomBytes(8).toString('hex')}.sock`
  const path = join(folder, name)
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) throw new StoreError('store_unusable')
  const server: Server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new StoreError('store_unusable', error)))
    server.listen(path, resolve)
  })
  server.unref()
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()))
  const before = row.read()
  const other = before !== null && OWNER.test(before) ? join(folder, before) : null
  if ((other !== null && (await answers(other))) || !row.swap(before, name)) {
    await close()
    throw new StoreError('store_in_use')
  }
  if (other !== null) await rm(other, { force: true })
  return async () => {
    row.swap(name, null)
    await close()
  }
}
