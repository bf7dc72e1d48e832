import { createHash, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { GpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { OID_DICE_COMPOSITE_ID } from '../../attestation/appraiser/gpu/read-dice-extension.ts'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import type { SpdmReportTemplate } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import {
  simulatedReportTemplate,
  toGpuEvidence,
} from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import {
  createNvidiaPki,
  diceExtension,
} from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import type { SimulatedGpu } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { buildCertificate, toPem } from '../../attestation/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/x509/build-certificate.ts'
import { oid, sequence, tagged, toDer, utf8String } from '../../attestation/x509/der.ts'
import { publicPoint, signRandomized } from '../../attestation/x509/sign-der.ts'
import { AT } from './gpu.helpers.ts'

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export function keyPair(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-384' })
}

export const OID_SUBJECT_ALT_NAME = '2.5.29.17'
const OID_DEVICE_INFO = '1.3.6.1.4.1.412.274.1'

/** subjectAltName with one otherName of the given text. */
export function deviceInformation(text: string, type = OID_DEVICE_INFO): Uint8Array {
  return toDer(sequence(tagged(0, oid(type), tagged(0, utf8String(text)))))
}

export function spkiOf({ publicKey }: KeyPair): Uint8Array {
  return Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }))
}

/** SHA-1 of the point, with its first bits set as real leaves have them. */
export function leafSerialOf({ publicKey }: KeyPair): Uint8Array {
  const digest = createHash('sha1').update(publicPoint(publicKey)).digest()
  digest[0] = ((digest[0] ?? 0) & 0x3f) | 0x40
  return Uint8Array.from(digest)
}

/** What a test may make otherwise; null leaves the extension out. */
export interface DeviceChanges {
  readonly names?: { readonly identity: string; readonly leaf: string }
  readonly keys?: KeyPair
  readonly identity?: { readonly serial: Uint8Array; readonly keys: KeyPair }
  readonly leafSerial?: Uint8Array
  readonly dice?: Uint8Array | null
  readonly information?: Uint8Array | null
  readonly usage?: NonNullable<CertificateTemplate['keyUsage']> | null
  readonly isCa?: boolean
  /** The key that the leaf claims to be signed by. */
  readonly authority?: KeyObject
  readonly report?: Partial<SpdmReportTemplate>
}

const validity = { notBefore: new Date(AT * 1000 - 1000), notAfter: new Date('2090-01-01') }

/** Serial number of a device identity with the given device number. */
export function identitySerial(number: number, prefix = 0x41): Uint8Array {
  return Uint8Array.of(prefix, 0, 0, 0, 0, 0, 0, 0, number)
}

/**
 * Chains that are good in every respect and under no simulated root, so that a test meets one check only. The keys are made
 * once per call.
 */
export function createDeviceMaker(nonce: Uint8Array) {
  const ca = keyPair()
  const identityKeys = keyPair()
  const leafKeys = keyPair()
  const authority = (serial: Uint8Array, commonName: string, keys: KeyPair): Uint8Array =>
    buildCertificate({
      ...validity,
      subject: { commonName },
      issuer: { commonName: 'root' },
      serial,
      publicKey: keys.publicKey,
      issuerKey: ca.privateKey,
      ca: { pathLength: null },
      keyUsage: ['keyCertSign'],
    })
  const root = authority(Uint8Array.of(1), 'root', ca)
  const [template] = createNvidiaPki({ now: new Date(AT * 1000), gpus: 1 }).gpus
  if (template === undefined) throw new TypeError('no GPU')
  const gpu: SimulatedGpu = template

  const names = { identity: 'GH100 A01 GSP BROM', leaf: 'GH100 A01 GSP FMC LF' }
  function device(changes: DeviceChanges = {}): GpuEvidence {
    const { keys = leafKeys, usage = ['digitalSignature'] } = changes
    const identity = changes.identity ?? { serial: identitySerial(2), keys: identityKeys }
    const named = changes.names ?? names
    const dice =
      changes.dice === undefined ? diceExtension(spkiOf(identity.keys), gpu.fwid) : changes.dice
    const information =
      changes.information === undefined
        ? deviceInformation('NVIDIA:GH100:48B02D92494BADF4')
        : changes.information
    const extensions = [
      [OID_SUBJECT_ALT_NAME, information],
      [OID_DICE_COMPOSITE_ID, dice],
    ] as const
    const leaf = buildCertificate({
      ...validity,
      subject: { commonName: named.leaf },
      issuer: { commonName: named.identity },
      serial: changes.leafSerial ?? leafSerialOf(keys),
      publicKey: keys.publicKey,
      issuerKey: changes.authority ?? identity.keys.privateKey,
      sign: (data, _key, encoding) => signRandomized(data, identity.keys.privateKey, encoding),
      ...(usage === null ? {} : { keyUsage: usage }),
      ...(changes.isCa === true ? { ca: { pathLength: null } } : {}),
      extensions: extensions.flatMap(([id, value]) =>
        value === null ? [] : [{ oid: id, critical: false, value }],
      ),
    })
    const chain = [
      leaf,
      authority(identity.serial, named.identity, identity.keys),
      authority(Uint8Array.of(3), 'root', ca),
      authority(Uint8Array.of(4), 'root', ca),
      root,
    ]
    const report = {
      ...simulatedReportTemplate(gpu, nonce),
      ...changes.report,
      key: keys.privateKey,
    }
    const chainPem = chain.map(toPem).join('')
    return toGpuEvidence({ ...gpu, chainPem }, buildSpdmReport(report))
  }
  return { device, root, identityKeys, leafKeys, gpu }
}

export type DeviceMaker = ReturnType<typeof createDeviceMaker>

/** The simulated report of a GPU with one opaque field replaced, added or, with null, left out. */
export function withField(
  fields: SpdmReportTemplate['opaque'],
  type: number,
  content: Uint8Array | null,
): SpdmReportTemplate['opaque'] {
  const others = fields.filter(([other]) => other !== type)
  return content === null ? others : [...others, [type, content]]
}
