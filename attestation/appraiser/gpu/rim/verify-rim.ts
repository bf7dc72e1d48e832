/**
 * Verifies a Reference Integrity Manifest of NVIDIA: an XML document with an enveloped signature whose four certificates end
 * in the pinned RIM root.
 *
 * How signature wrapping is excluded. The bytes are parsed once, into one tree. The digest is that of the canonical form of
 * this tree from its root, without exactly one node, the signature that is the last child of the root. The golden values are
 * read from the same nodes of the same tree, never from a second parse, by a name or an identifier. Canonical XML writes out
 * every element name, namespace, attribute and text that the reader can see, and what it leaves out (comments, processing
 * instructions, entities) the parser refuses. So there is nothing to read that was not signed.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import { decodeBase64 } from '../../../protocol/base64.ts'
import { toUtf8 } from '../../../protocol/utf8.ts'
import type { CertificateMemo } from '../../x509/certificate-memo.ts'
import { parseCertificate } from '../../x509/parse-certificate.ts'
import type { Certificate } from '../../x509/parse-certificate.ts'
import { signingChainFault } from '../signing-chain-fault.ts'
import type { SigningChainFaultKind } from '../signing-chain-fault.ts'
import { canonicalizeXml } from './canonicalize-xml.ts'
import type { RimCode } from './codes.ts'
import { parseXml } from './parse-xml.ts'
import { isSignature, readSignature } from './read-signature.ts'
import { elementsOf } from './read-element.ts'
import type { RimCache } from './rim-cache.ts'
import { verifyCachedRim } from './rim-cache.ts'
import { readSoftwareIdentity } from './read-software-identity.ts'
import type { SoftwareIdentity } from './read-software-identity.ts'

/** Signer, L3, CA, root. */
export const RIM_CHAIN_LENGTH = 4

export interface RimOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  /** SHA-256 of the DER of each accepted root. */
  readonly rootSha256: readonly Uint8Array[]
  /** Accept a simulated root that is also among `rootSha256`. */
  readonly allowSimulated: boolean
  /** Seconds after the end of a certificate for which the RIM still counts. NVIDIA's signers live for two years. Default: 0. */
  readonly graceS?: number
  readonly cache?: RimCache
  /** Certificates of this appraisal: those above the signer are the same in every RIM of a product. */
  readonly memo?: CertificateMemo
}

export interface Rim extends SoftwareIdentity {
  /** Signer first, root last. Revocation is not judged here. */
  readonly chain: readonly Certificate[]
  /** Unix seconds: when all certificates of the chain are valid. */
  readonly notBefore: number
  readonly notAfter: number
}

interface RimFault {
  readonly ok: false
  readonly code: RimCode
  readonly detail: string
}

export type RimResult = { readonly ok: true; readonly rim: Rim } | RimFault

function refuse(code: RimCode, detail: string): RimFault {
  return { ok: false, code, detail }
}

function readChain(
  texts: readonly string[],
  memo: CertificateMemo | undefined,
): readonly Certificate[] | RimFault {
  const chain: Certificate[] = []
  for (const [index, text] of texts.entries()) {
    const known = memo?.parsed.get(text)
    if (known !== undefined) {
      chain.push(known)
      continue
    }
    const der = decodeBase64(text)
    if (der === null) return refuse('rim_signature_malformed', `certificate ${index}: not base64`)
    const parsed = parseCertificate(der)
    if (!parsed.ok) {
      return refuse('rim_signature_malformed', `certificate ${index}: ${parsed.detail}`)
    }
    chain.push(parsed.certificate)
    memo?.parsed.set(text, parsed.certificate)
  }
  return chain
}

const CHAIN_CODES = {
  algorithm: 'rim_chain_algorithm',
  length: 'rim_chain_length',
  untrusted_root: 'rim_chain_untrusted_root',
  time: 'rim_chain_time',
  simulated: 'rim_simulated',
  invalid: 'rim_chain_invalid',
} as const satisfies Record<SigningChainFaultKind, RimCode>

/** Everything that follows from the bytes, the roots and the cryptography, whatever the time is. */
function verifyTimeless(bytes: Uint8Array, options: RimOptions): RimResult {
  const { crypto } = options
  const document = parseXml(bytes)
  if (!document.ok) return refuse('rim_malformed', document.detail)
  const { root } = document
  const elements = elementsOf(root) ?? []
  const last = elements.at(-1)
  if (last === undefined || !isSignature(last)) {
    return refuse('rim_signature_malformed', 'no signature at the end of the root element')
  }
  if (elements.filter(isSignature).length !== 1) {
    return refuse('rim_signature_malformed', 'more than one signature')
  }
  const read = readSignature(last)
  if (!read.ok) return refuse('rim_signature_malformed', read.detail)
  const { signature } = read
  const chain = readChain(signature.certificates, options.memo)
  if ('ok' in chain) return chain
  const identity = readSoftwareIdentity(root, last)
  if (!identity.ok && identity.code === 'rim_malformed') return identity

  const digest = crypto.sha384(toUtf8(canonicalizeXml(root, last)))
  if (!crypto.equal(digest, signature.digest)) {
    return refuse('rim_digest_mismatch', 'the document is not the one that was signed')
  }
  const key = chain[0]?.publicKey
  const signed = toUtf8(canonicalizeXml(signature.signedInfo, null))
  if (key?.curve !== 'P-384' || !crypto.verifyEcdsa('P-384', key.point, signed, signature.value)) {
    return refuse('rim_signature_invalid', 'ECDSA P-384 with SHA-384')
  }
  // The time is judged by itself, also where the rest is remembered.
  const fault = signingChainFault(chain, { ...options, at: null, length: RIM_CHAIN_LENGTH })
  if (fault !== null) return refuse(CHAIN_CODES[fault.kind], fault.detail)
  // That a product is not supported is said of genuine manifests only.
  if (!identity.ok) return identity
  return {
    ok: true,
    rim: Object.freeze({
      ...identity.identity,
      chain: Object.freeze(chain),
      notBefore: Math.max(...chain.map(({ notBefore }) => notBefore)),
      notAfter: Math.min(...chain.map(({ notAfter }) => notAfter)),
    }),
  }
}

function timeFault({ chain }: Rim, at: number, graceS: number): RimFault | null {
  for (const [index, { notBefore, notAfter }] of chain.entries()) {
    // Written so that a clock that is not a number refuses too.
    if (!(at >= notBefore)) {
      return refuse('rim_chain_time', `certificate ${index}: valid from ${notBefore}`)
    }
    if (!(at <= notAfter + graceS)) {
      return refuse('rim_chain_time', `certificate ${index}: valid until ${notAfter}`)
    }
  }
  return null
}

/**
 * Verifies one RIM. Never throws.
 *
 * @param bytes the SWID tag as served, at most `MAX_XML_BYTES`; copied before it is read
 * @returns the manifest, or a code of the `rim_` family. Whether it is the one for a device is judged by
 *   {@link compareMeasurements}; whether its certificates are revoked, not here
 */
export function verifyRim(bytes: Uint8Array, options: RimOptions): RimResult {
  const copy = Uint8Array.from(bytes)
  const result = verifyCachedRim(copy, options, () => verifyTimeless(copy, options))
  if (!result.ok) return result
  return timeFault(result.rim, options.at, options.graceS ?? 0) ?? result
}
