/**
 * Which roots evidence may stand under: those that the policy lists, and where it takes any simulation, the marked roots
 * that the evidence brings along.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import { fromHex } from '../protocol/hex.ts'
import type { AppraisalPolicy } from './policy.ts'
import type { Certificate } from './x509/parse-certificate.ts'
import { isSimulatedRoot } from './x509/verify-chain.ts'

/**
 * @param listed SHA-256 of DER, lower-case hex
 * @param chains under which the evidence stands, as it gives them
 * @returns SHA-256 of the DER of each accepted root
 */
export function acceptedRoots(
  listed: readonly string[],
  chains: readonly (readonly Certificate[])[],
  policy: Pick<AppraisalPolicy, 'allowSimulated' | 'simulatedRoots'>,
  crypto: CryptoPort,
): Uint8Array[] {
  const roots = listed.map((root) => fromHex(root)).filter((root) => root !== null)
  if (!policy.allowSimulated || policy.simulatedRoots !== 'any') return roots
  const own = chains.flatMap((chain) => chain.filter(isSimulatedRoot))
  return [...roots, ...own.map(({ der }) => crypto.sha256(der))]
}
