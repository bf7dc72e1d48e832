/**
 * The TLS listener as the flags of `serve` name it. All of it can be said in flags, because the compose text that is measured holds the
 * command and not the configuration file.
 *
 * @module
 */
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { parseListen } from './parse-flags.ts'

export interface TlsFlags {
  readonly tls?: string
  readonly tlsKey?: string
  /** Separated by commas. */
  readonly tlsNames?: string
  readonly tlsCertificate?: string
}

/**
 * @param file the member `tls` of the configuration file
 * @returns the member with the flags on top; nothing where there are none
 * @throws Refusal
 */
export function tlsMember(
  { tls, tlsKey, tlsNames, tlsCertificate }: TlsFlags,
  file: unknown,
): { readonly tls?: object } {
  const flags = {
    ...(tls === undefined ? {} : parseListen(tls, '--tls')),
    ...(tlsKey === undefined ? {} : { key: tlsKey }),
    ...(tlsNames === undefined ? {} : { names: tlsNames.split(',') }),
    ...(tlsCertificate === undefined ? {} : { certificate_file: tlsCertificate }),
  }
  if (Object.keys(flags).length === 0) return {}
  return { tls: { ...(isJsonObject(file) ? file : {}), ...flags } }
}
