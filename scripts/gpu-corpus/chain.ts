/**
 * Device chains of the corpus: the good one built anew, with the parts that a case changes.
 *
 * @module
 */
import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { KeyPair } from '../../attestation/simulator/entropy.ts'
import {
  deviceInformation,
  diceExtension,
  leafSerial,
} from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { buildCertificate, toPem } from '../../attestation/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/x509/build-certificate.ts'
import { simulationExtension } from '../../attestation/simulator/x509/simulation-extension.ts'
import type { GpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { keyOf, seeded, seededEntropy } from './entropy.ts'
import { element, gpuReport } from './report.ts'
import type { ReportChange } from './report.ts'
import { AT, DAY, dateOf, gpuOf, sha256Hex } from './world.ts'

/** What a case changes about a certificate. */
export interface CertificateChange {
  readonly key?: KeyPair
  readonly commonName?: string
  readonly issuerName?: CertificateTemplate['issuer']
  readonly serial?: Uint8Array
  readonly notBefore?: number
  readonly notAfter?: number
  /** Null: no basicConstraints. */
  readonly ca?: CertificateTemplate['ca'] | null
  /** Null: no keyUsage. */
  readonly keyUsage?: CertificateTemplate['keyUsage'] | null
  /** In place of its own. */
  readonly extensions?: CertificateTemplate['extensions']
  /** Beside its own. */
  readonly more?: CertificateTemplate['extensions']
  /** Signs in place of the issuer. */
  readonly signer?: KeyObject
  /** Firmware and device key in the DICE extension of the leaf. */
  readonly fwid?: Uint8Array
  readonly deviceKey?: KeyObject
}

const LEVELS = ['root', 'product', 'provisioner', 'identity', 'leaf'] as const
export type Level = (typeof LEVELS)[number]
export type ChainChange = Partial<Record<Level, CertificateChange>>

const NO_END = new Date(Date.UTC(9999, 11, 31, 23, 59, 59))
const ORGANIZATION = 'SIMULATED - NOT NVIDIA'
const NAMES: Readonly<Record<Level, string>> = {
  root: 'SIMULATED Device Identity CA',
  product: 'SIMULATED GH100 Identity',
  provisioner: 'SIMULATED GH100 Provisioner ICA 1',
  identity: 'GH100 A01 GSP BROM SIMULATED',
  leaf: 'GH100 A01 GSP FMC LF SIMULATED',
}
const GPU = gpuOf(0)

type Extension = NonNullable<CertificateTemplate['extensions']>[number]

/** Subject alternative name of the leaf. */
export function informationOf(model = 'GH100'): Extension {
  const value = deviceInformation(model, Buffer.from(GPU.pdi).toString('hex').toUpperCase())
  return { oid: '2.5.29.17', critical: false, value }
}

/** What the leaf says of firmware and device. */
export function diceOf(
  deviceKey: KeyObject = keyOf('chain identity').publicKey,
  fwid = GPU.fwid,
): Extension {
  return { oid: '2.23.133.5.4.1', critical: false, value: diceExtension(spkiOf(deviceKey), fwid) }
}

interface Made {
  readonly der: Uint8Array
  readonly key: KeyPair
  readonly name: CertificateTemplate['subject']
}

const spkiOf = (key: KeyObject): Uint8Array =>
  (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'der', type: 'spki' })

function extensionsOf(
  level: Level,
  change: CertificateChange,
  issuer: Made | null,
): readonly Extension[] {
  const own = (): readonly Extension[] => {
    if (level === 'root') return [simulationExtension()]
    if (level !== 'leaf' || issuer === null) return []
    return [informationOf(), diceOf(change.deviceKey ?? issuer.key.publicKey, change.fwid)]
  }
  return [...(change.extensions ?? own()), ...(change.more ?? [])]
}

/** Serial numbers that say what the real ones say, where the case does not. */
function serialOf(level: Level, publicKey: KeyObject): Uint8Array {
  switch (level) {
    case 'identity':
      return Uint8Array.of(0x41, ...GPU.pdi)
    case 'leaf':
      return leafSerial(publicKey)
    case 'root':
    case 'product':
    case 'provisioner':
      return Uint8Array.of(0x40, ...seeded(`chain serial ${level}`, 15))
  }
}

function make(level: Level, issuer: Made | null, change: CertificateChange): Made {
  const key = change.key ?? keyOf(`chain ${level}`)
  const serial = change.serial ?? serialOf(level, key.publicKey)
  const isDevice = level === 'identity' || level === 'leaf'
  const name = {
    commonName: change.commonName ?? NAMES[level],
    organization: ORGANIZATION,
    ...(isDevice
      ? { country: 'US', serialNumber: Buffer.from(serial).toString('hex').toUpperCase() }
      : {}),
  }
  const ca = change.ca === undefined ? (level === 'leaf' ? null : { pathLength: null }) : change.ca
  const usage =
    change.keyUsage === undefined
      ? level === 'leaf'
        ? (['digitalSignature'] as const)
        : (['keyCertSign', 'crlSign'] as const)
      : change.keyUsage
  const der = buildCertificate({
    subject: name,
    issuer: change.issuerName ?? issuer?.name ?? name,
    serial,
    notBefore: dateOf(change.notBefore ?? AT - DAY),
    notAfter: change.notAfter === undefined ? NO_END : dateOf(change.notAfter),
    publicKey: key.publicKey,
    issuerKey: change.signer ?? issuer?.key.privateKey ?? key.privateKey,
    ...(ca === null ? {} : { ca }),
    ...(usage === null ? {} : { keyUsage: usage }),
    extensions: extensionsOf(level, change, issuer),
    sign: seededEntropy.sign,
  })
  return { der, key, name }
}

export interface Chain {
  /** Leaf first. */
  readonly ders: readonly Uint8Array[]
  readonly leafKey: KeyObject
  readonly rootSha256: string
}

export function makeChain(change: ChainChange = {}): Chain {
  const made: Made[] = []
  for (const level of LEVELS) made.unshift(make(level, made[0] ?? null, change[level] ?? {}))
  const [leaf] = made
  const root = made.at(-1)
  if (leaf === undefined || root === undefined) throw new TypeError('no level')
  return {
    ders: made.map(({ der }) => der),
    leafKey: leaf.key.privateKey,
    rootSha256: sha256Hex(root.der),
  }
}

export const pemOf = (ders: readonly Uint8Array[]): string => ders.map(toPem).join('')

/** A GPU under a chain of its own; the root of that chain has to be among those of the policy. */
export function gpuUnder(
  change: ChainChange,
  report: ReportChange = {},
): {
  readonly item: GpuEvidence
  readonly chain: Chain
} {
  const chain = makeChain(change)
  const template = { key: chain.leafKey, ...report.template }
  const bytes = gpuReport(GPU, { ...report, template })
  return { item: element(bytes, pemOf(chain.ders)), chain }
}
