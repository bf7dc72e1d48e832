/**
 * Judges a head against the one remembered: the log was only appended to, or the log of a later boot leads back to it.
 *
 * A boot record says the last head of the boot before it, and is leaf 0 of its log. So from a head that the quote vouches for, each boot
 * record that is proved to be in its log makes the head it names as good as the one before: the chain ends at the log that is remembered,
 * or it shows that there is another history. Only who remembers can see that; two users who were shown different logs find out when they
 * compare.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { hex32Bytes, toHex32 } from '../../protocol/hex.ts'
import { isConsistent } from '../../protocol/log/consistency-proof.ts'
import { inclusionRoot } from '../../protocol/log/inclusion-proof.ts'
import { bootLeaf } from '../../protocol/log/leaves.ts'
import { parseLogOrigin } from '../../protocol/log/log-origin.ts'
import { leafHash } from '../../protocol/merkle-hash.ts'
import type { LogHead } from '../../protocol/statement.ts'
import { fail, info, pass } from '../check.ts'
import type { Check } from '../check.ts'
import type { CheckCode } from '../codes.ts'
import { counted } from '../counted.ts'
import { MAX_PAST_BOOTS } from './log-state.ts'
import type { RememberedLog } from './log-state.ts'
import { parseBootProof, parseConsistencyProof } from './parse-log-proofs.ts'

/** The check that is made here. */
export const LOG_CONTINUITY = Object.freeze({
  id: 'log.continuity',
  proves: 'The log goes on from the head that was remembered of it.',
})
const { id: ID, proves: PROVES } = LOG_CONTINUITY

/** Boots between the log that is remembered and the one that is shown. */
export const MAX_BOOT_CHAIN = MAX_PAST_BOOTS

export interface LogEvidence {
  /** Proofs of boot records, from the log that is shown backwards. */
  readonly boots: readonly string[]
  /** Of the log that is remembered, from the head remembered; null where none is needed, or none was given. */
  readonly consistency: string | null
}

export interface Continuity {
  readonly check: Check
  /** What is to be remembered now; null where nothing may change. */
  readonly next: RememberedLog | null
}

/**
 * The head that a boot record names, of a log whose head is known.
 *
 * @returns null where the proof is not one of that log, or does not lead to that head
 */
export function predecessorOf(
  head: LogHead,
  text: string,
  crypto: CryptoPort,
): { readonly predecessor: LogHead | null } | null {
  const proof = parseBootProof(text)
  const origin = parseLogOrigin(head.origin)
  if (proof === null || origin === null) return null
  const { record, treeSize, path } = proof
  if (proof.origin !== head.origin || treeSize !== head.size) return null
  if (record.boot_id !== origin.bootId) return null
  const root = inclusionRoot(leafHash(bootLeaf(record, crypto), crypto), 0, treeSize, path, crypto)
  if (root === null || toHex32(root) !== head.root) return null
  const { predecessor } = record
  // A boot under another name has another history.
  if (predecessor !== null && parseLogOrigin(predecessor.origin)?.name !== origin.name) {
    return { predecessor: null }
  }
  return { predecessor }
}

/** Why the log that is remembered is not the beginning of this one; null where it is. */
function broken(
  from: LogHead,
  to: LogHead,
  text: string | null,
  crypto: CryptoPort,
): CheckCode | null {
  if (to.size < from.size) return 'log_rolled_back'
  if (to.size === from.size) return to.root === from.root ? null : 'log_forked'
  const proof = text === null ? null : parseConsistencyProof(text)
  if (proof?.origin !== to.origin || proof.from !== from.size || proof.to !== to.size) {
    return 'log_proof_missing'
  }
  const [old, now] = [hex32Bytes(from.root), hex32Bytes(to.root)]
  return isConsistent(from.size, old, to.size, now, proof.path, crypto) ? null : 'log_forked'
}

/**
 * Judges a head that is older than the one remembered because somebody else remembered that one while this one was on its way: it must
 * be the beginning of it.
 */
export function judgeOlderHead(
  known: LogHead,
  head: LogHead,
  consistency: string | null,
  crypto: CryptoPort,
): Continuity {
  const fault =
    known.origin === head.origin ? broken(head, known, consistency, crypto) : 'log_reset'
  return {
    check:
      fault === null
        ? pass(
            ID,
            PROVES,
            `${counted(head.size, 'leaf', 'leaves')}, of ${known.size} that are remembered by now`,
          )
        : fail(ID, fault, PROVES),
    next: null,
  }
}

/**
 * @param remembered null where no head of a log of this name is
 * @param head of the statement of a document that was accepted
 */
export function judgeContinuity(
  remembered: RememberedLog | null,
  head: LogHead,
  evidence: LogEvidence,
  crypto: CryptoPort,
): Continuity {
  const refuse = (code: CheckCode, detail: string): Continuity => ({
    check: fail(ID, code, PROVES, detail),
    next: null,
  })
  if (remembered === null) {
    return {
      check: info(
        ID,
        'log_first_seen',
        PROVES,
        `${head.origin}, ${counted(head.size, 'leaf', 'leaves')}`,
      ),
      next: { head, past: [] },
    }
  }
  const { head: known, past } = remembered
  // An older boot that is shown again.
  if (past.includes(head.origin)) return refuse('log_rolled_back', `to ${head.origin}`)
  const passed: string[] = []
  let reached = head
  for (const proof of evidence.boots.slice(0, MAX_BOOT_CHAIN)) {
    if (reached.origin === known.origin) break
    const link = predecessorOf(reached, proof, crypto)
    if (link === null) return refuse('log_reset', `the boot record of ${reached.origin}`)
    const { predecessor } = link
    if (predecessor === null) return refuse('log_reset', `${reached.origin} names no log before`)
    // The boot after that one is known, and is not on the way.
    if (past.includes(predecessor.origin)) {
      return refuse('log_forked', `${reached.origin} follows ${predecessor.origin} too`)
    }
    passed.push(reached.origin)
    reached = predecessor
  }
  if (reached.origin !== known.origin) {
    return refuse('log_reset', `no way from ${reached.origin} to ${known.origin}`)
  }
  const fault = broken(known, reached, evidence.consistency, crypto)
  if (fault !== null) {
    return refuse(
      fault,
      `${counted(known.size, 'leaf', 'leaves')} remembered, ${reached.size} shown`,
    )
  }
  // The last boot first: the one before the head's, down to the one that was remembered, then what was known before.
  const before = passed.length === 0 ? [] : [...passed.slice(1), known.origin]
  return {
    check: pass(
      ID,
      PROVES,
      passed.length === 0
        ? `from ${known.size} to ${counted(head.size, 'leaf', 'leaves')}`
        : `${counted(passed.length, 'boot')} later`,
    ),
    next: { head, past: [...before, ...past].slice(0, MAX_PAST_BOOTS) },
  }
}
