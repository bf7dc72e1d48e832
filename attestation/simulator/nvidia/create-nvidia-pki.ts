/**
 * A mock of NVIDIA's device PKI in its true shape: root, product identity, provisioner, one identity per device, and under
 * each an attestation key whose certificate binds firmware and device key (extension 2.23.133.5.4.1). All P-384 with
 * SHA-384, all without end of validity. The keys are made per call and exist in memory only; the root carries the
 * critical mark of the simulator, and every common name says so too.
 *
 * @module
 */
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { buildCertificate, toPem } from '../x509/build-certificate.ts'
import { oid, octetString, raw, sequence, smallInteger, toDer } from '../x509/der.ts'
import type { DistinguishedName } from '../x509/sign-der.ts'
import { simulationExtension } from '../x509/simulation-extension.ts'

/** As many as the largest machine that the verifier accepts. */
export const MAX_SIMULATED_GPUS = 16

export interface SimulatedGpu {
  /** Device number, 8 bytes; the identity certificate's serial is 0x41 followed by it. */
  readonly pdi: Uint8Array
  /** SHA-384, 48 bytes. */
  readonly fwid: Uint8Array
  /** Private attestation key that signs reports. */
  readonly key: KeyObject
  /** Leaf, device identity, provisioner, product identity, root, each in DER. */
  readonly chain: readonly Uint8Array[]
  /** The same as PEM text. */
  readonly chainPem: string
}

export interface NvidiaPki {
  /** DER. */
  readonly root: Uint8Array
  /** SHA-256 of `root`: what a verifier must be given beside `allowSimulated`. */
  readonly rootSha256: Uint8Array
  readonly gpus: readonly SimulatedGpu[]
}

export interface NvidiaPkiOptions {
  /** Certificates are valid from a day before. */
  readonly now: Date
  /** 1 to {@link MAX_SIMULATED_GPUS}. */
  readonly gpus: number
}

interface Issuer {
  readonly name: DistinguishedName
  readonly key: KeyObject
}

const DAY_MS = 86_400_000
/** RFC 5280 §4.1.2.5: no well-defined end. */
const NO_END = new Date(Date.UTC(9999, 11, 31, 23, 59, 59))
const OID_DICE_COMPOSITE_ID = '2.23.133.5.4.1'
const OID_SHA384 = '2.16.840.1.101.3.4.2.2'
const GPU_SERIAL_PREFIX = 0x41
const PDI_BYTES = 8
const ORGANIZATION = 'SIMULATED - NOT NVIDIA'
const SIMULATED_FIRMWARE = 'countersign simulated GPU firmware'

function p384(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-384' })
}

/** A positive serial of 16 bytes, as NVIDIA's certification authorities use. */
function randomSerial(): Uint8Array {
  const serial = Uint8Array.from(randomBytes(16))
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}

/** Real leaves are numbered by their key: SHA-1 of the point, its two top bits set to 01. Not a security property. */
function leafSerial(publicKey: KeyObject): Uint8Array {
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const pointBytes = 97
  const serial = createHash('sha1').update(spki.subarray(-pointBytes)).digest()
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}

function diceExtension(deviceKey: KeyObject, fwid: Uint8Array): Uint8Array {
  return toDer(
    sequence(
      smallInteger(1),
      raw(deviceKey.export({ format: 'der', type: 'spki' })),
      sequence(oid(OID_SHA384), octetString(fwid)),
    ),
  )
}

function createGpu(
  issuer: Issuer,
  upperChain: readonly Uint8Array[],
  notBefore: Date,
): SimulatedGpu {
  const pdi = Uint8Array.from(randomBytes(PDI_BYTES))
  const fwid = Uint8Array.from(createHash('sha384').update(SIMULATED_FIRMWARE).digest())
  const serialText = Buffer.from(pdi).toString('hex').toUpperCase()
  const identityName = {
    commonName: `GH100 A01 GSP BROM SIMULATED ${serialText}`,
    organization: ORGANIZATION,
    country: 'US',
  }
  const identityKeys = p384()
  const identity = buildCertificate({
    subject: identityName,
    issuer: issuer.name,
    serial: Uint8Array.of(GPU_SERIAL_PREFIX, ...pdi),
    notBefore,
    notAfter: NO_END,
    publicKey: identityKeys.publicKey,
    issuerKey: issuer.key,
    ca: { pathLength: null },
    keyUsage: ['keyCertSign'],
  })
  const leafKeys = p384()
  const leaf = buildCertificate({
    subject: { ...identityName, commonName: `GH100 A01 GSP FMC LF SIMULATED ${serialText}` },
    issuer: identityName,
    serial: leafSerial(leafKeys.publicKey),
    notBefore,
    notAfter: NO_END,
    publicKey: leafKeys.publicKey,
    issuerKey: identityKeys.privateKey,
    keyUsage: ['digitalSignature'],
    extensions: [
      {
        oid: OID_DICE_COMPOSITE_ID,
        critical: false,
        value: diceExtension(identityKeys.publicKey, fwid),
      },
    ],
  })
  const chain = [leaf, identity, ...upperChain]
  return { pdi, fwid, key: leafKeys.privateKey, chain, chainPem: chain.map(toPem).join('') }
}

/**
 * Makes a fresh PKI with its devices.
 * @throws RangeError where `gpus` is out of range: a bug of the caller
 */
export function createNvidiaPki({ now, gpus }: NvidiaPkiOptions): NvidiaPki {
  if (!Number.isInteger(gpus) || gpus < 1 || gpus > MAX_SIMULATED_GPUS) {
    throw new RangeError(`a simulated machine has 1 to ${MAX_SIMULATED_GPUS} GPUs`)
  }
  const notBefore = new Date(now.getTime() - DAY_MS)
  const names = [
    'SIMULATED Device Identity CA',
    'SIMULATED GH100 Identity',
    'SIMULATED GH100 Provisioner ICA 1',
  ]
  const chain: Uint8Array[] = []
  let issuer: Issuer | null = null
  for (const commonName of names) {
    const name: DistinguishedName = { commonName, organization: ORGANIZATION }
    const { publicKey, privateKey }: ReturnType<typeof p384> = p384()
    const certificate = buildCertificate({
      subject: name,
      issuer: issuer?.name ?? name,
      serial: randomSerial(),
      notBefore,
      notAfter: NO_END,
      publicKey,
      issuerKey: issuer?.key ?? privateKey,
      ca: { pathLength: null },
      keyUsage: ['keyCertSign', 'crlSign'],
      ...(issuer === null ? { extensions: [simulationExtension()] } : {}),
    })
    chain.unshift(certificate)
    issuer = { name, key: privateKey }
  }
  const root = chain.at(-1)
  if (issuer === null || root === undefined) throw new TypeError('the list of names is empty')
  const provisioner = issuer
  return {
    root,
    rootSha256: Uint8Array.from(createHash('sha256').update(root).digest()),
    gpus: Array.from({ length: gpus }, () => createGpu(provisioner, chain, notBefore)),
  }
}
