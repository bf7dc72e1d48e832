/**
 * A hierarchy with OCSP responders, good and bad, and responses written member by member, so that a test can write what no
 * honest responder would. Nothing here uses the code that builds requests or judges responses.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { encodeDer, encodeOid } from '../../attestation/appraiser/x509/encode-der.ts'
import { parseCertificate } from '../../attestation/appraiser/x509/parse-certificate.ts'
import type { Certificate } from '../../attestation/appraiser/x509/parse-certificate.ts'
import { buildCertificate } from '../../attestation/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/x509/build-certificate.ts'

export const AT = Date.UTC(2026, 10, 26, 12) / 1000
export const HOUR = 3600
const DAY = 86_400
const SEQUENCE = 0x30

export interface Holder {
  readonly key: KeyObject
  readonly certificate: Certificate
}

function parsed(der: Uint8Array): Certificate {
  const result = parseCertificate(der)
  if (!result.ok) throw new Error(result.detail)
  return result.certificate
}

export type Change = Partial<Omit<CertificateTemplate, 'publicKey'>>

/** @param issuer null: by itself */
export function issue(
  commonName: string,
  issuer: Holder | null,
  change: Change = {},
  namedCurve = 'P-384',
): Holder {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve })
  const der = buildCertificate({
    subject: { commonName },
    issuer: { commonName: issuer?.certificate.subjectCommonName ?? commonName },
    serial: Uint8Array.of(0x41, ...randomBytes(8)),
    notBefore: new Date((AT - 30 * DAY) * 1000),
    notAfter: new Date((AT + 30 * DAY) * 1000),
    publicKey,
    issuerKey: issuer?.key ?? privateKey,
    ...change,
  })
  return { key: privateKey, certificate: parsed(der) }
}

export const CA: Change = { ca: { pathLength: null }, keyUsage: ['keyCertSign', 'crlSign'] }

const usage = (...oids: string[]): NonNullable<CertificateTemplate['extensions']>[number] => ({
  oid: '2.5.29.37',
  critical: false,
  value: encodeDer(SEQUENCE, ...oids.map(encodeOid)),
})
export const OCSP_SIGNING = usage('1.3.6.1.5.5.7.3.9')
export const ANY_USAGE = usage('2.5.29.37.0')
export const NO_CHECK = {
  oid: '1.3.6.1.5.5.7.48.1.5',
  critical: false,
  value: Uint8Array.of(5, 0),
} as const

export const RESPONDER: Change = {
  keyUsage: ['digitalSignature'],
  extensions: [OCSP_SIGNING, NO_CHECK],
}

/** GeneralizedTime. */
export function generalized(seconds: number): Uint8Array {
  const text = new Date(seconds * 1000).toISOString().replaceAll(/[-:T]|\.000/g, '')
  return encodeDer(0x18, Buffer.from(text))
}

const HASHES = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const
export type Hash = keyof typeof HASHES

function point(certificate: Certificate): Uint8Array {
  return Uint8Array.of(4, ...certificate.publicKey.point)
}

export function certId(certificate: Certificate, issuer: Certificate, hash: Hash): Uint8Array {
  const digest = (data: Uint8Array) => encodeDer(4, createHash(hash).update(data).digest())
  return encodeDer(
    SEQUENCE,
    encodeDer(SEQUENCE, encodeOid(HASHES[hash]), encodeDer(5)),
    digest(certificate.issuer),
    digest(point(issuer)),
    encodeDer(2, certificate.serial),
  )
}

export const GOOD = encodeDer(0x80)
export const UNKNOWN = encodeDer(0x82)

/** @param reason null: none is given */
export function revoked(reason: number | null, since = AT - DAY): Uint8Array {
  const given = reason === null ? [] : [encodeDer(0xa0, encodeDer(0x0a, Uint8Array.of(reason)))]
  return encodeDer(0xa1, generalized(since), ...given)
}

export function extension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  const mark = critical ? [encodeDer(1, Uint8Array.of(0xff))] : []
  return encodeDer(SEQUENCE, encodeOid(oid), ...mark, encodeDer(4, value))
}

