/**
 * Certificate revocation lists, version 2, complete and direct (RFC 5280 §5), as Intel publishes them.
 *
 * A list that cannot be read in full revokes nothing and proves nothing: the caller fails. Partitioned, delta and indirect
 * lists say so in extensions that are refused here, critical as they must be or not, so what is read covers all of its
 * issuer's certificates.
 *
 * @module
 */
import type { NistCurve } from '../../crypto/port.ts'
import { MAX_CRL_BYTES } from '../../protocol/dcap-collateral.ts'
import { toHex } from '../../protocol/hex.ts'
import { readDer, smallIntegerOf, TAG, timeOf } from './der.ts'
import type { DerNode } from './der.ts'
import { ecdsaSignatureOf, signatureCurveOf } from './ecdsa-signature.ts'
import { extensionsOf, MAX_SERIAL_BYTES } from './parse-certificate.ts'

const VERSION_2 = 1
const OID_AUTHORITY_KEY = '2.5.29.35'
const OID_CRL_NUMBER = '2.5.29.20'
const OID_REASON = '2.5.29.21'
/** deltaCRLIndicator, issuingDistributionPoint, certificateIssuer (RFC 5280 §5.2.4, §5.2.5, §5.3.3). */
const INCOMPLETE: readonly string[] = ['2.5.29.27', '2.5.29.28', '2.5.29.29']

/** A list that was read, not yet trusted. */
export interface RevocationList {
  /** The signed bytes. */
  readonly tbs: Uint8Array
  /** DER Name. */
  readonly issuer: Uint8Array
  /** Unix seconds, inclusive. */
  readonly thisUpdate: number
  readonly nextUpdate: number
  /** Hex of the content bytes of each serial INTEGER. */
  readonly revoked: ReadonlySet<string>
  readonly signatureCurve: NistCurve
  /** r ‖ s. */
  readonly signature: Uint8Array
}

export type CrlResult =
  | { readonly ok: true; readonly list: RevocationList }
  | { readonly ok: false; readonly detail: string }

function refuse(detail: string): CrlResult {
  return { ok: false, detail }
}

/** The explicit [0] around crlExtensions has the shape of the [3] around those of a certificate. */
function knowsExtensions(wrapper: DerNode, known: readonly string[]): boolean {
  const extensions = extensionsOf(wrapper)
  if (extensions === null) return false
  // RFC 5280 §5.2: a list with a critical extension that is not understood must not be used to tell who is good.
  return [...extensions].every(
    ([oid, { critical }]) => known.includes(oid) || (!critical && !INCOMPLETE.includes(oid)),
  )
}

/** When something was revoked changes nothing: only the form is looked at. */
function isTime(node: DerNode | undefined): boolean {
  return node?.tag === TAG.utcTime || node?.tag === TAG.generalizedTime
}

/** @returns null where an entry is malformed or speaks in a way that is not understood */
function serialsOf(entries: DerNode): ReadonlySet<string> | null {
  const serials = new Set<string>()
  for (const entry of entries.children) {
    const [serial, date, extensions, ...rest] = entry.children
    if (entry.tag !== TAG.sequence || rest.length !== 0 || !isTime(date)) return null
    if (serial?.tag !== TAG.integer || serial.content.length > MAX_SERIAL_BYTES + 1) return null
    // `extensions` is not tagged here: wrapped to be read like those of a certificate.
    if (extensions !== undefined) {
      const wrapper = { ...entry, children: [extensions] }
      if (!knowsExtensions(wrapper, [OID_REASON])) return null
    }
    serials.add(toHex(serial.content))
  }
  return serials
}

/** Reads one list that fills `input` exactly. Never throws; nothing about trust is judged here. */
export function parseCrl(input: Uint8Array): CrlResult {
  const parsed = readDer(new Uint8Array(input), MAX_CRL_BYTES)
  if (!parsed.ok) return refuse(parsed.detail)
  const [tbs, algorithm, signatureNode, ...rest] = parsed.node.children
  if (parsed.node.tag !== TAG.sequence || rest.length !== 0 || tbs?.tag !== TAG.sequence) {
    return refuse('not a CertificateList')
  }
  const signatureCurve = signatureCurveOf(algorithm)
  if (signatureCurve === null) return refuse('not signed with ecdsa-with-SHA256 or -SHA384')
  const signature = ecdsaSignatureOf(signatureNode, signatureCurve)
  if (signature === null) return refuse('malformed signature value')

  const [version, inner, issuer, thisNode, nextNode, ...more] = tbs.children
  if (smallIntegerOf(version) !== VERSION_2) return refuse('not version 2')
  // RFC 5280 §5.1.1.2: the algorithm that is signed must be the one that is used.
  if (signatureCurveOf(inner) !== signatureCurve) return refuse('two signature algorithms')
  if (issuer?.tag !== TAG.sequence) return refuse('no issuer')
  const thisUpdate = timeOf(thisNode)
  const nextUpdate = timeOf(nextNode)
  // RFC 5280 §5.1.2.5 demands nextUpdate; without it a list would never go stale.
  if (thisUpdate === null || nextUpdate === null) return refuse('no thisUpdate and nextUpdate')
  const entries = more[0]?.tag === TAG.sequence ? more.shift() : undefined
  // RFC 5280 §5.1.2.6: absent, not empty, where nothing is revoked.
  if (entries?.children.length === 0) return refuse('an empty list of entries')
  const extensions = more.shift()
  if (extensions?.tag !== 0xa0 || more.length !== 0) {
    return refuse('no extensions, or more than those')
  }
  if (!knowsExtensions(extensions, [OID_AUTHORITY_KEY, OID_CRL_NUMBER])) {
    return refuse('malformed extensions, or ones that are not understood')
  }
  const revoked = entries === undefined ? new Set<string>() : serialsOf(entries)
  if (revoked === null) return refuse('a malformed entry')
  return {
    ok: true,
    list: {
      tbs: tbs.bytes,
      issuer: issuer.bytes,
      thisUpdate,
      nextUpdate,
      revoked,
      signatureCurve,
      signature,
    },
  }
}
