/**
 * Asks an address for a proof until the replica answers whose log it is.
 *
 * Behind a balancer a document may come from one replica, and what is asked next be answered by another, which has no proof of the
 * first one's log.
 *
 * @module
 */
import { unwrapDocument } from '../../../attestation/appraiser/document/parse-document.ts'
import { fromUtf8 } from '../../../attestation/protocol/utf8.ts'

/** Times that one proof is asked for where the answer is that there is no such log, or proof: 404. */
export const MAX_REPLICA_ASKS = 16

export interface ProofAnswer {
  readonly status: number
  /** Null where it is too long. */
  readonly body: Uint8Array | null
}

/**
 * @param ask once. Where `again`, over a connection that is not kept: it may lead to the same replica for good
 * @returns the text inside; null where there is none to be had. Never rejects
 */
export async function askReplicas(
  ask: (again: boolean) => Promise<ProofAnswer>,
): Promise<string | null> {
  for (let asked = 0; asked < MAX_REPLICA_ASKS; asked++) {
    const answer = await ask(asked > 0).catch(() => null)
    if (answer?.status === 200 && answer.body !== null) return fromUtf8(unwrapDocument(answer.body))
    if (answer?.status !== 404) return null
  }
  return null
}
