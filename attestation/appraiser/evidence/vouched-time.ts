/**
 * What an evidence file shows about when it came to be. It is less than one might think: signed dates say that something is not older, and
 * nothing inside a file can say that it is not younger.
 *
 * @module
 */
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { fromHex } from '../../protocol/hex.ts'
import type { Check } from '../check.ts'
import { instantText } from '../gpu/ocsp/instant-text.ts'
import type { QuoteCheckId } from '../quote/appraise-quote.ts'
import { parseQeIdentity } from '../quote/parse-qe-identity.ts'
import { parseTcbInfo } from '../quote/parse-tcb-info.ts'
import { parseCrl } from '../x509/parse-crl.ts'

export interface VouchedTime {
  /**
   * Unix seconds: the newest date that Intel signed in the collateral which the quote was judged by; null where that collateral did not
   * hold, or there is none.
   */
  readonly notBefore: number | null
  /**
   * What is not older than that. `quote`: the collateral was stapled, so the enclave had it before the quote was made, which commits to it.
   * `file`: the saver put it beside the document, so it says only that the file is not older.
   */
  readonly notBeforeOf: 'quote' | 'file' | null
  /** Unix seconds by the enclave's clock, which its host can set. */
  readonly issuedAt: number
  /** Unix seconds by the saver's clock. */
  readonly savedAt: number
  /** For a person. */
  readonly sentence: string
}

export interface TimeSource {
  /** Of the document. */
  readonly issuedAt: number
  /** To the document; null: none. */
  readonly stapled: DcapCollateral | null
  /** From the file, null where the document's own counted. */
  readonly collateral: DcapCollateral | null
  /** Of the appraisal of that document. */
  readonly checks: readonly Check[]
  readonly savedAt: number
  /** The time to judge by, where it was given; null: now. */
  readonly asOf: number | null
}

/** The parts with dates: verified, and of the right time and platform. */
const DATED_CHECKS: readonly QuoteCheckId[] = ['quote.crl', 'quote.tcb_info', 'quote.qe_identity']
/** The last second that an ISO time can name in four digits of a year. */
const LAST_INSTANT = 253_402_300_799

function timeText(seconds: number): string {
  return seconds >= 0 && seconds <= LAST_INSTANT ? instantText(Math.floor(seconds)) : `${seconds}`
}

/** The newest of the four signed dates. */
function newestDate(collateral: DcapCollateral): number | null {
  const info = parseTcbInfo(collateral.tcb_info)
  const identity = parseQeIdentity(collateral.qe_identity)
  const lists = [collateral.pck_crl, collateral.root_ca_crl].map((hex) =>
    parseCrl(fromHex(hex) ?? new Uint8Array(0)),
  )
  const dates = lists.map((parsed) => (parsed.ok ? parsed.list.thisUpdate : null))
  dates.push(info.ok ? info.value.issueDate : null)
  dates.push(identity.ok ? identity.value.issueDate : null)
  return dates.reduce(
    (newest, date) => (newest === null || date === null ? null : Math.max(newest, date)),
    0,
  )
}

function sentenceOf(time: Omit<VouchedTime, 'sentence'>, asOf: number | null): string {
  const { notBefore, notBeforeOf, issuedAt, savedAt } = time
  const what = notBeforeOf === 'quote' ? 'the quote was made' : 'this file was put together'
  const lower =
    notBefore === null
      ? 'no signed date in the file shows how old it is at least'
      : `Intel's signatures show that ${what} after ${timeText(notBefore)}`
  const upper =
    asOf === null
      ? 'nothing in it shows by when it existed'
      : `that it existed by ${timeText(asOf)} is vouched for by nobody but whoever names that time`
  return (
    `Time: ${lower}; ${upper}; ${timeText(issuedAt)} (issued_at) is the enclave's own clock, ` +
    `${timeText(savedAt)} (saved_at) the saver's.`
  )
}

export function vouchedTime(source: TimeSource): VouchedTime {
  const { issuedAt, checks, savedAt, asOf } = source
  const collateral = source.collateral ?? source.stapled
  // Dates count only under signatures that were verified, and of collateral that the quote itself commits to.
  const passed = (id: string) => checks.some((check) => check.id === id && check.status === 'pass')
  const verified = [...DATED_CHECKS, 'statement.binding'].every(passed)
  const notBefore = collateral !== null && verified ? newestDate(collateral) : null
  const of = source.collateral === null ? 'quote' : 'file'
  const time = {
    notBefore,
    notBeforeOf: notBefore === null ? null : of,
    issuedAt,
    savedAt,
  } as const
  return { ...time, sentence: sentenceOf(time, asOf) }
}
