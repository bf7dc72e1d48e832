/**
 * What the local proxy answers by itself, in one table. `docs/errors.md` is generated from it. Messages are fixed texts:
 * nothing of a request, a key or an answer gets into them.
 *
 * @module
 */
import { CHECK_CODES } from '../../../attestation/appraiser/codes.ts'
import type { CheckCode } from '../../../attestation/appraiser/codes.ts'
import type { ServiceErrorSpec } from '../../errors.ts'

const invalid = 'invalid_request_error'

export const PROXY_ERRORS = {
  host_refused: {
    status: 403,
    type: invalid,
    message:
      'The Host header does not name this proxy: a web page may have made its own name point here. --allow-host names others.',
  },
  origin_refused: {
    status: 403,
    type: invalid,
    message:
      'A web page asked, and web pages may not use the key of this proxy. --allow-origin names those that may.',
  },
  token_missing: {
    status: 401,
    type: 'unauthorized',
    message: 'This proxy asks for a token of its own, and none that is valid was shown.',
  },
  target_refused: {
    status: 400,
    type: invalid,
    message: 'The request target is not one plain absolute path.',
  },
  route_unverified: {
    status: 403,
    type: invalid,
    message:
      'Nobody vouches for answers of this route, so nothing was sent. --pass-unverified names routes that pass anyway.',
  },
  request_too_large: {
    status: 413,
    type: invalid,
    message: 'The request body is larger than this proxy takes.',
  },
  request_timeout: {
    status: 408,
    type: invalid,
    message: 'The request body did not arrive in time.',
  },
  proxy_overloaded: {
    status: 429,
    type: 'rate_limit_error',
    message: 'Too many requests are open at this proxy.',
    retryAfter: 1,
  },
  proxy_draining: {
    status: 503,
    type: 'server_error',
    message: 'This proxy is shutting down.',
    retryAfter: 5,
  },
  service_unreachable: {
    status: 502,
    type: 'server_error',
    message: 'The service cannot be reached.',
  },
  service_timeout: {
    status: 504,
    type: 'server_error',
    message: 'The service did not answer in time.',
  },
  service_broke_off: {
    status: 502,
    type: 'server_error',
    message: 'The service broke its answer off.',
  },
  service_redirects: {
    status: 502,
    type: 'server_error',
    message:
      'The service points elsewhere. Prompt and key go to the address that was named and no other.',
  },
  service_status_unknown: {
    status: 502,
    type: 'server_error',
    message: 'The service answered with a status that HTTP does not have.',
  },
  error_unverified: {
    status: 502,
    type: 'unverified_error',
    message:
      'The service, or what stands before it, answered with an error of this status. Nobody vouches for its text, and it has not the form of an error, so it is not shown.',
  },
  proxy_failed: { status: 500, type: 'server_error', message: 'This proxy failed.' },
} as const satisfies Readonly<Record<string, ServiceErrorSpec>>

export type ProxyErrorCode = keyof typeof PROXY_ERRORS

export interface ProxyError {
  readonly status: number
  /** In OpenAI's shape. */
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

function render(code: string, { status, type, message, retryAfter }: ServiceErrorSpec): ProxyError {
  return {
    status,
    body: JSON.stringify({ error: { message, type, code, param: null } }),
    headers: retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) },
  }
}

/** @param status in place of that of the table */
export function proxyError(code: ProxyErrorCode, status?: number): ProxyError {
  const spec: ServiceErrorSpec = PROXY_ERRORS[code]
  return render(code, status === undefined ? spec : { ...spec, status })
}

/** Fetching the evidence once more may help; nothing else that did not verify gets better by asking the model again. */
const WORTH_RETRYING: ReadonlySet<CheckCode> = new Set(['attestation_unavailable'])

/** What stands in the place of an answer that did not verify. */
export function verificationError(code: CheckCode): ProxyError {
  const message = `Not verified, and not handed out: ${CHECK_CODES[code].meaning}.`
  const error = render(code, { status: 502, type: 'verification_error', message })
  return WORTH_RETRYING.has(code) ? error : withoutRetry(error)
}

/** OpenAI's and Anthropic's clients would pay for two more answers: they ask again after every 500 or 502 that does not say so. */
export function withoutRetry(error: ProxyError): ProxyError {
  return { ...error, headers: { ...error.headers, 'X-Should-Retry': 'false' } }
}
