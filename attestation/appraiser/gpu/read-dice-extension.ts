/**
 * The certificate extension 2.23.133.5.4.1 (TCG DICE composite device identity) in the form that Hopper devices write:
 *
 * ```
 * SEQUENCE {
 *   INTEGER 1,
 *   SubjectPublicKeyInfo,                       -- the device identity key that issued this certificate
 *   SEQUENCE { OID sha384, OCTET STRING (48) }  -- FWID of the firmware that holds the attestation key
 * }
 * ```
 *
 * @module
 */
import type { Certificate } from '../x509/parse-certificate.ts'
import { oidOf, readDer, smallIntegerOf, TAG } from '../x509/der.ts'
import { FWID_BYTES } from './opaque-fields.ts'

export const OID_DICE_COMPOSITE_ID = '2.23.133.5.4.1'
const OID_SHA384 = '2.16.840.1.101.3.4.2.2'
const MAX_EXTENSION_BYTES = 512
const VERSION = 1

export interface DiceIdentity {
  /** DER SubjectPublicKeyInfo of the device identity. */
  readonly deviceKey: Uint8Array
  /** SHA-384 of the firmware, 48 bytes. */
  readonly fwid: Uint8Array
}

/** @returns null where the extension is absent or has any other form */
export function readDiceExtension(leaf: Certificate): DiceIdentity | null {
  const extension = leaf.extensions.get(OID_DICE_COMPOSITE_ID)
  if (extension === undefined) return null
  const parsed = readDer(extension.value, MAX_EXTENSION_BYTES)
  if (!parsed.ok || parsed.node.tag !== TAG.sequence) return null
  const [version, deviceKey, firmware, ...rest] = parsed.node.children
  if (version?.tag !== TAG.integer || smallIntegerOf(version) !== VERSION) return null
  if (deviceKey?.tag !== TAG.sequence || firmware?.tag !== TAG.sequence || rest.length !== 0) {
    return null
  }
  const [algorithm, fwid, ...more] = firmware.children
  if (oidOf(algorithm) !== OID_SHA384 || more.length !== 0) return null
  if (fwid?.tag !== TAG.octetString || fwid.content.length !== FWID_BYTES) return null
  return { deviceKey: deviceKey.bytes, fwid: fwid.content }
}
