/**
 * A stand-in for Intel's whole DCAP infrastructure, made anew for each run: root, Platform CA, PCK certificate of one
 * platform, TCB signer, both revocation lists, TCB info and QE identity (Intel SGX PCK Certificate and CRL Profile
 * Specification; PCS API v4). The root carries the critical mark of `protocol/simulation.ts`.
 *
 * @module
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { buildCertificate, toPem } from '../../x509/build-certificate.ts'
import type { CertificateExtension, KeyUsage } from '../../x509/build-certificate.ts'
import { buildRevocationList } from '../x509/build-revocation-list.ts'
import type { DistinguishedName } from '../../x509/sign-der.ts'
import { simulationExtension } from '../x509/simulation-extension.ts'
import { qeIdentity, tcbInfo } from './collateral-documents.ts'
import type { TcbStatus } from './collateral-documents.ts'
import { sgxExtension } from './sgx-extension.ts'
import {
  SIMULATED_COMPONENTS,
  SIMULATED_FMSPC,
  SIMULATED_PCE_ID,
  SIMULATED_PCE_SVN,
  SIMULATED_TEE_TCB_SVN,
} from './simulated-platform.ts'
import type { SimulatedPlatform } from './simulated-platform.ts'

export interface IntelPki {
  /** DER of the marked root. */
  readonly root: Uint8Array
  /** SHA-256 of {@link IntelPki.root}: what a verifier is told to accept. */
  readonly rootSha256: Uint8Array
  /** PEM: PCK certificate, Platform CA, root; travels inside each quote. */
  readonly pckChain: string
  readonly collateral: DcapCollateral
  readonly platform: SimulatedPlatform
  /** Everybody who signs, for whoever wants to issue more, or worse, than this. */
  readonly issuers: IntelIssuers
  /** Signs QE reports. Private, P-256. */
  readonly pckKey: KeyObject
  /** Signs quotes. Private, P-256. */
  readonly attestationKey: KeyObject
}

export interface IntelPkiOptions {
  readonly now: Date
  /** Of the level that the platform reaches; default `UpToDate`. */
  readonly tcbStatus?: TcbStatus
  /** One certificate that its issuer's list revokes; default none. */
  readonly revoked?: 'pck' | 'platform-ca' | 'tcb-signer'
  /** How long lists and signed documents are good, from `now`; default 30 days, as Intel's are. */
  readonly collateralDays?: number
  /** Changes the signed texts before they are signed. */
  readonly editTcbInfo?: (text: string) => string
  readonly editQeIdentity?: (text: string) => string
}

const DAY_MS = 86_400_000
/** Collateral predates the quote by an hour, so that clocks that disagree a little still accept it. */
const ISSUED_BEFORE_MS = 3_600_000
const DEFAULT_COLLATERAL_DAYS = 30
const CA_DAYS = 3650
const SERIAL_BYTES = 19

/** One certificate of the simulated PKI with its private key. */
export interface Issued {
  readonly name: DistinguishedName
  readonly serial: Uint8Array
  readonly key: KeyObject
  readonly der: Uint8Array
}

interface IssueRequest {
  readonly commonName: string
  readonly issuer: Issued | null
  readonly keyUsage: readonly KeyUsage[]
  readonly pathLength?: number
  readonly extensions?: readonly CertificateExtension[]
  readonly now: Date
}

export function createIntelPki(options: IntelPkiOptions): IntelPki {
  const { now } = options
  const ca = ['keyCertSign', 'crlSign'] as const
  const root = issue({
    commonName: 'Simulated SGX Root CA',
    issuer: null,
    keyUsage: ca,
    pathLength: 1,
    extensions: [simulationExtension()],
    now,
  })
  const platformCa = issue({
    commonName: 'Simulated SGX PCK Platform CA',
    issuer: root,
    keyUsage: ca,
    pathLength: 0,
    now,
  })
  const platform = createPlatform()
  const pck = issue({
    commonName: 'Simulated SGX PCK Certificate',
    issuer: platformCa,
    keyUsage: ['digitalSignature'],
    extensions: [sgxExtension(platform)],
    now,
  })
  const signer = issue({
    commonName: 'Simulated SGX TCB Signing',
    issuer: root,
    keyUsage: ['digitalSignature'],
    now,
  })
  const issuers = { root, platformCa, pck, signer }
  return {
    root: root.der,
    rootSha256: Uint8Array.from(createHash('sha256').update(root.der).digest()),
    pckChain: toPem(pck.der) + toPem(platformCa.der) + toPem(root.der),
    collateral: createCollateral(options, issuers),
    platform,
    issuers,
    pckKey: pck.key,
    attestationKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  }
}

