/**
 * The address of a model server: a unix socket, or plain HTTP at a literal address.
 *
 * @module
 */
import { isIP } from 'node:net'

/** `sun_path` of Linux holds 108 bytes with the zero at the end; a longer path would be cut to another one. */
export const MAX_SOCKET_PATH_BYTES = 107

export type UpstreamUrl =
  | { readonly kind: 'unix'; readonly socketPath: string }
  | {
      readonly kind: 'http'
      readonly origin: string
      /** Loopback: no packet to it leaves the machine. */
      readonly local: boolean
    }

/**
 * Loopback alone (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3). Of a private address nothing can be said: where the guest's network
 * is one of QEMU's own, 10.0.2.2 is the host, and elsewhere it may be the host's next machine.
 */
function isLoopback(host: string): boolean {
  return (isIP(host) === 4 && host.startsWith('127.')) || host === '::1'
}

/** @returns null for what is neither a unix socket nor a plain HTTP origin */
export function parseUpstreamUrl(text: string): UpstreamUrl | null {
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length)
    const fits = Buffer.byteLength(socketPath) <= MAX_SOCKET_PATH_BYTES
    // `//host/…` is how others write a name into such an address.
    return /^\/[^/\0][^\0]*$/.test(socketPath) && fits ? { kind: 'unix', socketPath } : null
  }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return null
  }
  const path = url.pathname.replace(/\/(?:v1\/?)?$/, '')
  if (url.protocol !== 'http:' || path !== '' || url.search !== '' || url.hash !== '') return null
  if (url.username !== '' || url.password !== '') return null
  const host = url.hostname.replace(/^\[|\]$/g, '')
  // A name is resolved by somebody: when a container is down, by the host's DNS.
  return { kind: 'http', origin: url.origin, local: isLoopback(host) }
}
