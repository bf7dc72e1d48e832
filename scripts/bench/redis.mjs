// A Redis or Valkey server for a benchmark, on a unix socket of its own, ended with the process.
import { spawn, spawnSync } from 'node:child_process'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { shareStore } from '../../dist/enclave/store/share-store.js'
import { openSharedPlace } from '../../dist/src/shared-store/open-shared-place.js'
import { parseSharedUrl } from '../../dist/src/shared-store/shared-url.js'

const answers = (path) =>
  new Promise((resolve) => {
    const socket = createConnection({ path })
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })

// Path of its socket, and what ends it; null where no server is installed.
export async function startRedis(folder) {
  const server = ['redis-server', 'valkey-server'].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  )
  if (server === undefined) return null
  const path = join(folder, 'r.sock')
  const child = spawn(
    server,
    ['--unixsocket', path, '--port', '0', '--save', '', '--dir', folder],
    { stdio: 'ignore' },
  )
  while (!(await answers(path))) await new Promise((resolve) => setTimeout(resolve, 20))
  return { path, end: () => child.kill('SIGKILL') }
}

// The store on disk, shared there.
export const sharedAt = (path, local, options) =>
  shareStore(local, {
    ...options,
    open: (events) =>
      openSharedPlace({ url: parseSharedUrl(`unix:${path}`), ca: null, password: null }, events),
  })
