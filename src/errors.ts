/**
 * Every error the service answers with, in one table. `docs/errors.md` is generated from it.
 *
 * Messages are fixed texts: nothing of a request, a token, an upstream's body or a path of the machine can get into them.
 *
 * @module
 */

export interface ServiceErrorSpec {
  readonly status: number
  /** OpenAI's and ACI's error type. */
  readonly type: string
  readonly message: string
  /** Seconds for `Retry-After`; absent where trying again does not help. */
  readonly retryAfter?: number
}

const invalid = 'invalid_request_error'

export const SERVICE_ERRORS = {
  body_not_json: { status: 400, type: invalid, message: 'The request body is not valid JSON.' },
  body_not_object: {
    status: 400,
    type: invalid,
    message: 'The request body is not a JSON object.',
  },
  body_duplicate_member: {
    status: 400,
    type: invalid,
    message: 'The request body names a member twice; readers would disagree on which one counts.',
  },
  body_ill_formed: {
    status: 400,
    type: invalid,
    message:
      'The request body holds text that is not well-formed Unicode, a number without a value, or too much nesting.',
  },
  body_too_many_members: {
    status: 400,
    type: invalid,
    message: 'The request body has too many members, or one with too long a name.',
  },
  form_malformed: {
    status: 400,
    type: invalid,
    message: 'The request body is not a well-formed multipart form.',
  },
  member_rejected: {
    status: 400,
    type: invalid,
    message: 'The request has a member that this service does not accept.',
  },
  background_unsupported: {
    status: 400,
    type: invalid,
    message: 'Responses in the background are not served.',
  },
  stateful_refused: {
    status: 400,
    type: invalid,
    message: 'The request would have the model server keep its answer, or asks for one it kept.',
  },
  too_many_choices: { status: 400, type: invalid, message: 'Too many choices are asked for.' },
  body_too_large: { status: 413, type: invalid, message: 'The request body is too large.' },
  body_timeout: {
    status: 408,
    type: invalid,
    message: 'The request body did not arrive in time.',
  },
  content_encoding_unsupported: {
    status: 415,
    type: invalid,
    message: 'Request bodies with a Content-Encoding are not accepted.',
  },
  invalid_challenge: {
    status: 400,
    type: invalid,
    message: 'X-Countersign-Challenge is not base64url of 16 to 64 bytes.',
  },
  invalid_owner: {
    status: 400,
    type: invalid,
    message: 'X-Countersign-Owner is not the SHA-256 of a secret in lower-case hex.',
  },
  invalid_constraint: {
    status: 400,
    type: invalid,
    message: 'The provider member holds an unknown or malformed aci_ constraint.',
  },
  invalid_nonce: {
    status: 400,
    type: invalid,
    message: 'nonce must be exactly 64 lower-case hex digits.',
  },
  ambiguous_nonce: {
    status: 400,
    type: invalid,
    message: 'A nonce that ends in eight zero bytes would read as another layout; take another.',
  },
  invalid_signing_algo: {
    status: 400,
    type: invalid,
    message: 'signing_algo must be ecdsa or ed25519.',
  },
  invalid_domain: {
    status: 400,
    type: invalid,
    message: 'Name 1 to 16 lower-case host names: domain=host.example.',
  },
  tls_not_configured: {
    status: 400,
    type: invalid,
    message: 'No TLS key is attested here.',
  },
  malformed_http: {
    status: 400,
    type: invalid,
    message: 'The request is not well-formed HTTP.',
  },
  ambiguous_framing: {
    status: 400,
    type: invalid,
    message: 'The request states the end of its body in more than one way, or in none that counts.',
  },
  duplicate_header: {
    status: 400,
    type: invalid,
    message:
      'A header that may stand once stands twice; readers would disagree on which one counts.',
  },
  invalid_host: {
    status: 400,
    type: invalid,
    message: 'An HTTP/1.1 request names exactly one host.',
  },
  invalid_target: {
    status: 400,
    type: invalid,
    message: 'The request target is not one plain absolute path.',
  },
  headers_too_large: {
    status: 431,
    type: invalid,
    message: 'The request headers are too large.',
  },
  headers_timeout: {
    status: 408,
    type: invalid,
    message: 'The request did not arrive in time.',
  },
  unauthorized: {
    status: 401,
    type: 'unauthorized',
    message: 'No valid bearer token was presented.',
  },
  encoding_unavailable: {
    status: 406,
    type: 'not_acceptable',
    message:
      'Another boot made the receipt, an earlier one or another replica, and only that boot can sign it in this encoding.',
  },
  not_found: { status: 404, type: 'not_found', message: 'Not found.' },
  keyset_unknown: {
    status: 404,
    type: 'not_found',
    message: 'No document of that keyset is kept here.',
  },
  log_off: { status: 404, type: 'not_found', message: 'This service keeps no log.' },
  log_boot_unknown: {
    status: 404,
    type: 'not_found',
    message: 'No log of that boot is kept here.',
  },
  log_size_unknown: {
    status: 404,
    type: 'not_found',
    message: 'The log has no head of that size that covers what was asked for.',
  },
  log_not_published: {
    status: 404,
    type: 'not_found',
    message: 'The record is in the log, and no published head covers it yet.',
    retryAfter: 60,
  },
  log_not_public: {
    status: 403,
    type: 'forbidden',
    message: 'This log is not read as a whole here.',
  },
  log_proof_gone: {
    status: 410,
    type: 'not_found',
    message: 'The leaves that this proof needs are not kept any more.',
  },
  invalid_keyset_digest: {
    status: 400,
    type: invalid,
    message: 'A keyset is named sha256: and 64 lower-case hex digits.',
  },
  invalid_log_query: {
    status: 400,
    type: invalid,
    message:
      'size, from, to and tile are whole numbers, from not above to; boot is 64 lower-case hex digits.',
  },
  model_not_found: {
    status: 404,
    type: 'not_found',
    message: 'No upstream of this service serves the requested model.',
  },
  method_not_allowed: {
    status: 405,
    type: invalid,
    message: 'This route does not take that method.',
  },
  session_not_accepted: {
    status: 412,
    type: 'session_not_accepted',
    message: 'This service runs the model itself and has no upstream sessions.',
  },
  overloaded: {
    status: 429,
    type: 'rate_limit_error',
    message: 'Too many requests are open.',
    retryAfter: 1,
  },
  too_many_connections: {
    status: 429,
    type: 'rate_limit_error',
    message: 'This address has as many connections as one may have.',
    retryAfter: 1,
  },
  expectation_unsupported: {
    status: 417,
    type: invalid,
    message: 'The request expects something other than 100-continue.',
  },
  pipelining_unsupported: {
    status: 400,
    type: invalid,
    message: 'A second request came on the connection before the first was answered.',
  },
  attestation_rate_limited: {
    status: 429,
    type: 'rate_limit_error',
    message: 'This client asks for attestation too often.',
    retryAfter: 1,
  },
  attestation_busy: {
    status: 429,
    type: 'rate_limit_error',
    message: 'Too many clients wait for attestation.',
    retryAfter: 2,
  },
  internal_error: { status: 500, type: 'server_error', message: 'The service failed.' },
  upgrade_unsupported: {
    status: 501,
    type: invalid,
    message: 'Protocol upgrades are not supported.',
  },
  door_not_under_tapp: {
    status: 501,
    type: invalid,
    message:
      "This machine was started by 0G's TAPP, whose quotes are always over a text of its own: no quote of the layout of this route can be made. The evidence is at /attestation.",
  },
  upstream_unreachable: {
    status: 502,
    type: 'server_error',
    message: 'The model server cannot be reached.',
  },
  upstream_invalid: {
    status: 502,
    type: 'server_error',
    message: 'The model server gave an answer that cannot be relayed.',
  },
  upstream_reset: {
    status: 502,
    type: 'server_error',
    message: 'The model server closed the connection before it answered.',
  },
  not_attested: {
    status: 503,
    type: 'server_error',
    message: 'The service has not proved itself to itself yet, so it does not serve.',
    retryAfter: 5,
  },
  draining: {
    status: 503,
    type: 'server_error',
    message: 'The service is shutting down.',
    retryAfter: 5,
  },
  store_unavailable: {
    status: 503,
    type: 'server_error',
    message: 'Receipts cannot be stored, or not be looked up.',
    retryAfter: 5,
  },
  attestation_unavailable: {
    status: 503,
    type: 'server_error',
    message: 'The machine did not give its evidence.',
    retryAfter: 5,
  },
  keyset_expired: {
    status: 503,
    type: 'server_error',
    message: 'The keyset has expired, and no evidence could be had to renew it; try again.',
    retryAfter: 60,
  },
  upstream_unavailable: {
    status: 503,
    type: 'server_error',
    message: 'No server of this model answers at present.',
    retryAfter: 2,
  },
  upstream_timeout: {
    status: 504,
    type: 'server_error',
    message: 'The model server did not answer in time.',
  },
} as const satisfies Readonly<Record<string, ServiceErrorSpec>>

export type ServiceErrorCode = keyof typeof SERVICE_ERRORS

/** The specification of an error, `retryAfter` readable on all of them. */
export function errorSpec(code: ServiceErrorCode): ServiceErrorSpec {
  return SERVICE_ERRORS[code]
}

/** The body of an error answer, in OpenAI's shape. */
export function errorBody(code: ServiceErrorCode): string {
  const { message, type } = errorSpec(code)
  return JSON.stringify({ error: { message, type, code, param: null } })
}
