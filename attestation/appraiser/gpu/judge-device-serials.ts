/**
 * Numbers and identifiers that follow from keys and chip. NVIDIA documents none of these rules; all recorded chains of GPUs and
 * switches keep them (30 devices, 2026-11), and no verifier of NVIDIA's checks them. Signatures already bind the same facts;
 * what this adds is that the device identifiers by which systems are counted and put together cannot be chosen.
 *
 * - The leaf's serial number is SHA-1(04 ‖ X ‖ Y) of its key, with the first two bits set to 01.
 * - Each certificate's authority key identifier is the subject key identifier of the next.
 * - The device identity's serial number is one byte (0x41 on GPUs, 0x50 on switches; meaning unknown, not judged) and the
 *   eight bytes of the per-device identifier that switches and GPUs name each other by.
 * - The leaf's subject alternative name is a DMTF device information (DSP0274) `NVIDIA:GH100:<serial>` of the same chip.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { toHex } from '../../protocol/hex.ts'
import { oidOf, readDer, TAG, textOf } from '../x509/der.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { isSimulatedRoot } from '../x509/verify-chain.ts'
import { failed } from './device-outcome.ts'
import type { Outcome } from './device-outcome.ts'
import type { DeviceRules } from './device-rules.ts'
import type { GpuPolicy } from './gpu-policy.ts'
import { PDI_BYTES } from './opaque-fields.ts'

const OID_SUBJECT_KEY_ID = '2.5.29.14'
const OID_AUTHORITY_KEY_ID = '2.5.29.35'
const OID_SUBJECT_ALT_NAME = '2.5.29.17'
const OID_DMTF_DEVICE_INFO = '1.3.6.1.4.1.412.274.1'
const MAX_EXTENSION_BYTES = 256
const UNCOMPRESSED = 0x04
const KEY_ID_TAG = 0x80
const EXPLICIT_0 = 0xa0
const DEVICE_SERIAL = /^[0-9A-F]{16}$/

/** SubjectKeyIdentifier, RFC 5280 §4.2.1.2. */
function subjectKeyId(certificate: Certificate): Uint8Array | null {
  const extension = certificate.extensions.get(OID_SUBJECT_KEY_ID)
  const parsed = extension === undefined ? null : readDer(extension.value, MAX_EXTENSION_BYTES)
  return parsed?.ok === true && parsed.node.tag === TAG.octetString ? parsed.node.content : null
}

/** AuthorityKeyIdentifier, RFC 5280 §4.2.1.1, of the one form that names a key and nothing else. */
function authorityKeyId(certificate: Certificate): Uint8Array | null {
  const extension = certificate.extensions.get(OID_AUTHORITY_KEY_ID)
  const parsed = extension === undefined ? null : readDer(extension.value, MAX_EXTENSION_BYTES)
  if (parsed?.ok !== true || parsed.node.tag !== TAG.sequence) return null
  const [key, ...rest] = parsed.node.children
  return key?.tag === KEY_ID_TAG && rest.length === 0 ? key.content : null
}

/** The text of the one otherName in a subject alternative name (RFC 5280 §4.2.1.6), where it is a device information. */
function deviceInformation(certificate: Certificate): string | null {
  const extension = certificate.extensions.get(OID_SUBJECT_ALT_NAME)
  const parsed = extension === undefined ? null : readDer(extension.value, MAX_EXTENSION_BYTES)
  if (parsed?.ok !== true || parsed.node.tag !== TAG.sequence) return null
  const [name, ...others] = parsed.node.children
  if (name?.tag !== EXPLICIT_0 || others.length !== 0) return null
  const [type, value, ...rest] = name.children
  if (oidOf(type) !== OID_DMTF_DEVICE_INFO || rest.length !== 0) return null
  return value?.tag === EXPLICIT_0 && value.children.length === 1 ? textOf(value.children[0]) : null
}

/** Eight bytes in hex: by what GPUs and switches name each other. @returns null where the serial number has another size */
export function pdiOf(identity: Certificate | undefined): string | null {
  return identity?.serial.length === 1 + PDI_BYTES ? toHex(identity.serial.subarray(1)) : null
}

function leafFault(leaf: Certificate, crypto: CryptoPort): string | null {
  const digest = Uint8Array.from(crypto.sha1(Uint8Array.of(UNCOMPRESSED, ...leaf.publicKey.point)))
  digest[0] = ((digest[0] ?? 0) & 0x3f) | 0x40
  return crypto.equal(leaf.serial, digest)
    ? null
    : 'certificate 0 has a serial number that is not of its key'
}

function linkFault(chain: readonly Certificate[], crypto: CryptoPort): string | null {
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1]
    if (issuer === undefined) break
    const [authority, subject] = [authorityKeyId(certificate), subjectKeyId(issuer)]
    if (authority === null || subject === null || !crypto.equal(authority, subject)) {
      return `certificate ${index} names another key than that of certificate ${index + 1}`
    }
  }
  return null
}

function informationFault(
  leaf: Certificate,
  rules: DeviceRules,
  simulated: boolean,
): string | null {
  const [vendor, chip, serial, ...rest] = (deviceInformation(leaf) ?? '').split(':')
  const named =
    vendor === (simulated ? 'SIMULATED' : 'NVIDIA') &&
    chip === rules.chip &&
    DEVICE_SERIAL.test(serial ?? '') &&
    rest.length === 0
  return named ? null : 'certificate 0 does not name a device of its chip'
}

/** @param chain one that path validation accepted */
export function judgeDeviceSerials(
  chain: readonly Certificate[],
  rules: DeviceRules,
  policy: GpuPolicy,
  crypto: CryptoPort,
): Outcome {
  const [leaf, identity] = chain
  const pdi = pdiOf(identity)
  if (leaf === undefined || identity === undefined || pdi === null) {
    return failed('gpu_serials_invalid', 'certificate 1 has no serial number of a device')
  }
  const fault =
    leafFault(leaf, crypto) ??
    linkFault(chain, crypto) ??
    informationFault(leaf, rules, chain.some(isSimulatedRoot))
  if (fault !== null) return failed('gpu_serials_invalid', fault)
  const accepted = rules.kind === 'gpu' ? policy.gpuSerials : policy.switchSerials
  const serial = toHex(identity.serial)
  return accepted === null || accepted.includes(serial)
    ? { status: 'pass', detail: serial }
    : failed('gpu_device_not_accepted', serial)
}
