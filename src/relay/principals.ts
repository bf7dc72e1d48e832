/**
 * Bearer tokens and the principals they stand for.
 *
 * Tokens are kept and compared as SHA-256 digests, every one of them on every request, so that the time taken says
 * nothing about which token was nearly right.
 *
 * @module
 */
import { createHash, timingSafeEqual } from 'node:crypto'

export interface Principal {
  readonly name: string
  /** The credential is shared by many users (a broker's), so it owns no receipt. */
  readonly relay: boolean
}

export interface PrincipalConfig extends Principal {
  /** SHA-256 of the token, 32 bytes. */
  readonly tokenHash: Uint8Array
}

/** Length of an Authorization header that is looked at. */
const MAX_AUTHORIZATION = 4096

export type Authenticator = (authorization: string | undefined) => Principal | null

export function createAuthenticator(principals: readonly PrincipalConfig[]): Authenticator {
  return (authorization) => {
    if (authorization === undefined || authorization.length > MAX_AUTHORIZATION) return null
    if (authorization.slice(0, 7).toLowerCase() !== 'bearer ') return null
    const hash = createHash('sha256').update(authorization.slice(7).trim()).digest()
    let found: PrincipalConfig | null = null
    for (const principal of principals) {
      if (timingSafeEqual(hash, principal.tokenHash)) found = principal
    }
    return found === null ? null : { name: found.name, relay: found.relay }
  }
}
