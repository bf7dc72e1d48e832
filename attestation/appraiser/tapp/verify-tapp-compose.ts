/**
 * Holds the compose text against the hash that TAPP measured when it started the app.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { toHex } from '../../protocol/hex.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { fail, pass } from '../check.ts'
import type { Check } from '../check.ts'
import type { CheckCode } from '../codes.ts'
import { MAX_COMPOSE_BYTES } from '../eventlog/verify-compose.ts'
import { normalizeCompose } from './normalize-compose.ts'

export const PROVES_TAPP_COMPOSE =
  'The values of the compose text are those that TAPP measured when it started the app.'

export type TappCompose =
  | { readonly ok: true; readonly normal: string }
  | { readonly ok: false; readonly code: CheckCode; readonly detail: string }

/** @returns the text's values as TAPP hashes them. Never throws on any text */
export function readTappCompose(text: string): TappCompose {
  if (!text.isWellFormed()) return { ok: false, code: 'compose_not_unicode', detail: '' }
  const { length } = toUtf8(text)
  if (length > MAX_COMPOSE_BYTES) {
    return { ok: false, code: 'compose_too_long', detail: `${length} bytes` }
  }
  const normal = normalizeCompose(text)
  return normal.ok
    ? { ok: true, normal: normal.text }
    : { ok: false, code: 'compose_ambiguous', detail: normal.detail }
}

/** @param measured lower-case hex of 48 bytes */
export function verifyTappCompose(
  compose: TappCompose,
  measured: string,
  crypto: CryptoPort,
): Check {
  const id = 'compose.hash'
  if (!compose.ok) return fail(id, compose.code, PROVES_TAPP_COMPOSE, compose.detail)
  const digest = toHex(crypto.sha384(toUtf8(compose.normal)))
  return digest === measured
    ? pass(id, PROVES_TAPP_COMPOSE, digest)
    : fail(id, 'compose_hash_mismatch', PROVES_TAPP_COMPOSE, `text has ${digest}`)
}
