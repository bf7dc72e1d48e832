/**
 * Binds a server to its address.
 *
 * @module
 */
import { unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { Server as SecureServer } from 'node:https'

export interface Bound {
  readonly url: string
  readonly host: string
  readonly port: number
}

/** @param host a name or address, or `unix:/path.sock` */
export async function listen(
  server: Server | SecureServer,
  host: string,
  port: number,
  scheme: 'http' | 'https' = 'http',
): Promise<Bound> {
  const socketPath = host.startsWith('unix:') ? host.slice('unix:'.length) : null
  if (socketPath !== null) await unlink(socketPath).catch(() => {})
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath === null ? { host, port } : { path: socketPath }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : 0
  const name = host.includes(':') ? `[${host}]` : host
  return { url: `${scheme}://${name}:${bound}`, host, port: bound }
}
