/**
 * What a response says about one certificate (RFC 6960 §4.2.1: SingleResponse).
 *
 * @module
 */
import { oidOf, TAG } from '../../x509/der.ts'
import type { DerNode } from '../../x509/der.ts'
import { MAX_SERIAL_BYTES } from '../../x509/parse-certificate.ts'
import { CERT_ID_HASHES } from './cert-id.ts'
import type { CertId } from './cert-id.ts'
import {
  CONTEXT_0,
  CONTEXT_1,
  explicit,
  instant,
  members,
  octets,
  readExtensions,
  Refused,
} from './ocsp-members.ts'

const GOOD = 0x80
const UNKNOWN = 0x82

/** CRLReason, RFC 5280 §5.3.1; 7 is not used. */
export const REVOCATION_REASONS: ReadonlyMap<number, string> = new Map([
  [0, 'unspecified'],
  [1, 'keyCompromise'],
  [2, 'cACompromise'],
  [3, 'affiliationChanged'],
  [4, 'superseded'],
  [5, 'cessationOfOperation'],
  [6, 'certificateHold'],
  [8, 'removeFromCRL'],
  [9, 'privilegeWithdrawn'],
  [10, 'aACompromise'],
])

export type CertStatus =
  | { readonly is: 'good' }
  | { readonly is: 'unknown' }
  | {
      readonly is: 'revoked'
      /** Unix seconds. */
      readonly since: number
      /** Of {@link REVOCATION_REASONS}; null where none is given. */
      readonly reason: number | null
    }

export interface SingleResponse {
  readonly certId: CertId
  readonly status: CertStatus
  /** Unix seconds. */
  readonly thisUpdate: number
  /** Null where newer information is available all the time (RFC 6960 §4.2.2.1). */
  readonly nextUpdate: number | null
}

function readCertId(node: DerNode | undefined): CertId {
  const [algorithm, name, key, serial, ...more] = members(node, 'CertID')
  const [oid, parameters, ...rest] = members(algorithm, 'hash algorithm')
  // RFC 5754 §2: absent or NULL.
  const plain = parameters === undefined || parameters.tag === TAG.null
  const dotted = oidOf(oid)
  if (dotted === null || !plain || rest.length > 0) throw new Refused('malformed hash algorithm')
  if (serial?.tag !== TAG.integer || serial.content.length > MAX_SERIAL_BYTES + 1) {
    throw new Refused('malformed serial number')
  }
  if (more.length > 0) throw new Refused('malformed CertID')
  return {
    hash: CERT_ID_HASHES.get(dotted) ?? null,
    nameHash: octets(name, 'issuer name hash'),
    keyHash: octets(key, 'issuer key hash'),
    serial: serial.content,
  }
}

function readStatus(node: DerNode | undefined): CertStatus {
  switch (node?.tag) {
    case GOOD:
    case UNKNOWN:
      // IMPLICIT NULL.
      if (node.content.length > 0) throw new Refused('malformed certStatus')
      return { is: node.tag === GOOD ? 'good' : 'unknown' }
    case CONTEXT_1: {
      const [time, reasonNode, ...more] = node.children
      const since = instant(time, 'revocation time')
      if (more.length > 0) throw new Refused('malformed RevokedInfo')
      if (reasonNode === undefined) return { is: 'revoked', since, reason: null }
      const value = reasonNode.tag === CONTEXT_0 ? explicit(reasonNode, 'reason') : undefined
      const [reason] = value?.tag === TAG.enumerated ? value.content : []
      if (reason === undefined || value?.content.length !== 1 || !REVOCATION_REASONS.has(reason)) {
        throw new Refused('malformed revocation reason')
      }
      return { is: 'revoked', since, reason }
    }
    default:
      throw new Refused('no certStatus')
  }
}

/** @throws Refused */
export function readSingleResponse(node: DerNode): SingleResponse {
  const [certId, status, thisNode, ...optional] = members(node, 'SingleResponse')
  const thisUpdate = instant(thisNode, 'thisUpdate')
  const next = optional[0]?.tag === CONTEXT_0 ? optional.shift() : undefined
  const nextUpdate = next === undefined ? null : instant(explicit(next, 'nextUpdate'), 'nextUpdate')
  if (nextUpdate !== null && nextUpdate < thisUpdate) throw new Refused('nextUpdate first')
  const extensions = optional[0]?.tag === CONTEXT_1 ? optional.shift() : undefined
  if (extensions !== undefined) readExtensions(extensions)
  if (optional.length > 0) throw new Refused('malformed SingleResponse')
  return { certId: readCertId(certId), status: readStatus(status), thisUpdate, nextUpdate }
}
