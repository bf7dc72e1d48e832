/**
 * A stand-in for NVIDIA's Remote Attestation Service: a signing key with its certificates, the JWKS that publishes it, and the
 * tokens of its v3 and v4 answers (claims 2.0 and 3.0), each an ES384 JWS (RFC 7515, RFC 7518 §3.4).
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { systemEntropy } from '../entropy.ts'
import type { Entropy } from '../entropy.ts'
import { issueCertificate } from '../x509/issue-certificate.ts'
import type { IssuedCertificate } from '../x509/issue-certificate.ts'
import { publicPoint, signRandomized } from '../../x509/sign-der.ts'
import type { SignEcdsa } from '../../x509/sign-der.ts'
import { simulationExtension } from '../x509/simulation-extension.ts'

export interface AttestationService {
  /** What tokens name as their issuer. */
  readonly issuer: string
  readonly kid: string
  /** Private, P-384. */
  readonly key: KeyObject
  /** Signing certificate, intermediate, root. */
  readonly chain: readonly IssuedCertificate[]
  readonly jwks: { readonly keys: readonly object[] }
  readonly sign: SignEcdsa
}

export interface AttestationServiceOptions {
  readonly now: Date
  readonly entropy?: Entropy
  /** Default: an address that leads nowhere. */
  readonly issuer?: string
}

/** Members in the order in which they are written. */
export type Claims = Readonly<Record<string, unknown>>

export interface DeviceClaims {
  /** Key in the answer, `GPU-0` or `SWITCH-0`. */
  readonly name: string
  readonly claims: Claims
}

export interface AnswerOptions {
  /** Unix seconds. */
  readonly at: number
  /** 64 hex digits. */
  readonly nonce: string
  readonly devices: readonly DeviceClaims[]
  /** Default true. */
  readonly result?: boolean
  /** Default 3.0. */
  readonly version?: '2.0' | '3.0'
}

const DAY_MS = 86_400_000
const LIFETIME_S = 3_600
const ORGANIZATION = 'SIMULATED - NOT NVIDIA'
/** NVIDIA's signing certificates live about two days. */
const DAYS = { root: 3_650, intermediate: 365, signer: 1 } as const

export function createAttestationService(options: AttestationServiceOptions): AttestationService {
  const { now, entropy = systemEntropy, issuer = 'https://nras.simulated.invalid' } = options
  const issue = (
    level: keyof typeof DAYS,
    commonName: string,
    by: IssuedCertificate | null,
  ): IssuedCertificate =>
    issueCertificate({
      name: { commonName, organization: ORGANIZATION },
      issuer: by,
      entropy,
      notBefore: new Date(now.getTime() - DAY_MS),
      notAfter: new Date(now.getTime() + DAYS[level] * DAY_MS),
      ...(level === 'signer' ? {} : { ca: { pathLength: level === 'root' ? 1 : 0 } }),
      keyUsage: level === 'signer' ? ['digitalSignature'] : ['keyCertSign', 'crlSign'],
      ...(by === null ? { extensions: [simulationExtension()] } : {}),
    })
  const root = issue('root', 'SIMULATED Attestation Service CA', null)
  const intermediate = issue('intermediate', 'SIMULATED Attestation Service GPU Intermediate', root)
  const signer = issue('signer', 'SIMULATED Attestation Service GPU GH100', intermediate)
  const kid = `sim-eat-kid-${Buffer.from(entropy.bytes('kid', 16)).toString('hex')}`
  const base64 = ({ der }: IssuedCertificate): string => Buffer.from(der).toString('base64')
  const point = Buffer.from(publicPoint(signer.key))
  const x = point.toString('base64url', 1, 49)
  const y = point.toString('base64url', 49)
  return {
    issuer,
    kid,
    key: signer.key,
    chain: [signer, intermediate, root],
    jwks: {
      keys: [{ kid, kty: 'EC', crv: 'P-384', x, y, x5c: [signer, intermediate].map(base64) }],
    },
    sign: entropy.sign,
  }
}

const segment = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Compact JWS. @param header default: what NVIDIA's tokens carry */
export function signToken(
  service: Pick<AttestationService, 'kid' | 'key'> & { readonly sign?: SignEcdsa },
  claims: Claims,
  header: object = { kid: service.kid, alg: 'ES384' },
): string {
  const signed = `${segment(header)}.${segment(claims)}`
  const signature = (service.sign ?? signRandomized)(
    Buffer.from(signed, 'ascii'),
    service.key,
    'ieee-p1363',
  )
  return `${signed}.${Buffer.from(signature).toString('base64url')}`
}

