/**
 * The address of a shared store: TLS, a unix socket, or plain TCP.
 *
 * @module
 */
import { isIP } from 'node:net'
import { isLoopback } from '../channel/is-loopback.ts'
import { MAX_SOCKET_PATH_BYTES } from '../config/upstream-url.ts'

const DEFAULT_PORT = 6379

export type SharedUrl =
  | { readonly kind: 'unix'; readonly path: string; readonly user: string | null }
  | {
      readonly kind: 'tls' | 'plain'
      readonly host: string
      readonly port: number
      readonly user: string | null
      /** By a literal address: no packet to it leaves the machine, and nobody's name service has a say. */
      readonly loopback: boolean
    }

/** @returns null for what is none, and for one that holds a password: it would be attested for all to read */
export function parseSharedUrl(text: string): SharedUrl | null {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length)
    const fits = Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES
    return /^\/[^/\0][^\0]*$/.test(path) && fits ? { kind: 'unix', path, user: null } : null
  }
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  const { protocol, username, hostname, port } = url
  if (protocol !== 'rediss:' && protocol !== 'redis:') return null
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') return null
  if (url.password !== '' || !/^[\w.-]{0,64}$/.test(username)) return null
  const host = hostname.replace(/^\[|\]$/g, '')
  if (!/^[A-Za-z0-9.:-]{1,253}$/.test(host)) return null
  return {
    kind: protocol === 'rediss:' ? 'tls' : 'plain',
    host,
    port: port === '' ? DEFAULT_PORT : Number(port),
    user: username === '' ? null : username,
    loopback: isIP(host) !== 0 && isLoopback(host),
  }
}