function createPlatform(): SimulatedPlatform {
  return {
    ppid: Uint8Array.from(randomBytes(16)),
    instanceId: Uint8Array.from(randomBytes(16)),
    fmspc: SIMULATED_FMSPC,
    pceId: SIMULATED_PCE_ID,
    components: SIMULATED_COMPONENTS,
    pceSvn: SIMULATED_PCE_SVN,
    teeTcbSvn: SIMULATED_TEE_TCB_SVN,
  }
}

function issue(request: IssueRequest): Issued {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = { commonName: request.commonName, organization: 'Countersign Simulation' }
  const serial = Uint8Array.from(randomBytes(SERIAL_BYTES))
  const der = buildCertificate({
    subject: name,
    issuer: request.issuer?.name ?? name,
    serial,
    notBefore: new Date(request.now.getTime() - DAY_MS),
    notAfter: new Date(request.now.getTime() + CA_DAYS * DAY_MS),
    publicKey,
    issuerKey: request.issuer?.key ?? privateKey,
    keyUsage: request.keyUsage,
    ...(request.pathLength === undefined ? {} : { ca: { pathLength: request.pathLength } }),
    ...(request.extensions === undefined ? {} : { extensions: request.extensions }),
  })
  return { name, serial, key: privateKey, der }
}

export interface IntelIssuers {
  readonly root: Issued
  readonly platformCa: Issued
  readonly pck: Issued
  readonly signer: Issued
}

function createCollateral(options: IntelPkiOptions, issuers: IntelIssuers): DcapCollateral {
  const { root, platformCa, pck, signer } = issuers
  const days = options.collateralDays ?? DEFAULT_COLLATERAL_DAYS
  const issueDate = new Date(options.now.getTime() - ISSUED_BEFORE_MS)
  const nextUpdate = new Date(options.now.getTime() + days * DAY_MS)
  const list = (issuer: Issued, revoked: readonly Issued[]): string =>
    Buffer.from(
      buildRevocationList({
        issuer: issuer.name,
        issuerKey: issuer.key,
        thisUpdate: issueDate,
        nextUpdate,
        revoked: revoked.map(({ serial }) => ({ serial, at: issueDate })),
      }),
    ).toString('hex')
  const underRoot = { 'platform-ca': platformCa, 'tcb-signer': signer }
  const revokedUnderRoot =
    options.revoked === undefined || options.revoked === 'pck' ? [] : [underRoot[options.revoked]]
  const { editTcbInfo = unchanged, editQeIdentity = unchanged } = options
  const info = editTcbInfo(tcbInfo({ issueDate, nextUpdate }, options.tcbStatus ?? 'UpToDate'))
  const identity = editQeIdentity(qeIdentity({ issueDate, nextUpdate }))
  const signerChain = toPem(signer.der) + toPem(root.der)
  return {
    pck_crl_issuer_chain: toPem(platformCa.der) + toPem(root.der),
    root_ca_crl: list(root, revokedUnderRoot),
    pck_crl: list(platformCa, options.revoked === 'pck' ? [pck] : []),
    tcb_info_issuer_chain: signerChain,
    tcb_info: info,
    tcb_info_signature: signText(info, signer.key),
    qe_identity_issuer_chain: signerChain,
    qe_identity: identity,
    qe_identity_signature: signText(identity, signer.key),
  }
}

function unchanged(text: string): string {
  return text
}

/** ECDSA P-256 with SHA-256 over the text's UTF-8 bytes, r ‖ s in lower-case hex. */
export function signText(text: string, key: KeyObject): string {
  const signature = sign('sha256', Buffer.from(text, 'utf8'), { key, dsaEncoding: 'ieee-p1363' })
  return signature.toString('hex')
}
