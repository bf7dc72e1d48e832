/**
 * Follows the log of a service from one verification to the next: gets the proofs between the head that is remembered and the one in the
 * statement, has them judged, and remembers.
 *
 * @module
 */
import { fail, info } from '../../../attestation/appraiser/check.ts'
import type { Check } from '../../../attestation/appraiser/check.ts'
import { counted } from '../../../attestation/appraiser/counted.ts'
import {
  LOG_CONTINUITY,
  judgeContinuity,
  judgeOlderHead,
} from '../../../attestation/appraiser/log/judge-continuity.ts'
import type { Continuity } from '../../../attestation/appraiser/log/judge-continuity.ts'
import type { RememberedLog } from '../../../attestation/appraiser/log/log-state.ts'
import type { CryptoPort } from '../../../attestation/crypto/port.ts'
import { parseLogOrigin } from '../../../attestation/protocol/log/log-origin.ts'
import type { LogHead } from '../../../attestation/protocol/statement.ts'
import { gatherProofs } from './gather-proofs.ts'
import type { ReadLog } from './gather-proofs.ts'
import type { LogMemory, MemorySnapshot } from './log-memory.ts'
import type { LogNames } from './log-names.ts'
import { isNamed } from './log-names.ts'

const { id: ID, proves: PROVES } = LOG_CONTINUITY

/** Whether that head was remembered by somebody else while this one was on its way. */
function isOvertaken(
  { head: known }: RememberedLog,
  head: LogHead,
  before: RememberedLog | null,
): boolean {
  if (known.origin !== head.origin || known.size <= head.size) return false
  return before?.head.origin !== known.origin || before.head.size <= head.size
}

/** A log of a name that is not among those remembered: a replica, or what would else have been seen to be forked. */
export function meetName(id: string, proves: string, head: LogHead): Continuity {
  const detail = `${head.origin}, ${counted(head.size, 'leaf', 'leaves')}`
  return { check: info(id, 'log_name_new', proves, detail), next: { head, past: [] } }
}

/**
 * @param head of a document that was accepted and made just now; null where the service keeps no log
 * @param named the names that the log may have; null: any. What is remembered of one says nothing of another: replicas have logs of their own
 * @param before what was remembered when the document was asked for
 * @returns one check, `log.continuity`. Never rejects
 */
export async function followLog(
  head: LogHead | null,
  named: LogNames | null,
  before: MemorySnapshot,
  memory: LogMemory,
  read: ReadLog,
  crypto: CryptoPort,
): Promise<Check> {
  const name = head === null ? null : parseLogOrigin(head.origin)?.name
  if (head === null || name === null || name === undefined) {
    return fail(ID, 'log_not_kept', PROVES)
  }
  // Under another name an empty log would be one that is seen for the first time.
  if (!isNamed(named, name)) return fail(ID, 'log_other_name', PROVES, name)
  if (!before.ok) return fail(ID, 'log_state_unusable', PROVES, before.detail)
  const since = before.state.get(name) ?? null
  const judge = async (remembered: RememberedLog | null): Promise<Continuity> => {
    if (remembered !== null && isOvertaken(remembered, head, since)) {
      const { size, origin } = remembered.head
      const boot = parseLogOrigin(origin)?.bootId ?? ''
      const proof = await read(`consistency?from=${head.size}&to=${size}&boot=${boot}`)
      return judgeOlderHead(remembered.head, head, proof, crypto)
    }
    if (remembered === null && before.state.size > 0) return meetName(ID, PROVES, head)
    const { evidence, withheld } = await gatherProofs(remembered, head, read, crypto)
    const judged = judgeContinuity(remembered, head, evidence, crypto)
    // That no way was shown does not say that there is none.
    return withheld && judged.check.code === 'log_reset'
      ? { check: fail(ID, 'log_proof_missing', PROVES, judged.check.detail), next: null }
      : judged
  }
  const outcome = await memory.update(name, judge)
  return outcome.ok ? outcome.check : fail(ID, 'log_state_unusable', PROVES, outcome.detail)
}
