/**
 * Whom an address stands for where clients have to share.
 *
 * @module
 */
import { isIPv6 } from 'node:net'

/**
 * One machine has a whole /64 of IPv6 to itself (RFC 4291 §2.5.1), and may come from any address of it; IPv4 is one address,
 * mapped into IPv6 or not.
 *
 * @param address of a peer, as a socket has it
 */
export function clientNetwork(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length
  const groups = [...left, ...Array.from({ length: Math.max(zeros, 0) }, () => '0'), ...right]
  return groups
    .slice(0, 4)
    .map((group) => parseInt(group, 16).toString(16))
    .join(':')
}
