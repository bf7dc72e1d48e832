/**
 * Asks NVIDIA's Remote Attestation Service to judge evidence (`POST /v3|/v4/attest/gpu|switch`). The answer is returned as the
 * bytes that came: what the tokens in it are worth is for the appraiser to say.
 *
 * NVIDIA learns the evidence, the nonce and our address. Nothing here is called unless somebody asked for it in words.
 *
 * @module
 */
import type { NrasRequest } from '../../appraiser/gpu/nras/build-nras-request.ts'
import { MAX_ANSWER_BYTES } from '../../appraiser/gpu/nras/parse-nras-answer.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { httpRequest } from '../http-request.ts'
import type { Transport } from '../http-request.ts'
import { NRAS_ANSWER_MS, NRAS_ATTEMPT_MS } from '../limits.ts'
import { NVIDIA_SERVICES, serviceKeyHeader } from './nvidia-services.ts'

export interface AskNrasOptions {
  /** Origin and path; default: NVIDIA's. */
  readonly service?: string
  /** Bearer token. Never in an error. */
  readonly serviceKey?: string | null
  /** Let the service accept certificates on hold. Default: false. */
  readonly allowHold?: boolean
  readonly transport?: Transport
  readonly signal?: AbortSignal
}

const JSON_TYPES: ReadonlySet<string> = new Set(['application/json'])
const TIMING = Object.freeze({ attemptMs: NRAS_ATTEMPT_MS, documentMs: NRAS_ANSWER_MS })

/**
 * @param request of `buildNrasRequest`
 * @returns the answer, for `appraiseNras`
 * @throws CollateralError
 */
export async function askNras(
  request: NrasRequest,
  options: AskNrasOptions = {},
): Promise<Uint8Array> {
  const { service = NVIDIA_SERVICES.nras, serviceKey = null, allowHold = false } = options
  const { transport = {}, signal } = options
  const { body } = await httpRequest(
    {
      url: `${service}${request.path}`,
      what: 'answer of the attestation service',
      maxBytes: MAX_ANSWER_BYTES,
      contentTypes: JSON_TYPES,
      post: { contentType: 'application/json', body: toUtf8(JSON.stringify(request.body)) },
      headers: {
        ...serviceKeyHeader(serviceKey),
        ...(allowHold ? { 'x-nvidia-ocsp-allow-cert-hold': 'true' } : {}),
      },
    },
    { ...transport, timing: { ...TIMING, ...transport.timing } },
    signal,
  )
  return body
}
