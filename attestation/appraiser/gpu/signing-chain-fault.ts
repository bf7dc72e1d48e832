/**
 * Path validation as NVIDIA's two PKIs share it: chains of P-384 with SHA-384 whose first certificate is one of a signing key.
 *
 * @module
 */
import type { Certificate } from '../x509/parse-certificate.ts'
import { isSimulatedRoot, verifyChain } from '../x509/verify-chain.ts'
import type { ChainOptions } from '../x509/verify-chain.ts'

export type SigningChainFaultKind =
  'algorithm' | 'length' | 'untrusted_root' | 'time' | 'simulated' | 'invalid'

export interface SigningChainFault {
  readonly kind: SigningChainFaultKind
  readonly detail: string
}

/** @returns null where the chain is good under `options` */
export function signingChainFault(
  chain: readonly Certificate[],
  options: ChainOptions,
): SigningChainFault | null {
  const foreign = chain.findIndex(
    ({ publicKey, signatureCurve }) => publicKey.curve !== 'P-384' || signatureCurve !== 'P-384',
  )
  if (foreign !== -1) {
    return { kind: 'algorithm', detail: `certificate ${foreign} is not P-384 with SHA-384` }
  }
  const fault = verifyChain(chain, options)
  switch (fault?.code) {
    case undefined:
      break
    case 'chain_length':
      return { kind: 'length', detail: fault.detail }
    case 'chain_untrusted_root':
      return { kind: 'untrusted_root', detail: fault.detail }
    case 'chain_expired':
    case 'chain_not_yet_valid':
      return { kind: 'time', detail: fault.detail }
    case 'chain_signature':
    case 'chain_names':
    case 'chain_not_ca':
    case 'chain_key_usage':
    case 'chain_path_length':
    case 'chain_unknown_critical_extension':
      if (!options.allowSimulated && chain.some(isSimulatedRoot)) {
        return { kind: 'simulated', detail: fault.detail }
      }
      return { kind: 'invalid', detail: `${fault.code}: ${fault.detail}` }
  }
  // A certification key must not sign evidence or manifests: on a device, the layer that holds it runs before the firmware
  // that is measured.
  if (chain[0]?.isCa !== false || chain[0].keyUsage?.digitalSignature !== true) {
    return { kind: 'invalid', detail: 'certificate 0 is not one of a signing key' }
  }
  return null
}
