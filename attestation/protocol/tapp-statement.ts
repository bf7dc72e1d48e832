/**
 * What ties a statement to an app that 0G's TAPP started: a signature by the app's key of this boot, which the quote names.
 *
 * A quote alone does not: TAPP gives anybody evidence of any app over any nonce (`GetEvidence` is open to the network), so the
 * nonce shows that the machine made the quote after the statement, and nothing of who made the statement. The app's key TAPP
 * gives on its unix socket inside the machine alone (`GetAppSecretKey`).
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import { toHex } from './hex.ts'
import { recoverEip191 } from './legacy-text.ts'

/** Separates this use of the app's key from TAPP's own and from every other program's. */
export const TAPP_STATEMENT_PURPOSE = 'countersign.tapp_statement.v1'

/**
 * The text that is signed under EIP-191 (`personal_sign`).
 *
 * @param digest 64 bytes: SHA-512 of the statement, which is the nonce that TAPP is sent
 */
export function tappStatementText(digest: Uint8Array): string {
  return `${TAPP_STATEMENT_PURPOSE}:${toHex(digest)}`
}

/**
 * @param signature `0x` and 130 lower-case hex digits: r ‖ s ‖ v, low s, v in {27, 28}
 * @returns the lower-case `0x` address that signed; null where the signature is none
 */
export function recoverTappStatement(
  digest: Uint8Array,
  signature: string,
  crypto: CryptoPort,
): string | null {
  return recoverEip191(tappStatementText(digest), signature, crypto)
}
