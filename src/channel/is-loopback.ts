/**
 * Whether what is sent to a host stays on this machine.
 *
 * @module
 */
import { isIP } from 'node:net'

/**
 * By its name alone: `localhost` (RFC 6761 section 6.3), 127.0.0.0/8 (RFC 1122 section 3.2.1.3) or ::1 (RFC 4291 section 2.5.3).
 *
 * @param host without port; an IPv6 address with or without brackets
 */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '')
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}