export function nonceExtension(nonce: Uint8Array): Uint8Array {
  return extension('1.3.6.1.5.5.7.48.1.2', encodeDer(4, nonce))
}

export interface Answer {
  readonly id: Uint8Array
  readonly status?: Uint8Array
  readonly thisUpdate?: number
  /** Null: none. */
  readonly nextUpdate?: number | null
  readonly extensions?: readonly Uint8Array[]
}

export function single(answer: Answer): Uint8Array {
  const { id, status = GOOD, thisUpdate = AT - HOUR, nextUpdate = AT + HOUR, extensions } = answer
  return encodeDer(
    SEQUENCE,
    id,
    status,
    generalized(thisUpdate),
    ...(nextUpdate === null ? [] : [encodeDer(0xa0, generalized(nextUpdate))]),
    ...(extensions === undefined ? [] : [encodeDer(0xa1, encodeDer(SEQUENCE, ...extensions))]),
  )
}

export function byKey({ certificate }: Holder): Uint8Array {
  const digest = createHash('sha1').update(point(certificate)).digest()
  return encodeDer(0xa2, encodeDer(4, digest))
}

export function byName({ certificate }: Holder): Uint8Array {
  return encodeDer(0xa1, certificate.subject)
}

export interface Reply {
  readonly signer: Holder
  readonly answers: readonly Answer[]
  readonly responder?: Uint8Array
  readonly producedAt?: number
  readonly extensions?: readonly Uint8Array[]
  /** Default: the signer's. */
  readonly enclosed?: readonly Certificate[]
  readonly status?: number
}

/** responseBytes [0] of the basic type around a BasicOCSPResponse. */
export function wrap(basic: Uint8Array, status = 0, type = '1.3.6.1.5.5.7.48.1.1'): Uint8Array {
  const inner = encodeDer(SEQUENCE, encodeOid(type), encodeDer(4, basic))
  return encodeDer(SEQUENCE, encodeDer(0x0a, Uint8Array.of(status)), encodeDer(0xa0, inner))
}

export function errorResponse(status: number): Uint8Array {
  return encodeDer(SEQUENCE, encodeDer(0x0a, Uint8Array.of(status)))
}

export function signBasic(
  tbs: Uint8Array,
  signer: Holder,
  enclosed: readonly Certificate[],
): Uint8Array {
  const small = signer.certificate.publicKey.curve === 'P-256'
  const algorithm = encodeOid(small ? '1.2.840.10045.4.3.2' : '1.2.840.10045.4.3.3')
  const signature = sign(small ? 'sha256' : 'sha384', tbs, signer.key)
  const list = encodeDer(SEQUENCE, ...enclosed.map(({ der }) => der))
  return encodeDer(
    SEQUENCE,
    tbs,
    encodeDer(SEQUENCE, algorithm),
    encodeDer(3, Uint8Array.of(0), signature),
    ...(enclosed.length === 0 ? [] : [encodeDer(0xa0, list)]),
  )
}

export function reply(given: Reply): Uint8Array {
  const { signer, answers, responder = byKey(signer), producedAt = AT - HOUR, extensions } = given
  const tbs = encodeDer(
    SEQUENCE,
    responder,
    generalized(producedAt),
    encodeDer(SEQUENCE, ...answers.map(single)),
    ...(extensions === undefined ? [] : [encodeDer(0xa1, encodeDer(SEQUENCE, ...extensions))]),
  )
  return wrap(signBasic(tbs, signer, given.enclosed ?? [signer.certificate]), given.status)
}

export interface OcspPki {
  readonly root: Holder
  readonly issuer: Holder
  readonly device: Holder
  readonly responder: Holder
  readonly rootResponder: Holder
  /** Device, issuer, root. */
  readonly chain: readonly Certificate[]
}

export function createOcspPki(): OcspPki {
  const root = issue('Test root', null, CA)
  const issuer = issue('Test issuer', root, CA)
  const device = issue('Test device', issuer, CA)
  return {
    root,
    issuer,
    device,
    responder: issue('Test responder', issuer, RESPONDER),
    rootResponder: issue('Test root responder', root, RESPONDER),
    chain: [device.certificate, issuer.certificate, root.certificate],
  }
}
