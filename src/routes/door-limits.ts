/**
 * How often one client may ask at one door of the attestation. A canonical document shares its quote with all who wait, so many
 * may be had at once; one of the other doors costs a quote of its own.
 *
 * @module
 */
import { isIPv6 } from 'node:net'
import type { Request } from 'express'
import type { Authenticator } from '../relay/principals.ts'
import type { Limits } from '../limits.ts'
import { createTokenBuckets } from './token-buckets.ts'
import type { TokenBuckets } from './token-buckets.ts'

export type LimitedDoor = 'canonical' | 'aci' | 'vllm-proxy' | '0g-quote'

export interface DoorLimits {
  /** @returns null where the request may go on, else the seconds for `Retry-After` */
  take(door: LimitedDoor, req: Request): number | null
  /** Who takes turns with others for a quote. */
  clientOf(req: Request): string
}

export type DoorLimitNames =
  'attestationBurst' | 'attestationPerMinute' | 'quoteBurst' | 'quotePerMinute'

/** One machine has a whole /64 of IPv6 to itself (RFC 4291 §2.5.1), and may come from any address of it. */
function networkOf(address: string): string {
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

/** The principal of the credential; without one the address of the peer, never what a header says of it. */
export function clientOf(req: Pick<Request, 'headers' | 'socket'>, authenticate: Authenticator) {
  const principal = authenticate(req.headers.authorization)
  if (principal !== null) return `principal ${principal.name}`
  return `address ${networkOf(req.socket.remoteAddress ?? '')}`
}

export function createDoorLimits(
  limits: Pick<Limits, DoorLimitNames>,
  authenticate: Authenticator,
): DoorLimits {
  const { attestationBurst, attestationPerMinute, quoteBurst, quotePerMinute } = limits
  const quotes = { burst: quoteBurst, perMinute: quotePerMinute }
  const doors: Readonly<Record<LimitedDoor, TokenBuckets>> = {
    canonical: createTokenBuckets({ burst: attestationBurst, perMinute: attestationPerMinute }),
    aci: createTokenBuckets(quotes),
    'vllm-proxy': createTokenBuckets(quotes),
    '0g-quote': createTokenBuckets(quotes),
  }
  return {
    take: (door, req) => doors[door].take(clientOf(req, authenticate)),
    clientOf: (req) => clientOf(req, authenticate),
  }
}
