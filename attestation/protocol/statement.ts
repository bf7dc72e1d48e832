/**
 * The statement: everything one quote vouches for, and the two values derived from it.
 *
 * A verifier rebuilds the statement from parts it recomputed itself and never parses one that was handed to it, so no
 * member can be believed without having been checked. JCS, ASCII strings and integers only.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import type { Hex32, Sha256Digest } from './hex.ts'
import { canonicalBytes } from './jcs.ts'

/** Separates this use of a quote's report data from every other program's in the same guest. */
export const REPORT_DATA_PURPOSE = 'countersign.report_data.v1'
export const GPU_NONCE_PURPOSE = 'countersign.gpu_nonce.v1'

export interface LogHead {
  readonly origin: string
  readonly root: Hex32
  readonly size: number
}

export interface Statement {
  readonly boot_id: Hex32
  readonly collateral_digest: Sha256Digest | null
  readonly config_digest: Sha256Digest
  readonly gpu_evidence_digest: Sha256Digest | null
  /** Unix seconds, by the enclave's clock. */
  readonly issued_at: number
  readonly keyset_digest: Sha256Digest
  readonly log: LogHead | null
  /** Root of the tree over the client nonces of this round; null for a round without any. */
  readonly nonce_root: Hex32 | null
  readonly round: Hex32
}

/** The exact bytes that the quote's report data is the SHA-512 of. */
export function statementBytes(statement: Statement): Uint8Array<ArrayBuffer> {
  return canonicalBytes({
    boot_id: statement.boot_id,
    collateral_digest: statement.collateral_digest,
    config_digest: statement.config_digest,
    gpu_evidence_digest: statement.gpu_evidence_digest,
    issued_at: statement.issued_at,
    keyset_digest: statement.keyset_digest,
    log:
      statement.log === null
        ? null
        : { origin: statement.log.origin, root: statement.log.root, size: statement.log.size },
    nonce_root: statement.nonce_root,
    purpose: REPORT_DATA_PURPOSE,
    round: statement.round,
  })
}

/** All 64 bytes of the quote's report data slot. */
export function reportData(statement: Statement, crypto: CryptoPort): Uint8Array {
  return crypto.sha512(statementBytes(statement))
}

/** The 32-byte SPDM nonce under which the GPU evidence of a round is collected: it commits to the keys and the round. */
export function gpuNonce(
  parts: Pick<Statement, 'boot_id' | 'keyset_digest' | 'nonce_root' | 'round'>,
  crypto: CryptoPort,
): Uint8Array {
  return crypto.sha256(
    canonicalBytes({
      boot_id: parts.boot_id,
      keyset_digest: parts.keyset_digest,
      nonce_root: parts.nonce_root,
      purpose: GPU_NONCE_PURPOSE,
      round: parts.round,
    }),
  )
}
