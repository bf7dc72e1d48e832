/**
 * One vector: evidence, and the verdict and code that a verifier must give for it. Verdict and code stand in the table of cases as
 * they follow from Intel's and dstack's documents and from docs/errors.md; nothing here runs the appraiser.
 *
 * @module
 */
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { vectorsOf } from '../corpus/vector.ts'
import { makeCollateral, toHex } from './collateral.ts'
import type { CollateralChange } from './collateral.ts'
import { AT, ROOT, sha256Hex } from './pki.ts'
import { makeQuote } from './quote.ts'
import type { QuoteParts } from './quote.ts'

/** What `appraise-tdx` reads: docs/conformance.md. */
export interface VectorInput {
  readonly quote: string
  readonly at: number
  readonly collateral: DcapCollateral | null
  readonly policy: object
  readonly event_log?: string
  readonly app_compose?: string
  readonly vm_config?: string
}

export interface Evidence {
  /** Bytes, or what to build; absent: a good one. */
  readonly quote?: Uint8Array | QuoteParts
  readonly collateral?: CollateralChange | DcapCollateral | null
  readonly at?: number
  /** Members beside those that every vector needs. */
  readonly policy?: object
  readonly roots?: readonly (typeof ROOT)[]
  readonly eventLog?: string
  readonly appCompose?: string
  readonly vmConfig?: string
  /** Members of the input that replace or join the others. */
  readonly raw?: object
}

function isCollateral(value: CollateralChange | DcapCollateral): value is DcapCollateral {
  return 'tcb_info' in value
}

function collateralOf(value: Evidence['collateral']): DcapCollateral | null {
  if (value === null) return null
  if (value === undefined) return makeCollateral()
  return isCollateral(value) ? value : makeCollateral(value)
}

export function inputOf(evidence: Evidence): object {
  const { quote = {}, roots = [ROOT] } = evidence
  const input: VectorInput = {
    quote: toHex(quote instanceof Uint8Array ? quote : makeQuote(quote)),
    at: evidence.at ?? AT,
    collateral: collateralOf(evidence.collateral),
    policy: {
      allowSimulated: true,
      sgxRoots: roots.map(({ der }) => sha256Hex(der)),
      ...evidence.policy,
    },
    ...(evidence.eventLog === undefined ? {} : { event_log: evidence.eventLog }),
    ...(evidence.appCompose === undefined ? {} : { app_compose: evidence.appCompose }),
    ...(evidence.vmConfig === undefined ? {} : { vm_config: evidence.vmConfig }),
  }
  return { ...input, ...evidence.raw }
}

export const { accepted, rejected, malformed, unsupported } = vectorsOf(inputOf)

export type { Vector, VectorCode, VectorVerdict } from '../corpus/vector.ts'
