/**
 * Bearer tokens from the environment: `name:token`, or `name:token:relay` for a credential that many users share,
 * separated by commas or line ends.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { PrincipalConfig } from '../relay/principals.ts'

export const MAX_PRINCIPALS = 256
/** Characters of a token: below it, guessing over the network is thinkable. */
export const MIN_TOKEN = 16

export type TokensResult =
  | { readonly ok: true; readonly principals: readonly PrincipalConfig[] }
  | { readonly ok: false; readonly problem: string }

/** Problems name the entry by its number, never by its text. */
export function readTokens(text: string): TokensResult {
  const entries = text
    .split(/[,\n]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  if (entries.length > MAX_PRINCIPALS) return { ok: false, problem: 'too many tokens' }
  const principals: PrincipalConfig[] = []
  for (const [index, entry] of entries.entries()) {
    const [name = '', token = '', kind, ...rest] = entry.split(':')
    const where = `token ${index + 1}`
    if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) {
      return { ok: false, problem: `${where}: the name is not a short lower-case name` }
    }
    if (token === '')
      return { ok: false, problem: `${where}: write name:token or name:token:relay` }
    if (token.length < MIN_TOKEN || !/^[\x21-\x7e]+$/.test(token)) {
      return {
        ok: false,
        problem: `${where}: a token has at least ${MIN_TOKEN} printable characters, none of them a colon or comma`,
      }
    }
    if (rest.length > 0 || (kind !== undefined && kind !== 'relay')) {
      return { ok: false, problem: `${where}: write name:token or name:token:relay` }
    }
    if (
      principals.some(
        (principal) => principal.name === name && principal.relay !== (kind === 'relay'),
      )
    ) {
      return { ok: false, problem: `${where}: the same name stands with and without relay` }
    }
    const tokenHash = createHash('sha256').update(token).digest()
    if (principals.some((principal) => tokenHash.equals(principal.tokenHash))) {
      return { ok: false, problem: `${where}: another entry has the same token` }
    }
    principals.push({ name, relay: kind === 'relay', tokenHash })
  }
  return { ok: true, principals }
}
