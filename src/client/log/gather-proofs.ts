/**
 * Gets the proofs that a head goes on from another one of a log of the same name.
 *
 * @module
 */
import {
  MAX_BOOT_CHAIN,
  predecessorOf,
} from '../../../attestation/appraiser/log/judge-continuity.ts'
import type { LogEvidence } from '../../../attestation/appraiser/log/judge-continuity.ts'
import type { RememberedLog } from '../../../attestation/appraiser/log/log-state.ts'
import type { CryptoPort } from '../../../attestation/crypto/port.ts'
import { parseLogOrigin } from '../../../attestation/protocol/log/log-origin.ts'
import type { LogHead } from '../../../attestation/protocol/statement.ts'

/** @param path below `…/attestation/log/`, with its query @returns the text inside; null where there is none to be had */
export type ReadLog = (path: string) => Promise<string | null>

export interface GatheredProofs {
  readonly evidence: LogEvidence
  /** A proof was asked for, and not to be had. */
  readonly withheld: boolean
}

/** @param remembered the head to come from; null where there is none */
export async function gatherProofs(
  remembered: RememberedLog | null,
  head: LogHead,
  read: ReadLog,
  crypto: CryptoPort,
): Promise<GatheredProofs> {
  const boots: string[] = []
  const found = (consistency: string | null, withheld: boolean): GatheredProofs => ({
    evidence: { boots, consistency },
    withheld,
  })
  if (remembered === null) return found(null, false)
  const known = remembered.head
  let reached = head
  while (reached.origin !== known.origin && boots.length < MAX_BOOT_CHAIN) {
    const boot = parseLogOrigin(reached.origin)?.bootId ?? ''
    const proof = await read(`boot?boot=${boot}&size=${reached.size}`)
    if (proof === null) return found(null, true)
    boots.push(proof)
    const link = predecessorOf(reached, proof, crypto)
    if (link === null || link.predecessor === null) break
    if (remembered.past.includes(link.predecessor.origin)) break
    reached = link.predecessor
  }
  if (reached.origin !== known.origin || reached.size <= known.size) return found(null, false)
  const boot = parseLogOrigin(known.origin)?.bootId ?? ''
  const query = `from=${known.size}&to=${reached.size}&boot=${boot}`
  const consistency = await read(`consistency?${query}`)
  return found(consistency, consistency === null)
}
