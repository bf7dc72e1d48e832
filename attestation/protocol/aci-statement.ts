/**
 * ACI's own statement (`aci/1`, report binding): other people fixed these bytes.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import type { Hex32, Sha256Digest } from './hex.ts'
import { canonicalBytes } from './jcs.ts'

export const ACI_VERSION = 'aci/1'

/** 32 bytes: the first half of the quote's report data slot; the second half is zero. */
export function aciReportData(
  keysetDigest: Sha256Digest,
  nonce: Hex32 | null,
  crypto: CryptoPort,
): Uint8Array {
  return crypto.sha256(
    canonicalBytes({ keyset_digest: keysetDigest, nonce, purpose: 'aci.report_data.v1' }),
  )
}
