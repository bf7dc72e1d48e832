/**
 * One process at a time in a folder, also across containers that share a volume, and no lock that outlives its holder.
 *
 * Node has no flock. Each process listens on a unix socket of a random name in the folder, then looks for others: one
 * that takes a connection is alive, one that refuses is the rest of a dead process and is removed. Because each shows
 * itself before it looks, of two that come at once at least one sees the other; names are never used twice, so that what
 * is removed cannot be somebody's new lock. A stopped process still holds: the kernel takes the connection.
 *
 * @module
 */
import { randomBytes, randomInt } from 'node:crypto'
import { chmodSync, readdirSync, renameSync, unlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SealedKeyError, storageError } from './sealed-key-error.ts'

/** Two processes that saw each other step back and try again, at different times. */
export const LOCK_ATTEMPTS = 8
const STEP_BACK_MS = 150
const CONNECT_MS = 1_000
const LOCK = /^\.lock\.[0-9a-f]{16}\.sock$/
const OWNER_ONLY = 0o600

export interface FolderLock {
  release(): void
}

/** @throws SealedKeyError `sealed_locked` where another process holds it, else what the storage says */
export async function lockFolder(folder: string): Promise<FolderLock> {
  for (let attempt = 1; ; attempt++) {
    const lock = await showItself(folder).catch((error: unknown) => {
      throw storageError(error)
    })
    if (!(await othersAlive(folder, lock.name))) return lock
    lock.release()
    if (attempt >= LOCK_ATTEMPTS) throw new SealedKeyError('sealed_locked')
    await sleep(randomInt(STEP_BACK_MS))
  }
}

async function showItself(folder: string): Promise<FolderLock & { readonly name: string }> {
  // Says ENOENT of a missing folder, where binding a socket below it says EACCES (libuv).
  readdirSync(folder)
  const id = randomBytes(8).toString('hex')
  const name = `.lock.${id}.sock`
  // Bound is not yet listening: under its final name it must never refuse a connection while its process lives.
  const unborn = join(folder, `.lock.${id}.new`)
  const server = createServer((socket) => socket.destroy())
  await listen(server, unborn)
  server.unref()
  const remove = () => {
    try {
      unlinkSync(join(folder, name))
    } catch {
      // Nobody listens any more; the next process removes the name.
    }
  }
  try {
    chmodSync(unborn, OWNER_ONLY)
    renameSync(unborn, join(folder, name))
  } catch (error) {
    server.close()
    throw error
  }
  return {
    name,
    release() {
      remove()
      server.close()
    },
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

async function othersAlive(folder: string, own: string): Promise<boolean> {
  let alive = false
  for (const name of readdirSync(folder)) {
    if (name === own || !LOCK.test(name)) continue
    const path = join(folder, name)
    if (await answers(path)) alive = true
    else {
      try {
        unlinkSync(path)
      } catch {
        // Its own process, or another that looked, was faster.
      }
    }
  }
  return alive
}

/** Whatever is not plainly dead counts as alive. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const done = (alive: boolean) => {
      socket.destroy()
      resolve(alive)
    }
    socket.setTimeout(CONNECT_MS, () => done(true))
    socket.once('connect', () => done(true))
    socket.once('error', (error) => {
      const code = 'code' in error ? error.code : null
      done(code !== 'ECONNREFUSED' && code !== 'ENOENT')
    })
  })
}
