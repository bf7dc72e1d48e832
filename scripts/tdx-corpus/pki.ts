/**
 * The simulated Intel PKI of the corpus: every certificate and list by name, each with the parts that a case changes.
 *
 * Built by the simulator's writers, then signed anew with deterministic signatures.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { sgxExtension } from '../../attestation/simulator/intel/sgx-extension.ts'
import {
  SIMULATED_COMPONENTS,
  SIMULATED_FMSPC,
  SIMULATED_PCE_ID,
  SIMULATED_PCE_SVN,
  SIMULATED_TEE_TCB_SVN,
} from '../../attestation/simulator/intel/simulated-platform.ts'
import type { SimulatedPlatform } from '../../attestation/simulator/intel/simulated-platform.ts'
import { buildCertificate, toPem } from '../../attestation/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/x509/build-certificate.ts'
import { buildRevocationList } from '../../attestation/simulator/x509/build-revocation-list.ts'
import { bitString, oid, raw, sequence, toDer } from '../../attestation/x509/der.ts'
import { simulationExtension } from '../../attestation/simulator/x509/simulation-extension.ts'
import { keyOf, seeded, signDerValue } from './keys.ts'
import type { Key } from './keys.ts'

/** 2026-11-01T00:00:00Z: the moment at which everything is judged. */
export const AT = Date.UTC(2026, 10, 1) / 1000
export const HOUR = 3600
export const DAY = 86_400

export const PLATFORM: SimulatedPlatform = {
  ppid: seeded('ppid', 16),
  instanceId: seeded('platform instance', 16),
  fmspc: SIMULATED_FMSPC,
  pceId: SIMULATED_PCE_ID,
  components: SIMULATED_COMPONENTS,
  pceSvn: SIMULATED_PCE_SVN,
  teeTcbSvn: SIMULATED_TEE_TCB_SVN,
}

export interface Issued {
  readonly der: Uint8Array
  readonly key: Key
  readonly name: CertificateTemplate['subject']
  readonly serial: Uint8Array
}

/** Length of header and content of the DER value at `offset`. */
function derSize(der: Uint8Array, offset: number): { header: number; size: number } {
  const first = der[offset + 1] ?? 0
  if (first < 0x80) return { header: 2, size: first }
  const count = first & 0x7f
  const digits = der.subarray(offset + 2, offset + 2 + count)
  return { header: 2 + count, size: digits.reduce((sum, byte) => sum * 256 + byte, 0) }
}

/** The signed part of a certificate or revocation list. */
export function tbsOf(der: Uint8Array): Uint8Array {
  const { header } = derSize(der, 0)
  const inner = derSize(der, header)
  return der.subarray(header, header + inner.header + inner.size)
}

const ECDSA_SHA256 = '1.2.840.10045.4.3.2'

/** `tbs` under a signature value that need not be one. */
export function seal(tbs: Uint8Array, signature: Uint8Array, algorithm = ECDSA_SHA256): Uint8Array {
  return toDer(sequence(raw(tbs), sequence(oid(algorithm)), bitString(signature)))
}

/** Signs `tbs` as its issuer does. */
export function signTbs(tbs: Uint8Array, key: Key): Uint8Array {
  return seal(tbs, signDerValue(tbs, key))
}

/** What a case changes about a certificate; `undefined` drops a part. */
export interface CertificateChange {
  readonly key?: Key
  readonly commonName?: string
  readonly issuerName?: CertificateTemplate['issuer']
  readonly serial?: Uint8Array
  readonly notBefore?: number
  readonly notAfter?: number
  /** Null: no basicConstraints. */
  readonly ca?: CertificateTemplate['ca'] | null
  /** Null: no keyUsage. */
  readonly keyUsage?: CertificateTemplate['keyUsage'] | null
  readonly extensions?: CertificateTemplate['extensions']
  /** Signs in place of the issuer. */
  readonly signer?: Key
}

interface Standard {
  readonly commonName: string
  readonly issuer: Issued | null
  readonly change: CertificateChange
  readonly keyUsage: NonNullable<CertificateTemplate['keyUsage']>
  readonly ca?: CertificateTemplate['ca']
  readonly extensions?: CertificateTemplate['extensions']
}

