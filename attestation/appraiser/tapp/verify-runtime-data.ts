/**
 * Ties a quote of TAPP to what was asked of it: report data = SHA-512(runtime data as received), and the nonce inside is what the
 * statement of a document has to hash to.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { parseTappRuntimeData } from '../../protocol/tapp-runtime-data.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { Quote } from '../quote/parse-quote.ts'

const PROVES =
  'The quote was made over this runtime data, which holds the nonce that TAPP was sent.'
const PROVES_KEYS = 'Which keys TAPP made for the app. Nothing is signed with them here.'

export interface RuntimeDataResult {
  /** tapp.runtime_data and tapp.keys. */
  readonly checks: Check[]
  /** The nonce that the quote is over; null where it is over none. */
  readonly nonce: Uint8Array | null
}

/** @param quote null where it could not be read */
export function verifyRuntimeData(
  runtimeData: Uint8Array,
  quote: Quote | null,
  crypto: CryptoPort,
): RuntimeDataResult {
  const id = 'tapp.runtime_data'
  const unread = skip('tapp.keys', 'depends_on_failed', PROVES_KEYS)
  if (quote === null) {
    return { checks: [skip(id, 'depends_on_failed', PROVES), unread], nonce: null }
  }
  // Only then what it says: a text that the quote does not cover is anybody's.
  if (!crypto.equal(crypto.sha512(runtimeData), quote.reportData)) {
    return { checks: [fail(id, 'runtime_data_mismatch', PROVES), unread], nonce: null }
  }
  const read = parseTappRuntimeData(runtimeData)
  if (!read.ok) {
    return {
      checks: [fail(id, 'runtime_data_malformed', PROVES, read.detail), unread],
      nonce: null,
    }
  }
  const { nonce, signer, tlsPublicKey } = read.data
  const detail = `signer ${signer}, TLS key ${tlsPublicKey ?? 'none'}`
  const keys = info('tapp.keys', 'tapp_keys_not_compared', PROVES_KEYS, detail)
  return nonce === null
    ? { checks: [fail(id, 'runtime_data_nonce_missing', PROVES), keys], nonce }
    : { checks: [pass(id, PROVES), keys], nonce }
}
