/**
 * GetTlsKey of a simulated guest: fresh P-256 keys under app CA and root, with dstack's extensions (dstack v0.5.11,
 * 2026-05-11, `ra-tls/src/oids.rs`). The root carries the critical simulation mark.
 *
 * @module
 */
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { buildCertificate, toPem } from '../../x509/build-certificate.ts'
import type { CertificateExtension } from '../../x509/build-certificate.ts'
import { octetString, oid, sequence, taggedBytes, toDer } from '../../x509/der.ts'
import type { DistinguishedName } from '../../x509/sign-der.ts'
import { simulationExtension } from '../x509/simulation-extension.ts'

export interface TlsKeyRequest {
  readonly subject: string
  readonly altNames: readonly string[]
  readonly usageServerAuth: boolean
  readonly usageClientAuth: boolean
  /** The quote and the event log go into the certificate. */
  readonly usageRaTls: boolean
  readonly withAppInfo: boolean
  readonly notBefore: Date | null
  readonly notAfter: Date | null
}

export interface TlsKey {
  /** PKCS#8 PEM. */
  readonly key: string
  /** PEM: leaf, app CA, root. */
  readonly certificateChain: readonly [string, string, string]
}

/** What the guest puts into a certificate about itself. */
export interface TlsEvidence {
  readonly appId: Uint8Array
  /** @param reportData 64 bytes */
  quote(reportData: Uint8Array): Uint8Array
  readonly eventLog: string
}

export interface TlsAuthority {
  /** DER SubjectPublicKeyInfo of the root: the key provider's id under a KMS. */
  readonly rootSpki: Uint8Array
  /** PEM of the app CA. */
  readonly appCertificate: string
  issue(request: TlsKeyRequest, evidence: TlsEvidence): TlsKey
}

const DSTACK_ARC = '1.3.6.1.4.1.62397.1'
const OID_QUOTE = `${DSTACK_ARC}.1`
const OID_EVENT_LOG = `${DSTACK_ARC}.2`
const OID_APP_ID = `${DSTACK_ARC}.3`
const OID_SPECIAL_USAGE = `${DSTACK_ARC}.4`
const OID_ALT_NAMES = '2.5.29.17'
const OID_EXTENDED_USAGE = '2.5.29.37'
const OID_SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const OID_CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const GENERAL_NAME_DNS = 2
/** dstack's own default: TLS certificates of an app last ten years. */
const VALIDITY_MS = 3650 * 86_400_000
const BACKDATE_MS = 86_400_000
const SERIAL_BYTES = 16

interface Party {
  readonly name: DistinguishedName
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export function createTlsAuthority(now: Date): TlsAuthority {
  const root = party('Simulated dstack Root CA')
  const appCa = party('Simulated dstack App CA')
  const dates = {
    notBefore: new Date(now.getTime() - BACKDATE_MS),
    notAfter: new Date(now.getTime() + VALIDITY_MS),
  }
  const certify = (
    subject: Party,
    issuer: Party,
    pathLength: number,
    extensions: readonly CertificateExtension[],
  ): string =>
    toPem(
      buildCertificate({
        subject: subject.name,
        issuer: issuer.name,
        serial: randomBytes(SERIAL_BYTES),
        ...dates,
        publicKey: subject.publicKey,
        issuerKey: issuer.privateKey,
        ca: { pathLength },
        keyUsage: ['keyCertSign', 'crlSign', 'digitalSignature'],
        extensions,
      }),
    )
  const rootCertificate = certify(root, root, 1, [simulationExtension()])
  const appCertificate = certify(appCa, root, 0, [special('app:ca')])
  return {
    rootSpki: root.publicKey.export({ format: 'der', type: 'spki' }),
    appCertificate,
    issue(request, evidence) {
      const leaf = party(request.subject)
      const der = buildCertificate({
        subject: leaf.name,
        issuer: appCa.name,
        serial: randomBytes(SERIAL_BYTES),
        notBefore: request.notBefore ?? dates.notBefore,
        notAfter: request.notAfter ?? dates.notAfter,
        publicKey: leaf.publicKey,
        issuerKey: appCa.privateKey,
        keyUsage: ['digitalSignature'],
        extensions: leafExtensions(request, evidence, leaf.publicKey),
      })
      return {
        key: leaf.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
        certificateChain: [toPem(der), appCertificate, rootCertificate],
      }
    },
  }
}

function party(commonName: string): Party {
  return { name: { commonName }, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
}

function leafExtensions(
  request: TlsKeyRequest,
  evidence: TlsEvidence,
  publicKey: KeyObject,
): CertificateExtension[] {
  const out = [special('app:custom')]
  if (request.altNames.length > 0) {
    const names = request.altNames.map((name) =>
      taggedBytes(GENERAL_NAME_DNS, Buffer.from(name, 'latin1')),
    )
    out.push({ oid: OID_ALT_NAMES, critical: false, value: toDer(sequence(...names)) })
  }
  const usages = [
    ...(request.usageServerAuth ? [oid(OID_SERVER_AUTH)] : []),
    ...(request.usageClientAuth ? [oid(OID_CLIENT_AUTH)] : []),
  ]
  if (usages.length > 0) {
    out.push({ oid: OID_EXTENDED_USAGE, critical: false, value: toDer(sequence(...usages)) })
  }
  if (request.usageRaTls) {
    const spki = publicKey.export({ format: 'der', type: 'spki' })
    const reportData = createHash('sha512').update('ratls-cert:').update(spki).digest()
    out.push(opaque(OID_QUOTE, evidence.quote(Uint8Array.from(reportData))))
    out.push(opaque(OID_EVENT_LOG, Buffer.from(evidence.eventLog, 'utf8')))
  }
  if (request.usageRaTls || request.withAppInfo) out.push(opaque(OID_APP_ID, evidence.appId))
  return out
}

function special(usage: string): CertificateExtension {
  return opaque(OID_SPECIAL_USAGE, Buffer.from(usage, 'utf8'))
}

/** dstack wraps each of its values in one more OCTET STRING. */
function opaque(id: string, content: Uint8Array): CertificateExtension {
  return { oid: id, critical: false, value: toDer(octetString(content)) }
}
