/**
 * What a TLS server's certificate and a request for one have in common: the names, and that they are for a server.
 *
 * @module
 */
import { isIPv4 } from 'node:net'
import type { CertificateExtension } from './build-certificate.ts'
import { oid, sequence, taggedBytes, toDer } from './der.ts'

const OID_ALT_NAMES = '2.5.29.17'
const OID_EXTENDED_USAGE = '2.5.29.37'
const OID_SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
/** Choices of GeneralName (RFC 5280 §4.2.1.6). */
const DNS_NAME = 2
const IP_ADDRESS = 7

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const HOST_NAME = new RegExp(`^(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`)
/** RFC 1035 §2.3.4, without the dot of the root. */
const MAX_NAME_LENGTH = 253

/** A lower-case host name, of which the first label may be `*`, or an IPv4 address. */
export function isServerName(name: string): boolean {
  return isIPv4(name) || (name.length <= MAX_NAME_LENGTH && HOST_NAME.test(name))
}

/** @param names at least one, each as {@link isServerName} has it */
export function altNamesExtension(names: readonly string[]): CertificateExtension {
  const general = names.map((name) =>
    isIPv4(name)
      ? taggedBytes(IP_ADDRESS, Uint8Array.from(name.split('.').map(Number)))
      : taggedBytes(DNS_NAME, Buffer.from(name, 'latin1')),
  )
  return { oid: OID_ALT_NAMES, critical: false, value: toDer(sequence(...general)) }
}

export function serverAuthExtension(): CertificateExtension {
  const value = toDer(sequence(oid(OID_SERVER_AUTH)))
  return { oid: OID_EXTENDED_USAGE, critical: false, value }
}
