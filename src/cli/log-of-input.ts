/**
 * The part of `countersign appraise-receipt` about the log: the head that the verified statement names, what the verifier remembers of
 * the log of that name, and the proofs from the one to the other (docs/conformance.md).
 *
 * @module
 */
import { fail } from '../../attestation/appraiser/check.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import {
  judgeContinuity,
  LOG_CONTINUITY,
  MAX_BOOT_CHAIN,
} from '../../attestation/appraiser/log/judge-continuity.ts'
import type { LogEvidence } from '../../attestation/appraiser/log/judge-continuity.ts'
import { readRememberedLog } from '../../attestation/appraiser/log/log-state.ts'
import type { RememberedLog } from '../../attestation/appraiser/log/log-state.ts'
import { MAX_PROOF_TEXT } from '../../attestation/appraiser/log/parse-log-proofs.ts'
import { listOf, objectOf, textOf, Unreadable } from '../../attestation/appraiser/read-members.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type { JsonValue } from '../../attestation/protocol/json.ts'
import { readLogHead } from '../../attestation/protocol/log/leaves.ts'
import { logOrigin } from '../../attestation/protocol/log/log-origin.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'

export interface LogInput {
  /** Null where the statement names none. */
  readonly head: LogHead | null
  /** Null: no head of this log; undefined: heads are not remembered, and none is judged. */
  readonly remembered: RememberedLog | null | undefined
  readonly evidence: LogEvidence
}

function headOf(value: JsonValue | undefined, name: string, bootId: Hex32): LogHead | null {
  if (value === null) return null
  const head = readLogHead(value)
  if (head === null) throw new Unreadable('log.head is no head')
  // As the statement of an accepted document is held against its configuration and its boot.
  if (head.origin !== logOrigin(name, bootId)) {
    throw new Unreadable('log.head is of another log than log_name and boot_id say')
  }
  return head
}

function rememberedOf(value: JsonValue | undefined, name: string): LogInput['remembered'] {
  if (value === undefined || value === null) return value
  const remembered = readRememberedLog(name, value)
  if (remembered === null) throw new Unreadable('log.remembered is nothing of a log of that name')
  return remembered
}

/**
 * @param name of the log, in the attested configuration
 * @throws Unreadable
 */
export function readLogInput(value: JsonValue, name: string | null, bootId: Hex32): LogInput {
  if (name === null) throw new Unreadable('log without log_name')
  const log = objectOf(value, 'log', ['head'], ['remembered', 'boots', 'consistency'])
  const consistency = log['consistency'] ?? null
  return {
    head: headOf(log['head'], name, bootId),
    remembered: rememberedOf(log['remembered'], name),
    evidence: {
      boots: listOf(log['boots'] ?? [], 'log.boots', MAX_BOOT_CHAIN).map((proof) =>
        textOf(proof, 'a proof of log.boots', MAX_PROOF_TEXT),
      ),
      consistency:
        consistency === null ? null : textOf(consistency, 'log.consistency', MAX_PROOF_TEXT),
    },
  }
}

/** @returns `log.continuity`, where heads are remembered */
export function judgeLogInput(input: LogInput, crypto: CryptoPort): readonly Check[] {
  const { head, remembered, evidence } = input
  if (remembered === undefined) return []
  if (head === null) return [fail(LOG_CONTINUITY.id, 'log_not_kept', LOG_CONTINUITY.proves)]
  return [judgeContinuity(remembered, head, evidence, crypto).check]
}
