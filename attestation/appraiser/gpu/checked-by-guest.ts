/**
 * Whether the measured software is known to verify its GPUs before it serves: the top rung of the ladder.
 *
 * Measurements say which software runs, not what it does. That this software refuses GPUs that it has not verified is
 * knowledge of the relying party, which names it by its compose hash (`gpu.gpuCheckingComposes`).
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import type { Check } from '../check.ts'
import { COLLATERAL_CHECKS } from '../quote/appraise-quote.ts'
import type { Quote } from '../quote/parse-quote.ts'
import type { GpuPolicy } from './gpu-policy.ts'

/**
 * All of these must have passed, whatever a policy does without. The compose hash stands in RTMR3, which the guest's own
 * operating system extends: without `quote.image` an unknown image could log the hash of a good compose text and run
 * another, and without `quote.qe_identity` any enclave of a certified platform could have made the quote.
 */
const NEEDS: readonly string[] = Object.freeze([
  ...['quote.structure', 'quote.pck_chain', 'quote.qe_report', 'quote.qe_binding'],
  ...['quote.signature', 'quote.td_attributes', 'quote.xfam', 'quote.seam', 'quote.owner'],
  ...['quote.mr_config_id', 'quote.image'],
  ...COLLATERAL_CHECKS,
  ...['eventlog.structure', 'eventlog.digests', 'eventlog.rtmr3', 'eventlog.system_events'],
  ...['compose.hash', 'compose.mr_config_id'],
])

/** A TD that its host can debug: bits 0 to 7 of its attributes, for which a policy may well make an exception. */
function isDebuggable({ tdAttributes }: Quote): boolean {
  return tdAttributes[0] !== 0
}

export interface MeasuredGuest {
  /** Of quote and event log. */
  readonly checks: readonly Check[]
  readonly quote: Quote | null
  /** 32 bytes, from the replayed log of a genuine quote; null where there is none. */
  readonly composeHash: Uint8Array | null
}

export function isCheckedByGuest(guest: MeasuredGuest, policy: GpuPolicy): boolean {
  const { checks, quote, composeHash } = guest
  if (quote === null || composeHash === null || isDebuggable(quote)) return false
  if (!policy.gpuCheckingComposes.includes(toHex(composeHash))) return false
  if (checks.some(({ status }) => status === 'fail')) return false
  return NEEDS.every((need) => {
    const found = checks.filter(({ id }) => id === need)
    return found.length > 0 && found.every(({ status }) => status === 'pass')
  })
}
