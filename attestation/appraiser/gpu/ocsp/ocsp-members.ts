/**
 * The parts that OCSP responses are read from (RFC 6960 §4.2.1).
 *
 * @module
 */
import { TAG, timeOf } from '../../x509/der.ts'
import type { DerNode } from '../../x509/der.ts'
import { extensionsOf } from '../../x509/parse-certificate.ts'
import type { Extension } from '../../x509/parse-certificate.ts'
import { OID_OCSP_NONCE } from './build-ocsp-request.ts'
import type { OcspCode } from './codes.ts'

export const CONTEXT_0 = 0xa0
export const CONTEXT_1 = 0xa1
export const CONTEXT_2 = 0xa2

/** Thrown by the readers and caught where a response is parsed, so that forty checks need not each hand a result upwards. */
export class Refused extends Error {
  readonly code: OcspCode
  constructor(detail: string, code: OcspCode = 'ocsp_malformed') {
    super(detail)
    this.code = code
  }
}

export function members(node: DerNode | undefined, what: string): readonly DerNode[] {
  if (node?.tag !== TAG.sequence) throw new Refused(`no ${what}`)
  return node.children
}

/** The one value inside an explicit tag. */
export function explicit(node: DerNode, what: string): DerNode {
  const [inner, ...more] = node.children
  if (inner === undefined || more.length > 0) throw new Refused(`malformed ${what}`)
  return inner
}

export function octets(node: DerNode | undefined, what: string): Uint8Array {
  if (node?.tag !== TAG.octetString) throw new Refused(`no ${what}`)
  return node.content
}

/** RFC 6960 §4.2.1 knows GeneralizedTime alone, where certificates have two forms. */
export function instant(node: DerNode | undefined, what: string): number {
  const seconds = node?.tag === TAG.generalizedTime ? timeOf(node) : null
  if (seconds === null) throw new Refused(`no ${what}`)
  return seconds
}

/** Extensions that may stay unread; a critical one could change what the answer means. */
export function readExtensions(wrapper: DerNode): ReadonlyMap<string, Extension> {
  const extensions = extensionsOf(wrapper)
  if (extensions === null) throw new Refused('malformed extensions')
  for (const [oid, { critical }] of extensions) {
    if (critical && oid !== OID_OCSP_NONCE) {
      throw new Refused(`critical extension ${oid}`, 'ocsp_unknown_extension')
    }
  }
  return extensions
}
