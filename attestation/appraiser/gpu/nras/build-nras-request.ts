/**
 * The request that asks NVIDIA's Remote Attestation Service to judge evidence.
 *
 * @module
 */
import { toHex } from '../../../protocol/hex.ts'
import { counted } from '../../counted.ts'
import { MAX_GPUS } from '../parse-gpu-evidence.ts'
import type { GpuEvidence } from '../parse-gpu-evidence.ts'
import { NONCE_BYTES } from '../parse-spdm-report.ts'
import type { NrasClaimsVersion } from './nras-policy.ts'
import type { NrasKind } from './parse-nras-answer.ts'

/** NVML's and NSCQ's names of the architectures that the service takes. */
const KINDS: ReadonlyMap<string, NrasKind> = new Map([
  ['HOPPER', 'gpu'],
  ['BLACKWELL', 'gpu'],
  ['LS10', 'switch'],
])

export interface NrasRequestOptions {
  /** Default `v4`. */
  readonly api?: 'v3' | 'v4'
  /** Default 3.0 with v4; v3 knows 2.0 alone. */
  readonly claimsVersion?: NrasClaimsVersion
}

export interface NrasRequest {
  readonly kind: NrasKind
  /** Below the address of the service, e.g. `/v4/attest/gpu`. */
  readonly path: string
  /** To be sent as JSON with POST. */
  readonly body: {
    /** 64 lower-case hex digits. */
    readonly nonce: string
    readonly arch: string
    /** Absent with v3, which then gives 2.0. */
    readonly claims_version?: NrasClaimsVersion
    readonly evidence_list: readonly { readonly evidence: string; readonly certificate: string }[]
  }
}

export type NrasRequestResult =
  | { readonly ok: true; readonly request: NrasRequest }
  | { readonly ok: false; readonly detail: string }

/**
 * @param list evidence of devices of one architecture, made for one nonce; GPUs and switches go in requests of their own
 * @param nonce 32 bytes
 * @throws TypeError for a nonce of another length, or v3 with claims 3.0: bugs of the caller
 */
export function buildNrasRequest(
  list: readonly GpuEvidence[],
  nonce: Uint8Array,
  options: NrasRequestOptions = {},
): NrasRequestResult {
  const { api = 'v4' } = options
  const { claimsVersion = api === 'v4' ? '3.0' : '2.0' } = options
  if (nonce.length !== NONCE_BYTES) throw new TypeError(`the nonce is not ${NONCE_BYTES} bytes`)
  if (api === 'v3' && claimsVersion !== '2.0') throw new TypeError('v3 gives claims 2.0 alone')
  const arch = list[0]?.arch
  if (arch === undefined || list.length > MAX_GPUS) {
    return { ok: false, detail: `${counted(list.length, 'device')}, not 1 to ${MAX_GPUS}` }
  }
  const kind = KINDS.get(arch)
  if (kind === undefined) return { ok: false, detail: `architecture ${arch.slice(0, 16)}` }
  if (list.some((item) => item.arch !== arch)) {
    return { ok: false, detail: 'the service takes one architecture in a request' }
  }
  const body = {
    nonce: toHex(nonce),
    arch,
    ...(api === 'v4' ? { claims_version: claimsVersion } : {}),
    evidence_list: list.map(({ evidence, certificate }) => ({ evidence, certificate })),
  }
  return { ok: true, request: { kind, path: `/${api}/attest/${kind}`, body } }
}
