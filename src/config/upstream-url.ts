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
      /** A literal address of the machine or of its own networks. */
      readonly local: boolean
    }

/**
 * Loopback, RFC 1918 and RFC 4193: addresses that a packet cannot leave the machine's own networks for. Link-local ones
 * (RFC 3927, `fe80::/10`) are not among them: in a cloud the host itself answers at 169.254.169.254.
 */
function isLocalAddress(host: string): boolean {
  if (isIP(host) === 4) {
    const [a = 0, b = 0] = host.split('.').map(Number)
    return a === 127 || a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168)
  }
  const lower = host.toLowerCase()
  return lower === '::1' || /^f[cd]/.test(lower)
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
  // A name is resolved by somebody: when a container is down, by the host's DNS. Only literal addresses stay inside.
  return { kind: 'http', origin: url.origin, local: isIP(host) !== 0 && isLocalAddress(host) }
}
