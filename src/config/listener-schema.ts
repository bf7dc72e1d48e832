/**
 * Where requests are taken, plain or over TLS.
 *
 * @module
 */
import { z } from 'zod'
import { isServerName } from '../../attestation/x509/server-certificate.ts'
import { TLS_KEY_SOURCES } from '../../enclave/keys/tls-key.ts'

/** Plain HTTP where nothing else is configured: reachable from this machine alone. */
export const DEFAULT_LISTEN = Object.freeze({ host: '127.0.0.1', port: 8080 })
export const DEFAULT_TLS_PORT = 8443
/** Names of one certificate. */
export const MAX_NAMES = 16

const port = z.number().int().min(0).max(65_535)
const host = z.string().max(255).default(DEFAULT_LISTEN.host)

export const listenerSchema = z.strictObject({ host, port: port.default(DEFAULT_LISTEN.port) })

export const tlsSchema = z.strictObject({
  host,
  port: port.default(DEFAULT_TLS_PORT),
  /** `boot`: made in this process. `agent`: by the guest agent, with an RA-TLS certificate. */
  key: z.enum(TLS_KEY_SOURCES).default('boot'),
  /** Of the certificate that is not from a file. */
  names: z
    .array(z.string().refine(isServerName, 'a lower-case host name or an IPv4 address'))
    .max(MAX_NAMES)
    .default([]),
  /** PEM chain of an authority; read again when it changes. Null: none. */
  certificate_file: z
    .string()
    .regex(/^\/[\x21-\x7e]{1,255}$/, 'an absolute path')
    .nullable()
    .default(null),
})
