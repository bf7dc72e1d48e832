/**
 * How TLS is spoken: nothing of it is left to Node's defaults, which differ between its releases.
 *
 * @module
 */
import { constants } from 'node:crypto'
import type { TlsOptions } from 'node:tls'

/** Seconds for which a client may resume a session without another full handshake. */
export const TLS_SESSION_S = 300

/** RFC 9325 §4.2: forward secrecy and AEAD alone; the key is an ECDSA one. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
].join(':')

/** Members of the secure context, which each new certificate brings again. */
export const CONTEXT_OPTIONS = Object.freeze({
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: CIPHERS,
  // OpenSSL's own list: a fixed one would leave out the post-quantum groups that newer releases put first.
  ecdhCurve: 'auto',
  // A client of TLS 1.2 may else make the server sign and agree on keys again and again on one connection.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  sessionTimeout: TLS_SESSION_S,
} as const satisfies TlsOptions)

/** Beside them, once for each listener. RFC 7301: a client that wants another protocol alone is refused in the handshake. */
export const LISTENER_OPTIONS = Object.freeze({
  ALPNProtocols: ['http/1.1'],
} as const)
