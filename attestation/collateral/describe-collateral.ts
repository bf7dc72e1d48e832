/**
 * What a set of collateral says about itself: of which platform it is and from when to when it counts. Nothing is verified:
 * it serves to decide what to fetch and what to show, never what to believe.
 *
 * @module
 */
import { parseQeIdentity } from '../appraiser/quote/parse-qe-identity.ts'
import { parseTcbInfo } from '../appraiser/quote/parse-tcb-info.ts'
import { parseCrl } from '../appraiser/x509/parse-crl.ts'
import type { DcapCollateral } from '../protocol/dcap-collateral.ts'
import { fromHex, toHex } from '../protocol/hex.ts'

/** Unix seconds. */
export interface Window {
  readonly issuedAt: number
  readonly nextUpdate: number
}

export interface CollateralDescription {
  /** 6 bytes, lower-case hex. */
  readonly fmspc: string
  /** The lower of TCB info and QE identity. */
  readonly tcbEvaluationDataNumber: number
  readonly tcbInfo: Window
  readonly qeIdentity: Window
  readonly pckCrl: Window
  readonly rootCrl: Window
  /** When the newest of the four was issued: before that the set does not count. */
  readonly validFrom: number
  /** The first nextUpdate of the four: from then on it does not count. */
  readonly expiresAt: number
}

export type DescriptionResult =
  | { readonly ok: true; readonly description: CollateralDescription }
  | { readonly ok: false; readonly detail: string }

function windowOfList(hex: string): Window | null {
  const parsed = parseCrl(fromHex(hex) ?? new Uint8Array())
  if (!parsed.ok) return null
  const { thisUpdate, nextUpdate } = parsed.list
  return { issuedAt: thisUpdate, nextUpdate }
}

/** @returns the first part that cannot be read, where there is one */
export function describeCollateral(collateral: DcapCollateral): DescriptionResult {
  const unreadable = (detail: string): DescriptionResult => ({ ok: false, detail })
  const info = parseTcbInfo(collateral.tcb_info)
  if (!info.ok) return unreadable(`TCB info: ${info.detail}`)
  const identity = parseQeIdentity(collateral.qe_identity)
  if (!identity.ok) return unreadable(`QE identity: ${identity.detail}`)
  const pckCrl = windowOfList(collateral.pck_crl)
  if (pckCrl === null) return unreadable('PCK CRL: not a revocation list')
  const rootCrl = windowOfList(collateral.root_ca_crl)
  if (rootCrl === null) return unreadable('root CA CRL: not a revocation list')
  const { issueDate, nextUpdate } = info.value
  const tcbInfo = { issuedAt: issueDate, nextUpdate }
  const qeIdentity = { issuedAt: identity.value.issueDate, nextUpdate: identity.value.nextUpdate }
  const windows = [tcbInfo, qeIdentity, pckCrl, rootCrl]
  return {
    ok: true,
    description: {
      fmspc: toHex(info.value.fmspc),
      tcbEvaluationDataNumber: Math.min(
        info.value.tcbEvaluationDataNumber,
        identity.value.tcbEvaluationDataNumber,
      ),
      tcbInfo,
      qeIdentity,
      pckCrl,
      rootCrl,
      validFrom: Math.max(...windows.map((window) => window.issuedAt)),
      expiresAt: Math.min(...windows.map((window) => window.nextUpdate)),
    },
  }
}
