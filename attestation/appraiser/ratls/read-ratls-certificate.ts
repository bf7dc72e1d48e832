/**
 * The evidence inside an RA-TLS certificate of dstack: X.509 extensions below 1.3.6.1.4.1.62397.1, each value wrapped in
 * one more OCTET STRING (dstack 0.5.11, 2026-05-11, `ra-tls/src/oids.rs`).
 *
 * @module
 */
import { fromUtf8 } from '../../protocol/utf8.ts'
import { MAX_EVENT_LOG_CHARACTERS } from '../eventlog/parse-event-log.ts'
import { Unreadable } from '../read-members.ts'
import { readDer, TAG } from '../x509/der.ts'
import { MAX_CERTIFICATE_BYTES } from '../x509/parse-certificate.ts'
import type { Certificate } from '../x509/parse-certificate.ts'

const ARC = '1.3.6.1.4.1.62397.1'
const OID_QUOTE = `${ARC}.1`
const OID_EVENT_LOG = `${ARC}.2`
const OID_APP_ID = `${ARC}.3`
const OID_SPECIAL_USAGE = `${ARC}.4`
/** Versioned attestation of the branch for 0.6, in place of quote and log. */
const OID_ATTESTATION = `${ARC}.8`

const APP_ID_BYTES = 20
const USAGE = /^[a-z:-]{1,32}$/
/** RFC 1952 §2.3.1: how a gzip member starts. */
const GZIP_MAGIC = [0x1f, 0x8b] as const

/**
 * Decompresses gzip; at most `maxBytes` come out, else null. Never throws. The verifier has none of its own, because
 * browsers and Node each have one.
 */
export type Gunzip = (compressed: Uint8Array, maxBytes: number) => Uint8Array | null

export interface RaTlsEvidence {
  readonly quote: Uint8Array
  /** JSON text. */
  readonly eventLog: string
}

/** Content of one extension; null where the certificate has none of that kind. */
function extensionOf(certificate: Certificate, oid: string): Uint8Array | null {
  const extension = certificate.extensions.get(oid)
  if (extension === undefined) return null
  const parsed = readDer(extension.value, MAX_CERTIFICATE_BYTES)
  if (!parsed.ok || parsed.node.tag !== TAG.octetString) {
    throw new Unreadable(`extension ${oid} is no OCTET STRING`)
  }
  return parsed.node.content
}

function logText(bytes: Uint8Array, gunzip: Gunzip | null): string {
  const compressed = GZIP_MAGIC.every((byte, index) => bytes[index] === byte)
  if (compressed && gunzip === null) throw new Unreadable('a compressed event log', 'unsupported')
  // Bounded: a few kilobytes of gzip can hold gigabytes.
  const plain = compressed ? (gunzip?.(bytes, MAX_EVENT_LOG_CHARACTERS) ?? null) : bytes
  const text = plain === null ? null : fromUtf8(plain)
  if (text === null) throw new Unreadable('the event log is no text')
  return text
}

/**
 * @returns null for a certificate without any evidence
 * @throws Unreadable
 */
export function readRaTlsEvidence(
  certificate: Certificate,
  gunzip: Gunzip | null,
): RaTlsEvidence | null {
  const quote = extensionOf(certificate, OID_QUOTE)
  const versioned = certificate.extensions.has(OID_ATTESTATION)
  if (quote === null) {
    if (versioned) throw new Unreadable('a versioned attestation', 'unsupported')
    return null
  }
  // Two pieces of evidence for one key: it would be open which of them a reader judged.
  if (versioned) throw new Unreadable('a quote beside a versioned attestation')
  const eventLog = extensionOf(certificate, OID_EVENT_LOG)
  if (eventLog === null) throw new Unreadable('a quote without an event log')
  return { quote, eventLog: logText(eventLog, gunzip) }
}

/**
 * @returns the app id that the certificate names, 20 bytes; null where it names none
 * @throws Unreadable
 */
export function readAppId(certificate: Certificate): Uint8Array | null {
  const appId = extensionOf(certificate, OID_APP_ID)
  if (appId !== null && appId.length !== APP_ID_BYTES) throw new Unreadable('the app id')
  return appId
}

/**
 * @returns what the certificate is for, e.g. `app:custom`; null where it does not say
 * @throws Unreadable
 */
export function readSpecialUsage(certificate: Certificate): string | null {
  const content = extensionOf(certificate, OID_SPECIAL_USAGE)
  if (content === null) return null
  const usage = fromUtf8(content)
  if (usage === null || !USAGE.test(usage)) throw new Unreadable('the special usage')
  return usage
}
