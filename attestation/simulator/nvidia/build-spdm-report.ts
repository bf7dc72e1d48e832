/**
 * Writes attestation reports in the binary format of NVIDIA devices: SPDM 1.1 GET_MEASUREMENTS request and MEASUREMENTS
 * response with legacy opaque data (layout: `appraiser/gpu/parse-spdm-report.ts`).
 *
 * @module
 */
import type { KeyObject } from 'node:crypto'
import { signRandomized } from '../../x509/sign-der.ts'
import type { SignEcdsa } from '../../x509/sign-der.ts'

export interface SpdmReportTemplate {
  /** 32 bytes: what the requester asks the device to sign. */
  readonly requestNonce: Uint8Array
  /** 32 bytes: what the device adds. */
  readonly responderNonce: Uint8Array
  /** SHA-384 values in block order, at most 255. */
  readonly measurements: readonly Uint8Array[]
  /** Type and content of each opaque field, in order, at most 65,535 bytes together. */
  readonly opaque: readonly (readonly [type: number, content: Uint8Array])[]
  /** Private key on P-384. */
  readonly key: KeyObject
  readonly sign?: SignEcdsa
}

const REQUEST_HEAD = [0x11, 0xe0, 0x01, 0xff] as const
const SLOT = 0
const RESPONSE_HEAD = [0x11, 0x60, 0x00, 0x00] as const
const DMTF = 0x01
const MUTABLE_FIRMWARE_DIGEST = 0x01
const DMTF_HEAD_BYTES = 3

function number16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8)
}

function block(index: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([
    Uint8Array.of(index, DMTF),
    number16(DMTF_HEAD_BYTES + value.length),
    Uint8Array.of(MUTABLE_FIRMWARE_DIGEST),
    number16(value.length),
    value,
  ])
}

/** @returns request ‖ response, signed with ECDSA P-384 and SHA-384 over everything before the signature */
export function buildSpdmReport(template: SpdmReportTemplate): Uint8Array {
  const record = Buffer.concat(template.measurements.map((value, i) => block(i + 1, value)))
  const opaque = Buffer.concat(
    template.opaque.flatMap(([type, content]) => [
      number16(type),
      number16(content.length),
      content,
    ]),
  )
  const toBeSigned = Buffer.concat([
    Uint8Array.from(REQUEST_HEAD),
    template.requestNonce,
    Uint8Array.of(SLOT),
    Uint8Array.from(RESPONSE_HEAD),
    Uint8Array.of(template.measurements.length),
    number16(record.length),
    Uint8Array.of(0),
    record,
    template.responderNonce,
    number16(opaque.length),
    opaque,
  ])
  const signature = (template.sign ?? signRandomized)(toBeSigned, template.key, 'ieee-p1363')
  return Uint8Array.from(Buffer.concat([toBeSigned, signature]))
}
