/**
 * Which key of the set signed an answer, and who vouches for it.
 *
 * NVIDIA's signing keys live for two days, each under a certificate of "NVIDIA Attestation Service GPU Intermediate". Pinning
 * the intermediate (`nrasRoots`) makes the answer stand on NVIDIA's certification alone; without a pin it stands on the way by
 * which the key set came, for which NVIDIA's own tools take TLS.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import { fromHex } from '../../../protocol/hex.ts'
import { SIMULATION_ID_PREFIX } from '../../../protocol/simulation.ts'
import { parseCertificate } from '../../x509/parse-certificate.ts'
import type { Certificate } from '../../x509/parse-certificate.ts'
import { isSimulatedRoot, validityFault, verifyChain } from '../../x509/verify-chain.ts'
import type { ChainFault } from '../../x509/verify-chain.ts'
import type { NrasPolicy } from './nras-policy.ts'
import type { NrasAnswer } from './parse-nras-answer.ts'
import type { NrasKey } from './parse-jwks.ts'

export type KeyFaultCode =
  | 'nras_key_unknown'
  | 'nras_key_mixed'
  | 'nras_key_certificate_invalid'
  | 'nras_key_certificate_mismatch'
  | 'nras_key_certificate_time'
  | 'nras_key_untrusted'
  | 'nras_simulated'

export type KeyJudgement =
  | {
      readonly ok: true
      readonly key: NrasKey
      readonly note: string
      /** By its name or by its certificates a key of the simulator. */
      readonly simulated: boolean
    }
  | { readonly ok: false; readonly code: KeyFaultCode; readonly detail: string }

export interface KeyOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  readonly allowSimulated: boolean
  readonly policy: NrasPolicy
}

function refuse(code: KeyFaultCode, detail: string): KeyJudgement {
  return { ok: false, code, detail }
}

function chainRefusal({ code, detail }: ChainFault): KeyJudgement {
  switch (code) {
    case 'chain_untrusted_root':
      return refuse('nras_key_untrusted', detail)
    case 'chain_expired':
    case 'chain_not_yet_valid':
      return refuse('nras_key_certificate_time', detail)
    case 'chain_length':
    case 'chain_signature':
    case 'chain_names':
    case 'chain_not_ca':
    case 'chain_key_usage':
    case 'chain_path_length':
    case 'chain_unknown_critical_extension':
      return refuse('nras_key_certificate_invalid', `${code}: ${detail}`)
  }
}

function isSimulatedId(kid: string): boolean {
  return kid.startsWith(SIMULATION_ID_PREFIX)
}

/** The key's own certificate must be readable, those above it where they count: intermediate 002 of NVIDIA held an RSA key. */
function certificatesOf(key: NrasKey, pinned: boolean): readonly Certificate[] | string {
  const out: Certificate[] = []
  for (const [index, der] of key.x5c.entries()) {
    const parsed = parseCertificate(der)
    if (parsed.ok) out.push(parsed.certificate)
    else if (pinned || index === 0) return `certificate ${index}: ${parsed.detail}`
  }
  return out
}

function judgeCertificates(key: NrasKey, options: KeyOptions): KeyJudgement {
  const { crypto, at, policy } = options
  const pinned = policy.nrasRoots.length > 0
  const chain = certificatesOf(key, pinned)
  if (typeof chain === 'string') return refuse('nras_key_certificate_invalid', chain)
  const simulated = chain.some(isSimulatedRoot) || isSimulatedId(key.kid)
  const [leaf] = chain
  if (leaf === undefined) {
    return pinned
      ? refuse('nras_key_untrusted', 'the key set gives no certificate of the key')
      : {
          ok: true,
          key,
          simulated,
          note: 'the key set is trusted as given, it has no certificates',
        }
  }
  if (simulated && !options.allowSimulated) {
    return refuse('nras_simulated', 'a certificate of the key carries the mark of the simulator')
  }
  if (leaf.publicKey.curve !== 'P-384' || !crypto.equal(leaf.publicKey.point, key.point)) {
    return refuse('nras_key_certificate_mismatch', `key ${key.kid}`)
  }
  if (leaf.isCa) return refuse('nras_key_certificate_invalid', 'certificate 0 is one of a CA')
  if (!pinned) {
    const untimely = validityFault([leaf], at)
    if (untimely !== null) return chainRefusal(untimely)
    return {
      ok: true,
      key,
      simulated,
      note: 'the key set is trusted as given, no certificate is pinned',
    }
  }
  const fault = verifyChain(chain, {
    crypto,
    at,
    rootSha256: policy.nrasRoots.map((hex) => fromHex(hex) ?? new Uint8Array()),
    length: chain.length,
    anyAnchor: true,
    allowSimulated: options.allowSimulated,
  })
  return fault === null
    ? { ok: true, key, simulated, note: 'certified up to a pinned certificate' }
    : chainRefusal(fault)
}

/** Finds the one key that all tokens name, and judges what the key set says of it. */
export function judgeSigningKey(
  answer: NrasAnswer,
  keys: ReadonlyMap<string, NrasKey>,
  options: KeyOptions,
): KeyJudgement {
  const { kid } = answer.overall
  const odd = answer.devices.find(({ token }) => token.kid !== kid)
  if (odd !== undefined) return refuse('nras_key_mixed', `${odd.name} and the overall token`)
  const key = keys.get(kid)
  if (key === undefined) return refuse('nras_key_unknown', `key ${kid}`)
  // Simulated tokens say so in a place that the signature covers, whatever becomes of the certificates.
  if (isSimulatedId(kid) && !options.allowSimulated) {
    return refuse('nras_simulated', 'the key is named as one of the simulator')
  }
  return judgeCertificates(key, options)
}
