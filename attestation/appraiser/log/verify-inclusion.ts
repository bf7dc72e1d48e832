/**
 * Verifies that the record of a receipt is in the log of its boot (RFC 9162 §2.1.3.2), under a head that the enclave vouches for: the
 * one in the quote's statement, or one in a checkpoint that the keyset's log key signed.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { digestHex, fromHex, toHex32 } from '../../protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../protocol/hex.ts'
import { isJsonObject } from '../../protocol/json.ts'
import { LOG_ALGO, keyOfRole } from '../../protocol/keyset.ts'
import { isSignedCheckpoint, parseCheckpoint } from '../../protocol/log/checkpoint.ts'
import { inclusionRoot } from '../../protocol/log/inclusion-proof.ts'
import { logOrigin } from '../../protocol/log/log-origin.ts'
import { leafHash } from '../../protocol/merkle-hash.ts'
import type { LogHead } from '../../protocol/statement.ts'
import type { TrustedKeyset } from '../appraise-document.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { counted } from '../counted.ts'
import { parseInclusionProof } from './parse-log-proofs.ts'

const ID = 'log.inclusion'
const PROVES = 'The record of the receipt is in the log, where its sequence number says.'

/** What the proof is to be about: from a receipt that was verified under the same keyset. */
export interface LoggedRecord {
  readonly recordHash: Sha256Digest
  readonly sequence: number
  readonly bootId: Hex32
}

export type LogTrust = Pick<TrustedKeyset, 'keyset' | 'bootId' | 'config' | 'log'>

function originOf({ config, bootId }: LogTrust): string | null {
  const { log } = config
  const name = isJsonObject(log) ? log['name'] : null
  return typeof name === 'string' ? logOrigin(name, bootId) : null
}

/** @returns the head that the note is over, where it is of this boot's log and its key signed it */
export function trustedCheckpoint(
  note: string,
  trusted: LogTrust,
  crypto: CryptoPort,
): LogHead | null {
  const checkpoint = parseCheckpoint(note)
  const key = fromHex(keyOfRole(trusted.keyset, LOG_ALGO)?.public_key ?? '')
  if (checkpoint === null || key === null || checkpoint.head.origin !== originOf(trusted)) {
    return null
  }
  return isSignedCheckpoint(checkpoint, key, crypto) ? checkpoint.head : null
}

/** What stands in the place of the check where there is no proof. */
export function withoutInclusion(trusted: LogTrust): Check {
  const why = trusted.log === null ? 'the service keeps no log' : 'no proof was saved'
  return skip(ID, 'not_provided', PROVES, why)
}

/**
 * @param text the proof's exact text
 * @param trusted of a document that was accepted
 * @returns one check, `log.inclusion`. Never throws on any text
 */
export function verifyInclusion(
  record: LoggedRecord,
  text: string,
  trusted: LogTrust,
  crypto: CryptoPort,
): Check {
  const proof = parseInclusionProof(text)
  if (proof === null) return fail(ID, 'log_proof_missing', PROVES, 'not a proof of inclusion')
  if (record.bootId !== trusted.bootId || proof.origin !== originOf(trusted)) {
    return fail(ID, 'log_inclusion_invalid', PROVES, 'of another log')
  }
  if (proof.leafIndex !== record.sequence) {
    return fail(ID, 'log_inclusion_invalid', PROVES, 'of another leaf')
  }
  let head = trusted.log
  if (proof.checkpoint !== null) {
    const signed = trustedCheckpoint(proof.checkpoint, trusted, crypto)
    if (signed === null) return fail(ID, 'log_checkpoint_invalid', PROVES)
    head = signed
  }
  if (head?.size !== proof.treeSize) {
    return fail(ID, 'log_head_unknown', PROVES, counted(proof.treeSize, 'leaf', 'leaves'))
  }
  const leaf = fromHex(digestHex(record.recordHash))
  const root =
    leaf === null
      ? null
      : inclusionRoot(leafHash(leaf, crypto), proof.leafIndex, proof.treeSize, proof.path, crypto)
  return root !== null && toHex32(root) === head.root
    ? pass(ID, PROVES, `leaf ${proof.leafIndex} of ${proof.treeSize}`)
    : fail(ID, 'log_inclusion_invalid', PROVES)
}
