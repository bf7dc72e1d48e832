/**
 * The archived document that a receipt is judged under, where it names another keyset than the one in force: the service has
 * renewed its keyset since, or has started anew.
 *
 * @module
 */
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import type { Appraisal, AppraisalOptions } from '../../attestation/appraiser/appraise-document.ts'
import { stapledCollateral } from '../../attestation/appraiser/document/stapled-collateral.ts'
import type { FetchedDocument } from './fetch-document.ts'

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
