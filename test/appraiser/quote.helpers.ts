import { createHash, createPublicKey, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { sgxExtension } from '../../attestation/simulator/intel/sgx-extension.ts'
import {
  SIMULATED_COMPONENTS,
  SIMULATED_FMSPC,
  SIMULATED_PCE_ID,
  SIMULATED_PCE_SVN,
  SIMULATED_TEE_TCB_SVN,
} from '../../attestation/simulator/intel/simulated-platform.ts'
import type { SimulatedPlatform } from '../../attestation/simulator/intel/simulated-platform.ts'
import { hex, issueChain, keyPair, pemOf } from './x509.helpers.ts'
import type { Link } from './x509.helpers.ts'

/** The platform that {@link PCK_LINKS} certify. */
export const PLATFORM: SimulatedPlatform = {
  ppid: new Uint8Array(16).fill(7),
  instanceId: new Uint8Array(16).fill(8),
  fmspc: SIMULATED_FMSPC,
  pceId: SIMULATED_PCE_ID,
  components: SIMULATED_COMPONENTS,
  pceSvn: SIMULATED_PCE_SVN,
  teeTcbSvn: SIMULATED_TEE_TCB_SVN,
}

export const SGX_EXTENSION = sgxExtension(PLATFORM)

export const PCK_LINKS: readonly [Link, Link, Link] = [
  { extensions: [SGX_EXTENSION] },
  { ca: { pathLength: 0 } },
  { ca: { pathLength: 1 } },
]

export interface Platform {
  readonly pem: string
  readonly rootSha256: Uint8Array
  readonly pckKey: KeyObject
}

/** A platform under its own root; by default one that an appraiser accepts. */
export function makePlatform(links: readonly Link[] = PCK_LINKS): Platform {
  const { ders, keys } = issueChain(links)
  const [pckKey] = keys
  const root = ders.at(-1)
  if (pckKey === undefined || root === undefined) throw new Error('no link')
  const rootSha256 = Uint8Array.from(createHash('sha256').update(root).digest())
  return { pem: pemOf(ders), rootSha256, pckKey }
}

export interface QuoteParts {
  readonly platform: Platform
  readonly version?: 4 | 5
  readonly body?: 'td10' | 'td15'
  /** Bytes of the body to replace, by offset in it. */
  readonly put?: Readonly<Record<number, Uint8Array>>
  readonly qeAuth?: Uint8Array
  readonly pem?: string
  /** Key that signs the QE report instead of the PCK key. */
  readonly qeSigner?: KeyObject
  /** Key that signs the quote instead of the endorsed one. */
  readonly signer?: KeyObject
  /** Second half of the QE report data. */
  readonly qeReportTail?: Uint8Array
  /** Bytes of the QE report to replace, by offset in it, before it is signed. */
  readonly putQe?: Readonly<Record<number, Uint8Array>>
  /** What the QE report endorses instead of the digest of key and authentication data. */
  readonly endorsed?: Uint8Array
}

const u16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8)
const u32 = (value: number): Uint8Array =>
  Uint8Array.of(...u16(value & 0xffff), ...u16(value >>> 16))

function rawSignature(bytes: Uint8Array, key: KeyObject): Uint8Array {
  return sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })
}

function point(key: KeyObject): Uint8Array {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return spki.subarray(-64)
}

/** Builds a signed quote from the layout in Intel's documents, independently of the simulator. */
export function forgeQuote(parts: QuoteParts): Uint8Array {
  const { platform, version = 4, body: bodyType = 'td10', qeAuth = new Uint8Array(32) } = parts
  const header = Buffer.alloc(48)
  header.set(hex(`0${version}00020081000000`))
  header.set(hex('939a7233f79c4ca9940a0db3957f0607'), 12)
  const body = Buffer.alloc(bodyType === 'td10' ? 584 : 648)
  body[123] = 0x10
  body.set(hex('e702060000000000'), 128)
  for (const [offset, bytes] of Object.entries(parts.put ?? {})) body.set(bytes, Number(offset))
  const type = bodyType === 'td10' ? 2 : 3
  const descriptor = version === 4 ? Buffer.alloc(0) : Buffer.concat([u16(type), u32(body.length)])
  const signed = Buffer.concat([header, descriptor, body])

  const attestationKey = keyPair().privateKey
  const qeReport = Buffer.alloc(384)
  for (const [offset, bytes] of Object.entries(parts.putQe ?? {})) {
    qeReport.set(bytes, Number(offset))
  }
  const digest = createHash('sha256').update(point(attestationKey)).update(qeAuth).digest()
  qeReport.set(parts.endorsed ?? digest, 320)
  qeReport.set(parts.qeReportTail ?? new Uint8Array(32), 352)
  const pem = Buffer.from(parts.pem ?? platform.pem)
  const certification = Buffer.concat([
    qeReport,
    rawSignature(qeReport, parts.qeSigner ?? platform.pckKey),
    u16(qeAuth.length),
    qeAuth,
    u16(5),
    u32(pem.length),
    pem,
  ])
  const auth = Buffer.concat([
    rawSignature(signed, parts.signer ?? attestationKey),
    point(attestationKey),
    u16(6),
    u32(certification.length),
    certification,
  ])
  return Uint8Array.from(Buffer.concat([signed, u32(auth.length), auth]))
}
