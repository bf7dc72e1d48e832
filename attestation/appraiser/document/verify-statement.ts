/**
 * Rebuilds the statement from parts that were recomputed here and compares it with the quote's report data: what ties
 * keys, configuration, GPU evidence and the verifier's nonce to the enclave.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { hex32Bytes, toSha256Digest } from '../../protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../protocol/hex.ts'
import { canonicalBytes } from '../../protocol/jcs.ts'
import { keysetDigest } from '../../protocol/keyset.ts'
import { isTreeSize } from '../../protocol/log/inclusion-proof.ts'
import { logOrigin } from '../../protocol/log/log-origin.ts'
import { nonceRoot } from '../../protocol/nonce-tree.ts'
import { gpuNonce, reportData } from '../../protocol/statement.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { counted } from '../counted.ts'
import type { AppraisalPolicy } from '../policy.ts'
import type { AttestationDocument } from './parse-document.ts'
import type { ReadConfig } from './read-config.ts'

export interface StatementOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  /** `at` is not the present: the document's age says nothing. */
  readonly asOf: boolean
  /** The nonce that the verifier itself chose; null where it has none. */
  readonly nonce: Hex32 | null
  readonly policy: AppraisalPolicy
}

export interface StatementResult {
  /** statement.nonce, .gpu, .collateral, .log, .binding and .fresh. */
  readonly checks: Check[]
  readonly keysetDigest: Sha256Digest
  readonly configDigest: Sha256Digest
  /** 32 bytes that every GPU report must answer; null where no nonce root could be recomputed. */
  readonly gpuNonce: Uint8Array | null
}

const PROVES = {
  nonce: 'The evidence was made after the nonce was chosen.',
  gpu: 'GPU evidence is there where the configuration requires it.',
  collateral: 'Collateral is there where the configuration promises it.',
  log: 'The statement names a head of the log that the configuration promises.',
  binding: 'The enclave put forward exactly these keys, this configuration and this evidence.',
  fresh: 'The document is about as old as accepted.',
} as const

/** The root of the round's nonces, or undefined where the proof is broken. */
function rootOf(document: AttestationDocument, crypto: CryptoPort): Hex32 | null | undefined {
  if (document.nonce === null) return null
  return nonceRoot(document.nonce.value, document.nonce, crypto) ?? undefined
}

function nonceCheck(
  document: AttestationDocument,
  root: Hex32 | null | undefined,
  { nonce, crypto }: StatementOptions,
): Check {
  const id = 'statement.nonce'
  if (root === undefined) return fail(id, 'nonce_path_invalid', PROVES.nonce)
  if (nonce === null) return skip(id, 'not_provided', PROVES.nonce, 'no nonce was given')
  if (document.nonce === null) return fail(id, 'nonce_missing', PROVES.nonce)
  return crypto.equal(hex32Bytes(nonce), hex32Bytes(document.nonce.value))
    ? pass(id, PROVES.nonce, `leaf ${document.nonce.index} of ${document.nonce.tree_size}`)
    : fail(id, 'nonce_mismatch', PROVES.nonce)
}

/** Without it, a service that is asked for its log could say that it has none. */
function logCheck(document: AttestationDocument, config: ReadConfig | null): Check {
  const id = 'statement.log'
  if (config === null) return skip(id, 'depends_on_failed', PROVES.log)
  const { log, bootId } = document
  if (config.logName === null) {
    return log === null
      ? pass(id, PROVES.log, 'none promised')
      : fail(id, 'log_origin_mismatch', PROVES.log, 'none promised')
  }
  if (log === null) return fail(id, 'log_head_missing', PROVES.log)
  return log.origin === logOrigin(config.logName, bootId) && isTreeSize(log.size)
    ? pass(id, PROVES.log, counted(log.size, 'leaf', 'leaves'))
    : fail(id, 'log_origin_mismatch', PROVES.log)
}

function freshCheck(document: AttestationDocument, options: StatementOptions): Check {
  const { at, asOf, nonce, policy } = options
  const id = 'statement.fresh'
  const age = at - document.issuedAt
  if (!(age >= -policy.clockSkewS)) {
    return fail(id, 'statement_from_future', PROVES.fresh, `${counted(-age, 'second')} ahead`)
  }
  if (asOf) return pass(id, PROVES.fresh, 'age not judged: as of a time, or archived')
  const limit = nonce === null ? policy.maxAgeS : policy.maxAgeWithNonceS
  return age <= limit
    ? pass(id, PROVES.fresh, `${counted(Math.max(age, 0), 'second')} old`)
    : fail(id, 'statement_stale', PROVES.fresh, `${counted(age, 'second')} old`)
}

/**
 * @param quoted the 64 bytes that the platform's quote was asked to be over: its report data, or under TAPP the nonce inside the
 *   text that it is over; null where they could not be read
 * @param config null where it could not be read: then nothing counts as not required
 */
export function verifyStatement(
  document: AttestationDocument,
  quoted: Uint8Array | null,
  config: ReadConfig | null,
  options: StatementOptions,
): StatementResult {
  const { crypto } = options
  const digest = (value: unknown) => toSha256Digest(crypto.sha256(canonicalBytes(value)))
  const keyset = keysetDigest(document.keyset, crypto)
  const configDigest = digest(document.config)
  const root = rootOf(document, crypto)
  const checks = [nonceCheck(document, root, options)]

  // Without this, whoever passes the document on could leave out what speaks against it.
  checks.push(
    document.gpu !== null || (config?.gpuRequired === 0 && config.nvswitches === 0)
      ? pass('statement.gpu', PROVES.gpu, document.gpu === null ? 'none required' : '')
      : fail('statement.gpu', 'gpu_evidence_missing', PROVES.gpu),
    document.collateral !== null || config?.collateralStapled === false
      ? pass('statement.collateral', PROVES.collateral)
      : fail('statement.collateral', 'collateral_missing', PROVES.collateral),
    logCheck(document, config),
  )

  if (root === undefined || quoted === null) {
    checks.push(skip('statement.binding', 'depends_on_failed', PROVES.binding))
  } else {
    const expected = reportData(
      {
        boot_id: document.bootId,
        collateral_digest: document.collateral === null ? null : digest(document.collateral),
        config_digest: configDigest,
        gpu_evidence_digest: document.gpu === null ? null : digest(document.gpu),
        issued_at: document.issuedAt,
        keyset_digest: keyset,
        log: document.log,
        nonce_root: root,
        round: document.round,
      },
      crypto,
    )
    checks.push(
      crypto.equal(expected, quoted)
        ? pass('statement.binding', PROVES.binding)
        : fail('statement.binding', 'statement_mismatch', PROVES.binding),
    )
  }
  checks.push(freshCheck(document, options))
  return {
    checks,
    keysetDigest: keyset,
    configDigest,
    gpuNonce:
      root === undefined
        ? null
        : gpuNonce(
            {
              boot_id: document.bootId,
              keyset_digest: keyset,
              nonce_root: root,
              round: document.round,
            },
            crypto,
          ),
  }
}
