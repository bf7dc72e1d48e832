/**
 * Where NVIDIA's signed documents come from. Every URL is made here and from what the operator named; the OCSP responder
 * that a certificate names (authority information access) is not asked, because whoever made the evidence chose it.
 *
 * @module
 */
import { CollateralError } from '../collateral-error.ts'
import { MAX_SERVICE_KEY_LENGTH } from '../limits.ts'

/** Origin and path of each, without a slash at the end. */
export interface NvidiaServices {
  readonly rim: string
  /** https as for the others, though its responses are signed: it is told which devices are being verified. */
  readonly ocsp: string
  readonly nras: string
}

export const NVIDIA_SERVICES: NvidiaServices = Object.freeze({
  rim: 'https://rim.attestation.nvidia.com',
  ocsp: 'https://ocsp.ndis.nvidia.com',
  nras: 'https://nras.attestation.nvidia.com',
})

/** @returns null where `text` is not the https URL of a service: no credentials, query or fragment */
export function parseServiceUrl(text: string): string | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  const bare = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (url.protocol !== 'https:' || !bare) return null
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

const PRINTABLE = /^[\x21-\x7e]+$/

/**
 * The header that a service key goes into.
 *
 * @throws CollateralError for a key that is no header value; the message does not hold it
 */
export function serviceKeyHeader(key: string | null): Readonly<Record<string, string>> {
  if (key === null) return {}
  if (!PRINTABLE.test(key) || key.length > MAX_SERVICE_KEY_LENGTH) {
    throw new CollateralError('collateral_refused', 'the service key cannot be sent as it is')
  }
  return { authorization: `Bearer ${key}` }
}
