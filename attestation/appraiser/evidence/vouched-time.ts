/**
 * What an evidence file shows about when it came to be. It is less than one might think: signed dates say that something is not older, and
 * nothing inside a file can say that it is not younger.
 *
 * @module
 */
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { fromHex } from '../../protocol/hex.ts'
import type { Check } from '../check.ts'
import { instantText } from '../gpu/ocsp/instant-text.ts'
import type { QuoteCheckId } from '../quote/appraise-quote.ts'
import { parseQeIdentity } from '../quote/parse-qe-identity.ts'
import { parseTcbInfo } from '../quote/parse-tcb-info.ts'
import { parseCrl } from '../x509/parse-crl.ts'

/** The newest date that a vendor signed in collateral which was verified, and by which the evidence was judged. */
export interface SignedDate {
  readonly by: 'Intel' | 'NVIDIA'
  /** Unix seconds, by the signer's clock. */
  readonly date: number
  /**
   * What is not older than that. `quote`: the collateral was stapled, so the enclave had it before the quote was made, which commits to it.
   * `file`: the saver put it beside the document, so it says only that the file is not older.
   */
  readonly of: 'quote' | 'file'
}

export interface VouchedTime {
  /** One for each vendor whose collateral held: Intel's CRLs, TCB info and QE identity; NVIDIA's OCSP responses. RIMs hold no date. */
  readonly signedDates: readonly SignedDate[]
  /** Unix seconds: the newest of them; null: there is none. */
  readonly notBefore: number | null
  /** What is not older than the newest. */
  readonly notBeforeOf: SignedDate['of'] | null
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
  readonly gpuCollateral: GpuCollateral | null
  /** Of the appraisal of that document. */
  readonly revocationDate: number | null
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

/** For a person: an ISO time, and a number that is none as it stands. */
export function timeText(seconds: number): string {
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
  const { signedDates, issuedAt, savedAt } = time
  const what = { quote: 'the quote was made', file: 'this file was put together' } as const
  const shown = signedDates.map(
    ({ by, date, of }) => `${by}'s signatures show that ${what[of]} after ${timeText(date)}`,
  )
  const lower =
    shown.length === 0 ? 'no signed date in the file bounds how old it can be' : shown.join(', ')
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
  const intel = collateral !== null && verified ? newestDate(collateral) : null
  const nvidia = passed('statement.binding') ? source.revocationDate : null
  const ofWhat = (added: object | null) => (added === null ? 'quote' : 'file')
  const signedDates: readonly SignedDate[] = [
    ...(intel === null
      ? []
      : [{ by: 'Intel', date: intel, of: ofWhat(source.collateral) } as const]),
    ...(nvidia === null
      ? []
      : [{ by: 'NVIDIA', date: nvidia, of: ofWhat(source.gpuCollateral) } as const]),
  ]
  const newest = signedDates.toSorted((a, b) => b.date - a.date)[0]
  const time = {
    signedDates,
    notBefore: newest?.date ?? null,
    notBeforeOf: newest?.of ?? null,
    issuedAt,
    savedAt,
  } as const
  return { ...time, sentence: sentenceOf(time, asOf) }
}
