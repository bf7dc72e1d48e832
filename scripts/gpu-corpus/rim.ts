/**
 * RIM files of the corpus, with tag, signature, certificates and bytes open to a case.
 *
 * @module
 */
import type { KeyPair } from '../../attestation/simulator/entropy.ts'
import { describeRim, signatureOf, writeRim } from '../../attestation/simulator/nvidia/build-rim.ts'
import type {
  RimResource,
  RimSignature,
  RimTemplate,
} from '../../attestation/simulator/nvidia/build-rim.ts'
import {
  driverRimTemplate,
  rimIdsOf,
  SIMULATED_GPU_FIRMWARE,
  vbiosRimTemplate,
} from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import type { XmlElement } from '../../attestation/simulator/nvidia/xml-element.ts'
import { buildCertificate } from '../../attestation/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/x509/build-certificate.ts'
import { simulationExtension } from '../../attestation/simulator/x509/simulation-extension.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import type { CertificateChange } from './chain.ts'
import { keyOf, seeded, seededEntropy } from './entropy.ts'
import { AT, base64, DAY, dateOf, RIMS, sha256Hex } from './world.ts'

export interface RimChange {
  readonly template?: Partial<RimTemplate>
  /** By index, in place of what the file says. */
  readonly resources?: Readonly<Record<number, RimResource>>
  /** Changes the tag before it is signed. */
  readonly tag?: (tag: XmlElement) => XmlElement
  /** Changes the signature element after it was made. */
  readonly signature?: (signature: XmlElement) => XmlElement
  readonly signing?: Partial<RimSignature>
  /** Changes the text after it was signed. */
  readonly after?: (text: string) => string
}

export const RIM_IDS = rimIdsOf(SIMULATED_GPU_FIRMWARE)

/** The published file without the indexes behind the last active one, which say nothing and would make every vector longer. */
function short(template: RimTemplate): RimTemplate {
  const last = template.resources.findLastIndex(({ active }) => active)
  return { ...template, resources: template.resources.slice(0, last + 1) }
}

export const VBIOS_TEMPLATE = short(vbiosRimTemplate(SIMULATED_GPU_FIRMWARE))
export const DRIVER_TEMPLATE = short(driverRimTemplate(SIMULATED_GPU_FIRMWARE))

export function rimText(base: RimTemplate, change: RimChange = {}): string {
  const template = { ...base, ...change.template }
  const resources = [...template.resources]
  for (const [index, one] of Object.entries(change.resources ?? {})) {
    for (let i = resources.length; i <= Number(index); i++) {
      resources[i] = { active: false, alternatives: [new Uint8Array(48)] }
    }
    resources[Number(index)] = one
  }
  const described = describeRim({ ...template, resources })
  const tag = change.tag?.(described) ?? described
  const made = signatureOf(tag, { pki: RIMS, sign: seededEntropy.sign, ...change.signing })
  const text = Buffer.from(writeRim(tag, change.signature?.(made) ?? made)).toString('utf8')
  return change.after?.(text) ?? text
}

/** Collateral that holds files alone. */
export function rims(...files: readonly (readonly [id: string, text: string])[]): GpuCollateral {
  return {
    rims: files.map(([id, text]) => ({ id, rim: base64(Buffer.from(text, 'utf8')) })),
    ocsp: [],
  }
}

export const vbiosFile = (change: RimChange = {}): GpuCollateral =>
  rims([RIM_IDS.vbios, rimText(VBIOS_TEMPLATE, change)])

const LEVELS = ['root', 'ca', 'l3', 'signer'] as const
export type RimLevel = (typeof LEVELS)[number]
export type RimChainChange = Partial<Record<RimLevel, CertificateChange>>

export interface RimChain {
  /** For `RimChange.signing`. */
  readonly pki: RimSignature['pki']
  readonly rootSha256: string
}

interface Made {
  readonly der: Uint8Array
  readonly key: KeyPair
  readonly name: CertificateTemplate['subject']
  readonly serial: Uint8Array
}

function make(level: RimLevel, issuer: Made | null, change: CertificateChange): Made {
  const key = change.key ?? keyOf(`rim chain ${level}`)
  const serial = Uint8Array.of(0x40, ...seeded(`rim serial ${level}`, 15))
  const name = {
    commonName: change.commonName ?? `SIMULATED RIM ${level}`,
    organization: 'SIMULATED - NOT NVIDIA',
  }
  const isSigner = level === 'signer'
  const ca = change.ca === undefined ? (isSigner ? null : { pathLength: null }) : change.ca
  const usual = isSigner ? (['digitalSignature'] as const) : (['keyCertSign', 'crlSign'] as const)
  const usage = change.keyUsage === undefined ? usual : change.keyUsage
  const own = level === 'root' ? [simulationExtension()] : []
  const der = buildCertificate({
    subject: name,
    issuer: change.issuerName ?? issuer?.name ?? name,
    serial,
    notBefore: dateOf(change.notBefore ?? AT - DAY),
    notAfter: dateOf(change.notAfter ?? AT + 365 * DAY),
    publicKey: key.publicKey,
    issuerKey: change.signer ?? issuer?.key.privateKey ?? key.privateKey,
    ...(ca === null ? {} : { ca }),
    ...(usage === null ? {} : { keyUsage: usage }),
    extensions: [...(change.extensions ?? own), ...(change.more ?? [])],
    sign: seededEntropy.sign,
  })
  return { der, key, name, serial }
}

/** A chain built anew with the parts that a case changes. */
export function rimChain(change: RimChainChange = {}): RimChain {
  const made: Made[] = []
  for (const level of LEVELS) made.unshift(make(level, made[0] ?? null, change[level] ?? {}))
  const [signer] = made
  const root = made.at(-1)
  if (signer === undefined || root === undefined) throw new TypeError('no level')
  const { name, serial, der } = signer
  return {
    pki: {
      chain: made.map((one) => one.der),
      signer: { name, serial, der, key: signer.key.privateKey },
    },
    rootSha256: sha256Hex(root.der),
  }
}
