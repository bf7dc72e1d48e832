/**
 * Follows the log of a service from one verification to the next: gets the proofs between the head that is remembered and the one in the
 * statement, has them judged, and remembers.
 *
 * @module
 */
import { fail, pass } from '../../../attestation/appraiser/check.ts'
import type { Check } from '../../../attestation/appraiser/check.ts'
import { counted } from '../../../attestation/appraiser/counted.ts'
import {
  LOG_CONTINUITY,
  MAX_BOOT_CHAIN,
  judgeContinuity,
  judgeOlderHead,
  predecessorOf,
} from '../../../attestation/appraiser/log/judge-continuity.ts'
import type {
  Continuity,
  LogEvidence,
} from '../../../attestation/appraiser/log/judge-continuity.ts'
import type { RememberedLog } from '../../../attestation/appraiser/log/log-state.ts'
import type { CryptoPort } from '../../../attestation/crypto/port.ts'
import { parseLogOrigin } from '../../../attestation/protocol/log/log-origin.ts'
import type { LogHead } from '../../../attestation/protocol/statement.ts'
import type { LogMemory, MemorySnapshot } from './log-memory.ts'

const { id: ID, proves: PROVES } = LOG_CONTINUITY
const ARCHIVE_ID = 'log.archive'
const PROVES_ARCHIVE = 'The archived keyset is of the log that was followed.'

/** @param path below `…/attestation/log/`, with its query @returns the text inside; null where there is none to be had */
export type ReadLog = (path: string) => Promise<string | null>

async function gather(
  remembered: RememberedLog | null,
  head: LogHead,
  read: ReadLog,
  crypto: CryptoPort,
): Promise<LogEvidence> {
  const boots: string[] = []
  if (remembered === null) return { boots, consistency: null }
  const known = remembered.head
  let reached = head
  while (reached.origin !== known.origin && boots.length < MAX_BOOT_CHAIN) {
    const boot = parseLogOrigin(reached.origin)?.bootId ?? ''
    const proof = await read(`boot?boot=${boot}&size=${reached.size}`)
    if (proof === null) break
    boots.push(proof)
    const link = predecessorOf(reached, proof, crypto)
    if (link === null || link.predecessor === null) break
    if (remembered.past.includes(link.predecessor.origin)) break
    reached = link.predecessor
  }
  if (reached.origin !== known.origin || reached.size <= known.size) {
    return { boots, consistency: null }
  }
  const boot = parseLogOrigin(known.origin)?.bootId ?? ''
  const query = `from=${known.size}&to=${reached.size}&boot=${boot}`
  return { boots, consistency: await read(`consistency?${query}`) }
}

/** Whether that head was remembered by somebody else while this one was on its way. */
function isOvertaken(
  { head: known }: RememberedLog,
  head: LogHead,
  before: RememberedLog | null,
): boolean {
  if (known.origin !== head.origin || known.size <= head.size) return false
  return before?.head.origin !== known.origin || before.head.size <= head.size
}

/**
 * @param head of a document that was accepted and made just now; null where the service keeps no log
 * @param named the only name that the log may have; null: any, each remembered for itself
 * @param before what was remembered when the document was asked for
 * @returns one check, `log.continuity`. Never rejects
 */
export async function followLog(
  head: LogHead | null,
  named: string | null,
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
  if (named !== null && name !== named) return fail(ID, 'log_other_name', PROVES, name)
  if (!before.ok) return fail(ID, 'log_state_unusable', PROVES, before.detail)
  const since = before.state.get(name) ?? null
  const judge = async (remembered: RememberedLog | null): Promise<Continuity> => {
    if (remembered !== null && isOvertaken(remembered, head, since)) {
      const { size, origin } = remembered.head
      const boot = parseLogOrigin(origin)?.bootId ?? ''
      const proof = await read(`consistency?from=${head.size}&to=${size}&boot=${boot}`)
      return judgeOlderHead(remembered.head, head, proof, crypto)
    }
    const evidence = await gather(remembered, head, read, crypto)
    return judgeContinuity(remembered, head, evidence, crypto)
  }
  const outcome = await memory.update(name, judge)
  return outcome.ok ? outcome.check : fail(ID, 'log_state_unusable', PROVES, outcome.detail)
}

/**
 * Whoever serves an archived document may have it from another service that the policy accepts too, so where heads are remembered it
 * counts only if the log that was followed leads back to its head: boot by boot, and within its boot by a consistency proof.
 *
 * @param followed head of the document in force, which {@link followLog} has accepted
 * @param archived head of the archived document; null where it names no log
 * @returns one check, `log.archive`. Never rejects
 */
export async function followArchived(
  followed: LogHead,
  archived: LogHead | null,
  read: ReadLog,
  crypto: CryptoPort,
): Promise<Check> {
  if (archived === null) return fail(ARCHIVE_ID, 'log_not_kept', PROVES_ARCHIVE)
  const [older, newer] =
    archived.origin === followed.origin && archived.size > followed.size
      ? [followed, archived]
      : [archived, followed]
  const start: RememberedLog = { head: older, past: [] }
  const evidence = await gather(start, newer, read, crypto)
  const { check } = judgeContinuity(start, newer, evidence, crypto)
  if (check.status === 'pass') {
    return pass(
      ARCHIVE_ID,
      PROVES_ARCHIVE,
      `${archived.origin}, ${counted(archived.size, 'leaf', 'leaves')}`,
    )
  }
  const code = check.code === 'log_proof_missing' ? check.code : 'log_forked'
  return fail(ARCHIVE_ID, code, PROVES_ARCHIVE, `no way from ${newer.origin} to ${older.origin}`)
}