const CHAIN_GOOD = {
  'x-nvidia-cert-status': 'valid',
  'x-nvidia-cert-ocsp-status': 'good',
  'x-nvidia-cert-expiration-date': '9999-12-31T23:59:59Z',
  'x-nvidia-cert-revocation-reason': null,
} as const

/** How each version of the claims says that a chain was good. */
function chainClaims(prefix: string, version: '2.0' | '3.0', rim: boolean): Claims {
  if (version === '3.0') return { [`${prefix}-cert-chain`]: CHAIN_GOOD }
  return { [`${prefix}-${rim ? 'cert' : 'cert-chain'}-validated`]: true }
}

function rimClaims(prefix: string, version: '2.0' | '3.0'): Claims {
  return {
    [`${prefix}-fetched`]: true,
    [`${prefix}-schema-validated`]: true,
    ...chainClaims(prefix, version, true),
    [`${prefix}-signature-verified`]: true,
    [`${prefix}-version-match`]: true,
    [`${prefix}-measurements-available`]: true,
  }
}

export interface GpuClaimsOptions {
  readonly version: '2.0' | '3.0'
  readonly driver: string
  readonly vbios: string
  /** Certified model name. */
  readonly hwmodel: string
  /** Serial of the leaf certificate. */
  readonly serial: Uint8Array
}

/** Claims of one GPU with which all is well, without issuer, nonce and times, which `answer` adds. */
export function goodGpuClaims(options: GpuClaimsOptions): Claims {
  const { version } = options
  const report = 'x-nvidia-gpu-attestation-report'
  return {
    measres: 'success',
    secboot: true,
    dbgstat: 'disabled',
    hwmodel: options.hwmodel,
    ueid: BigInt(`0x${Buffer.from(options.serial).toString('hex')}`).toString(),
    oemid: '5703',
    'x-nvidia-gpu-arch-check': true,
    'x-nvidia-gpu-driver-version': options.driver,
    'x-nvidia-gpu-vbios-version': options.vbios,
    'x-nvidia-gpu-vbios-index-no-conflict': true,
    ...chainClaims(report, version, false),
    [`${report}-cert-chain-fwid-match`]: true,
    [`${report}-parsed`]: true,
    [`${report}-nonce-match`]: true,
    [`${report}-signature-verified`]: true,
    ...rimClaims('x-nvidia-gpu-driver-rim', version),
    ...rimClaims('x-nvidia-gpu-vbios-rim', version),
    'x-nvidia-attestation-warning': null,
  }
}

/** What every token carries. */
export function tokenFrame(service: AttestationService, { at, nonce }: AnswerOptions): Claims {
  return {
    iss: service.issuer,
    eat_nonce: nonce,
    nbf: at,
    iat: at,
    exp: at + LIFETIME_S,
  }
}

/** Claims of the overall token over these device tokens. */
export function overallClaims(
  service: AttestationService,
  options: AnswerOptions,
  tokens: Readonly<Record<string, string>>,
): Claims {
  const digests = Object.entries(tokens).map(([name, token]) => [
    name,
    ['DIGEST', ['SHA-256', createHash('sha256').update(token, 'ascii').digest('hex')]],
  ])
  return {
    sub: 'NVIDIA-PLATFORM-ATTESTATION',
    'x-nvidia-ver': options.version ?? '3.0',
    'x-nvidia-overall-att-result': options.result ?? true,
    submods: Object.fromEntries(digests) as Claims,
    ...tokenFrame(service, options),
    jti: `sim-${options.at}-overall`,
  }
}

/** Detached EAT: the overall token, and one token for each device. */
export type NrasAnswer = readonly [
  overall: readonly ['JWT', string],
  devices: Readonly<Record<string, string>>,
]

export function answerAttestation(service: AttestationService, options: AnswerOptions): NrasAnswer {
  const tokens = Object.fromEntries(
    options.devices.map(({ name, claims }) => [
      name,
      signToken(service, {
        ...claims,
        ...tokenFrame(service, options),
        jti: `sim-${options.at}-${name}`,
      }),
    ]),
  )
  return [['JWT', signToken(service, overallClaims(service, options, tokens))], tokens]
}
