/**
 * ECDSA in X.509: the two algorithms that Intel's and NVIDIA's attestation roots sign with, and their signature values
 * (RFC 5758 §3.2, RFC 3279 §2.2.3).
 *
 * @module
 */
import type { NistCurve } from '../../crypto/port.ts'
import { bitStringBytesOf, oidOf, readDer, TAG, unsignedOf } from './der.ts'
import type { DerNode } from './der.ts'

/** Two integers of at most 49 bytes and three headers. */
const MAX_SIGNATURE_BYTES = 128

/** ecdsa-with-SHA256 and ecdsa-with-SHA384; the verifier couples each hash with the curve of its size. */
const SIGNATURE_CURVES: ReadonlyMap<string, NistCurve> = new Map([
  ['1.2.840.10045.4.3.2', 'P-256'],
  ['1.2.840.10045.4.3.3', 'P-384'],
])
export const COORDINATE_BYTES: Readonly<Record<NistCurve, number>> = { 'P-256': 32, 'P-384': 48 }

/** RFC 5758 §3.2: the parameters of ecdsa-with-SHA2 are absent, so the identifier is one OID and nothing else. */
export function signatureCurveOf(node: DerNode | undefined): NistCurve | null {
  if (node?.tag !== TAG.sequence || node.children.length !== 1) return null
  return SIGNATURE_CURVES.get(oidOf(node.children[0]) ?? '') ?? null
}

/** Ecdsa-Sig-Value of RFC 3279 §2.2.3 as r ‖ s. */
export function ecdsaSignatureOf(node: DerNode | undefined, curve: NistCurve): Uint8Array | null {
  const bytes = bitStringBytesOf(node)
  if (bytes === null) return null
  const parsed = readDer(bytes, MAX_SIGNATURE_BYTES)
  if (!parsed.ok || parsed.node.tag !== TAG.sequence || parsed.node.children.length !== 2) {
    return null
  }
  const width = COORDINATE_BYTES[curve]
  const r = unsignedOf(parsed.node.children[0], width)
  const s = unsignedOf(parsed.node.children[1], width)
  if (r === null || s === null) return null
  const out = new Uint8Array(2 * width)
  out.set(r)
  out.set(s, width)
  return out
}
