/**
 * The app's own mark on a statement: by the key that TAPP gives inside the machine alone and names in its quote.
 *
 * @module
 */
import { nodeCrypto } from '../../crypto/node.ts'
import { eip191Message } from '../../protocol/legacy-text.ts'
import { tappStatementText } from '../../protocol/tapp-statement.ts'

/**
 * r ‖ s of 64 bytes with low s, and the recovery id, over a digest of 32 bytes.
 */
export type SignDigest = (
  secret: Uint8Array,
  digest: Uint8Array,
) => { readonly signature: Uint8Array; readonly recovery: number }

/**
 * @param digest 64 bytes: SHA-512 of the statement
 * @returns `0x` r ‖ s ‖ v in lower-case hex, v in {27, 28}
 */
export function signTappStatement(
  secret: Uint8Array,
  digest: Uint8Array,
  sign: SignDigest,
): string {
  const made = sign(secret, nodeCrypto.keccak256(eip191Message(tappStatementText(digest))))
  const hex = Buffer.from(made.signature).toString('hex')
  return `0x${hex}${(27 + made.recovery).toString(16)}`
}
