/**
 * A mock of NVIDIA's device PKI in its true shape: root, product identity, one provisioner for GPUs and one for switches, one
 * identity per device, and under each an attestation key whose certificate binds firmware and device key (extension
 * 2.23.133.5.4.1). All P-384 with SHA-384, all without end of validity. The keys are made per call and exist in memory
 * only; the root carries the critical mark of the simulator, and every common name says so too.
 *
 * @module
 */
import { createHash, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { systemEntropy } from '../entropy.ts'
import type { Entropy } from '../entropy.ts'
import { buildCertificate, toPem } from '../../x509/build-certificate.ts'
import {
  oid,
  octetString,
  raw,
  sequence,
  smallInteger,
  tagged,
  toDer,
  utf8String,
} from '../../x509/der.ts'
import { issueCertificate, positiveSerial } from '../x509/issue-certificate.ts'
import type { IssuedCertificate } from '../x509/issue-certificate.ts'
import { publicPoint } from '../../x509/sign-der.ts'
import { simulationExtension } from '../x509/simulation-extension.ts'

/** As many as the largest machine that the verifier accepts. */
export const MAX_SIMULATED_GPUS = 16
/** As many as a machine of eight SXM GPUs has. */
export const MAX_SIMULATED_SWITCHES = 4

export interface SimulatedDevice {
  /** Device number, 8 bytes; the identity certificate's serial is a prefix byte followed by it. */
  readonly pdi: Uint8Array
  /** SHA-384, 48 bytes. */
  readonly fwid: Uint8Array
  /** Private attestation key that signs reports. */
  readonly key: KeyObject
  readonly identity: IssuedCertificate
  /** Leaf, device identity, provisioner, product identity, root, each in DER. */
  readonly chain: readonly Uint8Array[]
  /** The same as PEM text. */
  readonly chainPem: string
}

export type SimulatedGpu = SimulatedDevice & { readonly kind: 'gpu' }
export type SimulatedSwitch = SimulatedDevice & { readonly kind: 'switch' }

/** Everybody who issues, for whoever wants to issue more, or worse, than this. */
export interface NvidiaIssuers {
  readonly root: IssuedCertificate
  readonly product: IssuedCertificate
  readonly gpuProvisioner: IssuedCertificate
  readonly switchProvisioner: IssuedCertificate
}

export interface NvidiaPki {
  /** DER. */
  readonly root: Uint8Array
  /** SHA-256 of `root`: what a verifier must be given beside `allowSimulated`. */
  readonly rootSha256: Uint8Array
  readonly issuers: NvidiaIssuers
  readonly gpus: readonly SimulatedGpu[]
  readonly switches: readonly SimulatedSwitch[]
  readonly entropy: Entropy
}

export interface NvidiaPkiOptions {
  /** Certificates are valid from a day before. */
  readonly now: Date
  /** 1 to {@link MAX_SIMULATED_GPUS}. */
  readonly gpus: number
  /** 0 to {@link MAX_SIMULATED_SWITCHES}; default 0. */
  readonly switches?: number
  readonly entropy?: Entropy
}

const DAY_MS = 86_400_000
/** RFC 5280 §4.1.2.5: no well-defined end. */
const NO_END = new Date(Date.UTC(9999, 11, 31, 23, 59, 59))
const OID_DICE_COMPOSITE_ID = '2.23.133.5.4.1'
const OID_DEVICE_INFO = '1.3.6.1.4.1.412.274.1'
const OID_SHA384 = '2.16.840.1.101.3.4.2.2'
const PDI_BYTES = 8
const ORGANIZATION = 'SIMULATED - NOT NVIDIA'
const SIMULATED_FIRMWARE = 'countersign simulated device firmware'

/** What tells the two kinds apart: model name of the chip, name of its root of trust, first byte of the serial. */
const KINDS = {
  gpu: { model: 'GH100', unit: 'GSP', prefix: 0x41 },
  switch: { model: 'LS_10', unit: 'FSP', prefix: 0x50 },
} as const

type Kind = keyof typeof KINDS

interface Making {
  readonly entropy: Entropy
  readonly notBefore: Date
}

/** Extension value of the firmware identity: version, device key, digest. */
export function diceExtension(deviceSpki: Uint8Array, fwid: Uint8Array): Uint8Array {
  return toDer(
    sequence(smallInteger(1), raw(deviceSpki), sequence(oid(OID_SHA384), octetString(fwid))),
  )
}

/** Real leaves are numbered by their key: SHA-1 of the point, its two top bits set to 01. Not a security property. */
export function leafSerial(publicKey: KeyObject): Uint8Array {
  return positiveSerial(createHash('sha1').update(publicPoint(publicKey)).digest())
}

/** subjectAltName with DMTF device information (DSP0274 §10.6.1), which names vendor, product and serial. */
export function deviceInformation(model: string, serialText: string): Uint8Array {
  const text = utf8String(`SIMULATED:${model}:${serialText}`)
  return toDer(sequence(tagged(0, oid(OID_DEVICE_INFO), tagged(0, text))))
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase()

function createDevice(
  kind: Kind,
  index: number,
  upper: readonly IssuedCertificate[],
  { entropy, notBefore }: Making,
): SimulatedDevice {
  const [provisioner] = upper
  if (provisioner === undefined) throw new TypeError('a device has an issuer')
  const { model, unit, prefix } = KINDS[kind]
  const label = `${kind} ${index}`
  const pdi = entropy.bytes(`pdi of ${label}`, PDI_BYTES)
  const fwid = Uint8Array.from(
    createHash('sha384').update(`${SIMULATED_FIRMWARE}: ${kind}`).digest(),
  )
  const serial = Uint8Array.of(prefix, ...pdi)
  const identity = issueCertificate({
    name: {
      serialNumber: hex(serial),
      commonName: `${model} A01 ${unit} BROM SIMULATED`,
      organization: ORGANIZATION,
      country: 'US',
    },
    issuer: provisioner,
    entropy,
    serial,
    notBefore,
    notAfter: NO_END,
    ca: { pathLength: null },
    keyUsage: ['keyCertSign'],
  })
  const identitySpki = createPublicKey(identity.key).export({ format: 'der', type: 'spki' })
  const leafKeys = entropy.keyPair(`attestation key of ${label}`)
  const number = leafSerial(leafKeys.publicKey)
  const leaf = buildCertificate({
    subject: {
      serialNumber: hex(number),
      commonName: `${model} A01 ${unit} FMC LF SIMULATED`,
      organization: ORGANIZATION,
      country: 'US',
    },
    issuer: identity.name,
    serial: number,
    notBefore,
    notAfter: NO_END,
    publicKey: leafKeys.publicKey,
    issuerKey: identity.key,
    keyUsage: ['digitalSignature'],
    extensions: [
      { oid: '2.5.29.17', critical: false, value: deviceInformation(model, hex(pdi)) },
      { oid: OID_DICE_COMPOSITE_ID, critical: false, value: diceExtension(identitySpki, fwid) },
    ],
    sign: entropy.sign,
  })
  const chain = [leaf, identity.der, ...upper.map(({ der }) => der)]
  const chainPem = chain.map(toPem).join('')
  return { pdi, fwid, key: leafKeys.privateKey, identity, chain, chainPem }
}

function inRange(count: number, least: number, most: number, what: string): void {
  if (!Number.isInteger(count) || count < least || count > most) {
    throw new RangeError(`a simulated machine has ${least} to ${most} ${what}`)
  }
}

/**
 * Makes a fresh PKI with its devices.
 * @throws RangeError where a number of devices is out of range: a bug of the caller
 */
export function createNvidiaPki(options: NvidiaPkiOptions): NvidiaPki {
  const { now, gpus, switches = 0, entropy = systemEntropy } = options
  inRange(gpus, 1, MAX_SIMULATED_GPUS, 'GPUs')
  inRange(switches, 0, MAX_SIMULATED_SWITCHES, 'switches')
  const making = { entropy, notBefore: new Date(now.getTime() - DAY_MS) }
  const authority = (commonName: string, issuer: IssuedCertificate | null): IssuedCertificate =>
    issueCertificate({
      ...making,
      name: { commonName, organization: ORGANIZATION },
      issuer,
      notAfter: NO_END,
      ca: { pathLength: null },
      keyUsage: ['keyCertSign', 'crlSign'],
      ...(issuer === null ? { extensions: [simulationExtension()] } : {}),
    })
  const root = authority('SIMULATED Device Identity CA', null)
  const product = authority('SIMULATED GH100 Identity', root)
  const gpuProvisioner = authority('SIMULATED GH100 Provisioner ICA 1', product)
  const switchProvisioner = authority('SIMULATED LS_10 Provisioner ICA 1', product)
  return {
    root: root.der,
    rootSha256: Uint8Array.from(createHash('sha256').update(root.der).digest()),
    issuers: { root, product, gpuProvisioner, switchProvisioner },
    gpus: Array.from({ length: gpus }, (_, index) => ({
      kind: 'gpu',
      ...createDevice('gpu', index, [gpuProvisioner, product, root], making),
    })),
    switches: Array.from({ length: switches }, (_, index) => ({
      kind: 'switch',
      ...createDevice('switch', index, [switchProvisioner, product, root], making),
    })),
    entropy,
  }
}
