/**
 * What a set of collateral says about itself: of which platform it is and from when to when it counts. Nothing is verified:
 * it serves to decide what to fetch and what to show, never what to believe.
 *
 * @module
 */
import { readDer, timeOf } from '../appraiser/x509/der.ts'
import { MAX_CRL_BYTES } from '../protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../protocol/dcap-collateral.ts'
import { fromHex } from '../protocol/hex.ts'
import { isJsonObject, parseJsonText } from '../protocol/json.ts'
import type { JsonObject } from '../protocol/json.ts'

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

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

function secondsOf(value: unknown): number | null {
  if (typeof value !== 'string' || !INSTANT.test(value)) return null
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : at / 1000
}

function objectOf(text: string): JsonObject | null {
  const parsed = parseJsonText(text)
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : null
}

function windowOfText(value: JsonObject | null): Window | null {
  const issuedAt = secondsOf(value?.['issueDate'])
  const nextUpdate = secondsOf(value?.['nextUpdate'])
  return issuedAt === null || nextUpdate === null ? null : { issuedAt, nextUpdate }
}

/** TBSCertList of RFC 5280 §5.1.2: version, signature, issuer, thisUpdate, nextUpdate. */
function windowOfList(hex: string): Window | null {
  const parsed = readDer(fromHex(hex) ?? new Uint8Array(), MAX_CRL_BYTES)
  if (!parsed.ok) return null
  const fields = parsed.node.children[0]?.children
  const issuedAt = timeOf(fields?.[3])
  const nextUpdate = timeOf(fields?.[4])
  return issuedAt === null || nextUpdate === null ? null : { issuedAt, nextUpdate }
}

function evaluationNumberOf(value: JsonObject | null): number | null {
  const number = value?.['tcbEvaluationDataNumber']
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : null
}

/** @returns null where a date, the platform or the evaluation number cannot be read */
export function describeCollateral(collateral: DcapCollateral): CollateralDescription | null {
  const info = objectOf(collateral.tcb_info)
  const identity = objectOf(collateral.qe_identity)
  const fmspc = info?.['fmspc']
  const tcbInfo = windowOfText(info)
  const qeIdentity = windowOfText(identity)
  const pckCrl = windowOfList(collateral.pck_crl)
  const rootCrl = windowOfList(collateral.root_ca_crl)
  const infoNumber = evaluationNumberOf(info)
  const identityNumber = evaluationNumberOf(identity)
  if (typeof fmspc !== 'string' || infoNumber === null || identityNumber === null) return null
  if (tcbInfo === null || qeIdentity === null || pckCrl === null || rootCrl === null) return null
  const windows = [tcbInfo, qeIdentity, pckCrl, rootCrl]
  return {
    fmspc: fmspc.toLowerCase(),
    tcbEvaluationDataNumber: Math.min(infoNumber, identityNumber),
    tcbInfo,
    qeIdentity,
    pckCrl,
    rootCrl,
    validFrom: Math.max(...windows.map(({ issuedAt }) => issuedAt)),
    expiresAt: Math.min(...windows.map(({ nextUpdate }) => nextUpdate)),
  }
}
