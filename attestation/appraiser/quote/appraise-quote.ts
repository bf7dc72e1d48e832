/**
 * Appraises one TDX quote with its collateral: everything about the processor side that needs no event log.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { fail, pass } from '../check.ts'
import type { Check } from '../check.ts'
import type { TcbStatus } from './tcb-status.ts'
import { parseQuote } from './parse-quote.ts'
import type { Quote } from './parse-quote.ts'
import type { TdxPolicy } from './tdx-policy.ts'
import { verifyQuote } from './verify-quote.ts'

export interface QuoteInput {
  /** As received, zero padding included. */
  readonly quote: Uint8Array
  /** Null: none is at hand. The checks that need it are then skipped, never passed. */
  readonly collateral: DcapCollateral | null
  /** Unix seconds at which everything must hold. */
  readonly at: number
  readonly policy: TdxPolicy
  readonly crypto: CryptoPort
  /** SHA-256 of the DER of each accepted root. */
  readonly rootSha256: readonly Uint8Array[]
  /** Accept a root that carries the simulator's mark, if it is one of `rootSha256`. Default: false. */
  readonly allowSimulated?: boolean
}

/** State of one part of the platform, by the level that it reaches. */
export interface TcbLevelVerdict {
  readonly status: TcbStatus
  /** Unix seconds: the level has all fixes up to this day. */
  readonly date: number
  readonly advisories: readonly string[]
}

/** What Intel's signed documents say of the platform. Exists only where they and the quote were verified. */
export interface TcbVerdict {
  /** Platform, TDX module and quoting enclave merged. */
  readonly status: TcbStatus
  /** Of all three, without repetition. */
  readonly advisories: readonly string[]
  readonly platform: TcbLevelVerdict
  /** Null for a module that has no identity of its own (version 0). */
  readonly module: TcbLevelVerdict | null
  readonly quotingEnclave: TcbLevelVerdict
  /** 6, 2 and 16 bytes, lower-case hex. */
  readonly fmspc: string
  readonly pceId: string
  readonly ppid: string
  /** The lower of TCB info and QE identity. */
  readonly tcbEvaluationDataNumber: number
  /** Unix seconds: when the oldest piece of collateral was issued, and when the first must be renewed. */
  readonly issuedAt: number
  readonly expiresAt: number
}

export interface QuoteAppraisal {
  readonly checks: readonly Check[]
  /** The quote as read; null where it could not be. Believe it only where no check failed. */
  readonly report: Quote | null
  readonly tcb: TcbVerdict | null
}

const PROVES_STRUCTURE = 'The quote can be read in one way only.'

/**
 * Judges a quote at one moment. Never throws on any bytes.
 *
 * @returns every check in order of dependence, the parsed quote, and the state of the platform where it is known
 */
export function appraiseQuote(input: QuoteInput): QuoteAppraisal {
  const parsed = parseQuote(input.quote)
  if (!parsed.ok) {
    const check = fail('quote.structure', parsed.code, PROVES_STRUCTURE, parsed.detail)
    return { checks: [check], report: null, tcb: null }
  }
  const { quote } = parsed
  const structure = pass('quote.structure', PROVES_STRUCTURE, `version ${quote.version}`)
  return { checks: [structure, ...verifyQuote(quote, input)], report: quote, tcb: null }
}
