/**
 * The archived document that a receipt is judged under, where it names another keyset than the one in force: the service has
 * renewed its keyset since, or has started anew.
 *
 * @module
 */
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import type { Appraisal, AppraisalOptions } from '../../attestation/appraiser/appraise-document.ts'
import { stapledCollateral } from '../../attestation/appraiser/document/stapled-collateral.ts'
import type { KeysetLookup } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import { fetchArchived, reached } from './fetch-document.ts'
import type { FetchedDocument } from './fetch-document.ts'
import { Refusal } from './refusal.ts'

/** The document that a service keeps of a keyset, or why there is none: what is then said of the receipt that names it. */
export async function lookUpArchived(
  target: string,
  digest: Sha256Digest,
): Promise<FetchedDocument | Exclude<KeysetLookup, 'not_asked'>> {
  try {
    return (await reached(target, () => fetchArchived(target, digest))) ?? 'not_archived'
  } catch (error) {
    if (error instanceof Refusal) return 'unreachable'
    throw error
  }
}

/**
 * Judges it at the same time and under the same policy as the document of the keyset in force, all but its age: it is as old as its
 * keyset. Collateral that the caller gives counts first, then that of the document in force, then its own.
 *
 * @param inForce exact text of the document that the service served for the caller's nonce; null where none was asked for
 */
export function appraiseArchived(
  { bytes }: Pick<FetchedDocument, 'bytes'>,
  inForce: Uint8Array | null,
  options: AppraisalOptions,
): Appraisal {
  const fresher = inForce === null ? null : stapledCollateral(inForce)
  return appraiseDocument(bytes, {
    ...options,
    // Where the connection ended was judged with the keyset in force; this one may be of a boot with another TLS key.
    channel: null,
    policy: { ...options.policy, channel: 'any' },
    nonce: null,
    asOf: true,
    collateral: options.collateral ?? fresher?.collateral ?? null,
    gpuCollateral: options.gpuCollateral ?? fresher?.gpuCollateral ?? null,
  })
}