function issue({ issuer, change, ...standard }: Standard): Issued {
  const name = { commonName: change.commonName ?? standard.commonName }
  const key = change.key ?? keyOf(standard.commonName)
  const serial = change.serial ?? seeded(`serial ${standard.commonName}`, 16)
  const signer = change.signer ?? issuer?.key ?? key
  const ca = change.ca === undefined ? standard.ca : change.ca
  const keyUsage = change.keyUsage === undefined ? standard.keyUsage : change.keyUsage
  const extensions = change.extensions ?? standard.extensions
  const der = buildCertificate({
    subject: name,
    issuer: change.issuerName ?? issuer?.name ?? name,
    serial,
    notBefore: new Date((change.notBefore ?? AT - 365 * DAY) * 1000),
    notAfter: new Date((change.notAfter ?? AT + 3650 * DAY) * 1000),
    publicKey: key.publicKey,
    issuerKey: signer.privateKey,
    ...(ca === undefined || ca === null ? {} : { ca }),
    ...(keyUsage === null ? {} : { keyUsage }),
    ...(extensions === undefined ? {} : { extensions }),
  })
  return { der: signTbs(tbsOf(der), signer), key, name, serial }
}

const CA_USAGE = ['keyCertSign', 'crlSign'] as const
const SIGNER_USAGE = ['digitalSignature'] as const

export function issueRoot(change: CertificateChange = {}): Issued {
  return issue({
    commonName: 'Simulated SGX Root CA',
    issuer: null,
    change,
    keyUsage: CA_USAGE,
    ca: { pathLength: 1 },
    extensions: [simulationExtension()],
  })
}

export function issuePlatformCa(issuer: Issued, change: CertificateChange = {}): Issued {
  const commonName = 'Simulated SGX PCK Platform CA'
  return issue({ commonName, issuer, change, keyUsage: CA_USAGE, ca: { pathLength: 0 } })
}

export function issuePck(
  issuer: Issued,
  change: CertificateChange = {},
  platform = PLATFORM,
): Issued {
  return issue({
    commonName: 'Simulated SGX PCK Certificate',
    issuer,
    change,
    keyUsage: SIGNER_USAGE,
    extensions: [sgxExtension(platform)],
  })
}

export function issueSigner(issuer: Issued, change: CertificateChange = {}): Issued {
  const commonName = 'Simulated SGX TCB Signing'
  return issue({ commonName, issuer, change, keyUsage: SIGNER_USAGE })
}

export interface ListChange {
  readonly issuer?: Issued
  readonly thisUpdate?: number
  readonly nextUpdate?: number
  readonly revoked?: readonly Uint8Array[]
  /** Signs in place of the issuer. */
  readonly signer?: Key
}

/** A revocation list of `issuer`. */
export function issueList(issuer: Issued, change: ListChange = {}): Uint8Array {
  const by = change.issuer ?? issuer
  const signer = change.signer ?? by.key
  const thisUpdate = new Date((change.thisUpdate ?? AT - HOUR) * 1000)
  const der = buildRevocationList({
    issuer: by.name,
    issuerKey: signer.privateKey,
    thisUpdate,
    nextUpdate: new Date((change.nextUpdate ?? AT + 30 * DAY) * 1000),
    revoked: (change.revoked ?? []).map((serial) => ({ serial, at: thisUpdate })),
  })
  return signTbs(tbsOf(der), signer)
}

export function pemOf(...chain: readonly (Issued | Uint8Array)[]): string {
  return chain.map((one) => toPem(one instanceof Uint8Array ? one : one.der)).join('')
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Who issues what in a world where all is well. */
export const ROOT = issueRoot()
export const PLATFORM_CA = issuePlatformCa(ROOT)
export const PCK = issuePck(PLATFORM_CA)
export const TCB_SIGNER = issueSigner(ROOT)
/** Another whole PKI, of whoever can run the simulator. */
export const STRANGER_ROOT = issueRoot({ key: keyOf('stranger root'), serial: seeded('s1', 16) })
export const STRANGER_CA = issuePlatformCa(STRANGER_ROOT, { key: keyOf('stranger CA') })
export const STRANGER_PCK = issuePck(STRANGER_CA, { key: keyOf('stranger PCK') })
export const STRANGER_SIGNER = issueSigner(STRANGER_ROOT, { key: keyOf('stranger signer') })
