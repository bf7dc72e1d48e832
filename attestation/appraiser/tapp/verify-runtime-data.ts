/**
 * Ties a quote of TAPP to a statement: report data = SHA-512(runtime data as received), the nonce inside is what the statement has
 * to hash to, and the key that it names signed that. Without the signature anybody on the network could have asked TAPP for the
 * quote, over a statement with keys of their own.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { parseTappRuntimeData } from '../../protocol/tapp-runtime-data.ts'
import { recoverTappStatement } from '../../protocol/tapp-statement.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { Quote } from '../quote/parse-quote.ts'

const PROVES =
  'The quote was made over this runtime data, which holds the nonce that TAPP was sent.'
const PROVES_SIGNATURE =
  'Whoever made the statement held the app’s key of this boot, which TAPP gives inside the machine alone.'
const PROVES_KEYS = 'Which keys TAPP made for the app.'

export interface TappBinding {
  /** Bytes as TAPP wrote them. */
  readonly runtimeData: Uint8Array
  /** See `tappStatementText`; null where there is none. */
  readonly signature: string | null
}

export interface RuntimeDataResult {
  /** tapp.runtime_data, tapp.signature and tapp.keys. */
  readonly checks: Check[]
  /** The nonce that the quote is over; null where it is over none. */
  readonly nonce: Uint8Array | null
}

function signatureCheck(
  nonce: Uint8Array | null,
  signer: string,
  signature: string | null,
  crypto: CryptoPort,
): Check {
  const id = 'tapp.signature'
  if (nonce === null) return skip(id, 'depends_on_failed', PROVES_SIGNATURE)
  if (signature === null) return fail(id, 'tapp_signature_missing', PROVES_SIGNATURE)
  return recoverTappStatement(nonce, signature, crypto) === signer
    ? pass(id, PROVES_SIGNATURE, signer)
    : fail(id, 'tapp_signature_invalid', PROVES_SIGNATURE)
}

/** @param quote null where it could not be read */
export function verifyRuntimeData(
  { runtimeData, signature }: TappBinding,
  quote: Quote | null,
  crypto: CryptoPort,
): RuntimeDataResult {
  const id = 'tapp.runtime_data'
  const unread = [
    skip('tapp.signature', 'depends_on_failed', PROVES_SIGNATURE),
    skip('tapp.keys', 'depends_on_failed', PROVES_KEYS),
  ]
  if (quote === null) {
    return { checks: [skip(id, 'depends_on_failed', PROVES), ...unread], nonce: null }
  }
  // Only then what it says: a text that the quote does not cover is anybody's.
  if (!crypto.equal(crypto.sha512(runtimeData), quote.reportData)) {
    return { checks: [fail(id, 'runtime_data_mismatch', PROVES), ...unread], nonce: null }
  }
  const read = parseTappRuntimeData(runtimeData)
  if (!read.ok) {
    return {
      checks: [fail(id, 'runtime_data_malformed', PROVES, read.detail), ...unread],
      nonce: null,
    }
  }
  const { nonce, signer, tlsPublicKey } = read.data
  const detail = `signer ${signer}, TLS key ${tlsPublicKey ?? 'none'}`
  const keys = info('tapp.keys', 'tapp_keys_not_compared', PROVES_KEYS, detail)
  const bound = nonce === null ? fail(id, 'runtime_data_nonce_missing', PROVES) : pass(id, PROVES)
  return { checks: [bound, signatureCheck(nonce, signer, signature, crypto), keys], nonce }
}
