import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseCertificate } from '../../attestation/appraiser/x509/parse-certificate.ts'
import type { Certificate } from '../../attestation/appraiser/x509/parse-certificate.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { buildCertificate } from '../../attestation/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/x509/build-certificate.ts'

export const PORTS = [
  ['node', nodeCrypto],
  ['noble', nobleCrypto],
] as const

const FIXTURES = new URL('../../../shared/fixtures/', import.meta.url)

/** Says so loudly where the recorded evidence is missing. */
export function haveFixtures(folder: string): boolean {
  const found = existsSync(new URL(folder, FIXTURES))
  if (!found)
    console.warn(`SKIPPED: no recorded evidence in ${folder}, see the fixtures MANIFEST.md`)
  return found
}

export function fixturePath(path: string): string {
  return fileURLToPath(new URL(path, FIXTURES))
}

export function fixtureBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(path, FIXTURES)))
}

export function fixtureText(path: string): string {
  return readFileSync(new URL(path, FIXTURES), 'utf8')
}

export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}

export type Curve = 'P-256' | 'P-384'

export function keyPair(curve: Curve = 'P-256'): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: curve })
}

/** 2026-01-01. */
export const AT = 1767225600
export const NOT_BEFORE = AT - 86_400
export const NOT_AFTER = AT + 86_400

/** One certificate of a test chain: what to change about a good one. */
export type Link = Partial<CertificateTemplate> & {
  readonly curve?: Curve
  /** Without basicConstraints. */
  readonly noCa?: true
  /** Without keyUsage. */
  readonly noKeyUsage?: true
}

export function certificate(der: Uint8Array): Certificate {
  const parsed = parseCertificate(der)
  if (!parsed.ok) throw new Error(`expected a certificate: ${parsed.detail}`)
  return parsed.certificate
}

/**
 * Builds a chain, leaf first, each link signed by the next and the last by itself. A link may override any part of its
 * certificate.
 */
export function issueChain(links: readonly Link[]): { ders: Uint8Array[]; keys: KeyObject[] } {
  const keys = links.map((link) => keyPair(link.curve))
  const name = (index: number): { commonName: string } => ({ commonName: `link ${index}` })
  const ders = links.map(({ curve: _, noCa, noKeyUsage, ...link }, index) => {
    const issuerIndex = Math.min(index + 1, links.length - 1)
    const [own, issuer] = [keys[index], keys[issuerIndex]]
    if (own === undefined || issuer === undefined) throw new Error('no key')
    const usages = index === 0 ? ['digitalSignature' as const] : ['keyCertSign' as const]
    return buildCertificate({
      subject: name(index),
      issuer: name(issuerIndex),
      serial: Uint8Array.of(index + 1),
      notBefore: new Date(NOT_BEFORE * 1000),
      notAfter: new Date(NOT_AFTER * 1000),
      publicKey: own.publicKey,
      issuerKey: issuer.privateKey,
      ...(index === 0 || noCa ? {} : { ca: { pathLength: null } }),
      ...(noKeyUsage ? {} : { keyUsage: usages }),
      ...link,
    })
  })
  return { ders, keys: keys.map((key) => key.privateKey) }
}

export function pemOf(ders: readonly Uint8Array[]): string {
  return ders
    .map((der) => {
      const lines =
        Buffer.from(der)
          .toString('base64')
          .match(/.{1,64}/g) ?? []
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
    })
    .join('')
}
