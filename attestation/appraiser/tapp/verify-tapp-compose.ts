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
import { MAX_COMPOSE_BYTES } from '../eventlog/verify-compose.ts'
import { normalizeCompose } from './normalize-compose.ts'

export const PROVES_TAPP_COMPOSE =
  'The values of the compose text are those that TAPP measured when it started the app.'

/** @param measured lower-case hex of 48 bytes */
export function verifyTappCompose(text: string, measured: string, crypto: CryptoPort): Check {
  const id = 'compose.hash'
  if (!text.isWellFormed()) return fail(id, 'compose_not_unicode', PROVES_TAPP_COMPOSE)
  const { length } = toUtf8(text)
  if (length > MAX_COMPOSE_BYTES) {
    return fail(id, 'compose_too_long', PROVES_TAPP_COMPOSE, `${length} bytes`)
  }
  const normal = normalizeCompose(text)
  if (!normal.ok) return fail(id, 'compose_ambiguous', PROVES_TAPP_COMPOSE, normal.detail)
  const digest = toHex(crypto.sha384(toUtf8(normal.text)))
  return digest === measured
    ? pass(id, PROVES_TAPP_COMPOSE, digest)
    : fail(id, 'compose_hash_mismatch', PROVES_TAPP_COMPOSE, `text has ${digest}`)
}
