/**
 * How often one client may ask at one door of the attestation. A canonical document shares its quote with all who wait, so many
 * may be had at once; one of the other doors costs a quote of its own.
 *
 * @module
 */
import type { Request } from 'express'
import { clientNetwork } from '../relay/client-network.ts'
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

/** The principal of the credential; without one the address of the peer, never what a header says of it. */
export function clientOf(req: Pick<Request, 'headers' | 'socket'>, authenticate: Authenticator) {
  const principal = authenticate(req.headers.authorization)
  if (principal !== null) return `principal ${principal.name}`
  return `address ${clientNetwork(req.socket.remoteAddress ?? '')}`
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
