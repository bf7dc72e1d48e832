/**
 * Judges the head of an archived document, which whoever serves it may have from another service that the policy accepts too: where
 * heads are remembered, it counts only if its log is one that is followed.
 *
 * @module
 */
import { fail, pass, skip } from '../../../attestation/appraiser/check.ts'
import type { Check } from '../../../attestation/appraiser/check.ts'
import { counted } from '../../../attestation/appraiser/counted.ts'
import { judgeContinuity } from '../../../attestation/appraiser/log/judge-continuity.ts'
import type { Continuity } from '../../../attestation/appraiser/log/judge-continuity.ts'
import type { RememberedLog } from '../../../attestation/appraiser/log/log-state.ts'
import type { CryptoPort } from '../../../attestation/crypto/port.ts'
import { parseLogOrigin } from '../../../attestation/protocol/log/log-origin.ts'
import type { LogHead } from '../../../attestation/protocol/statement.ts'
import { meetName } from './follow-log.ts'
import { gatherProofs } from './gather-proofs.ts'
import type { ReadLog } from './gather-proofs.ts'
import type { LogMemory } from './log-memory.ts'
import type { LogNames } from './log-names.ts'
import { isNamed } from './log-names.ts'

const ID = 'log.archive'
const PROVES = 'The archived keyset is of the log that was followed.'
const PROVES_OTHER =
  'The archived keyset is of another log than the one in force, which goes on from the head that was remembered of it.'

interface Way extends Continuity {
  /** A proof that it would have taken was not to be had. */
  readonly withheld: boolean
}

const startAt = (head: LogHead): RememberedLog => ({ head, past: [] })

const nameOf = ({ origin }: LogHead): string => parseLogOrigin(origin)?.name ?? ''

/** Of two heads of one boot the larger is the later. */
function inOrder(archived: LogHead, other: LogHead): readonly [LogHead, LogHead] {
  return archived.origin === other.origin && archived.size > other.size
    ? [other, archived]
    : [archived, other]
}

/**
 * @param followed head of the document in force, which `followLog` has accepted
 * @param archived head of the archived document; null where it names no log
 * @param named the names that a log may have; null: any
 * @returns one check, `log.archive`. Never rejects
 */
export async function followArchived(
  followed: LogHead,
  archived: LogHead | null,
  named: LogNames | null,
  memory: LogMemory,
  read: ReadLog,
  crypto: CryptoPort,
): Promise<Check> {
  if (archived === null) return fail(ID, 'log_not_kept', PROVES)
  const name = nameOf(archived)
  if (!isNamed(named, name)) return fail(ID, 'log_other_name', PROVES, name)
  const wayTo = async (from: RememberedLog, to: LogHead): Promise<Way> => {
    const { evidence, withheld } = await gatherProofs(from, to, read, crypto)
    return { ...judgeContinuity(from, to, evidence, crypto), withheld }
  }
  const leaves = `${archived.origin}, ${counted(archived.size, 'leaf', 'leaves')}`
  if (name === nameOf(followed)) {
    const [older, newer] = inOrder(archived, followed)
    const { check } = await wayTo(startAt(older), newer)
    if (check.status === 'pass') return pass(ID, PROVES, leaves)
    const code = check.code === 'log_proof_missing' ? check.code : 'log_forked'
    return fail(ID, code, PROVES, `no way from ${newer.origin} to ${older.origin}`)
  }
  // Two names are two logs, so the one in force has nothing to say of this one: a replica's, whose receipts the others have too.
  const judge = async (remembered: RememberedLog | null): Promise<Continuity> => {
    if (remembered === null) return meetName(ID, PROVES_OTHER, archived)
    const goesOn = (next: RememberedLog | null): Continuity => ({
      check: pass(ID, PROVES_OTHER, leaves),
      next,
    })
    const stays = (check: Check): Continuity => ({ check, next: null })
    const known = remembered.head
    if (archived.origin === known.origin || remembered.past.includes(archived.origin)) {
      const [older, newer] = inOrder(archived, known)
      const way = await wayTo(startAt(older), newer)
      if (way.check.status === 'pass') {
        return goesOn(newer === archived ? { ...remembered, head: archived } : null)
      }
      // Its keys are of a boot that was followed: they are known to be of this log, whoever cannot prove its heads.
      return stays(
        way.withheld
          ? skip(ID, 'log_proof_elsewhere', PROVES_OTHER, leaves)
          : fail(ID, way.check.code, PROVES_OTHER, leaves),
      )
    }
    const later = await wayTo(remembered, archived)
    if (later.check.status === 'pass') return goesOn(later.next)
    const earlier = await wayTo(startAt(archived), known)
    if (earlier.check.status === 'pass') return goesOn(null)
    // A boot that nobody followed counts for nothing until it is proved: a clone of the volume is one too, and nobody shows its proofs.
    const withheld = later.withheld || (earlier.withheld && later.check.code === 'log_reset')
    const code = withheld ? 'log_proof_missing' : later.check.code
    return stays(fail(ID, code, PROVES_OTHER, `no way from ${archived.origin} to ${known.origin}`))
  }
  const outcome = await memory.update(name, judge)
  return outcome.ok ? outcome.check : fail(ID, 'log_state_unusable', PROVES_OTHER, outcome.detail)
}
