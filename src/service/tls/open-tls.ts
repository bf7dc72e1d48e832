/**
 * Key and certificate of the TLS listener.
 *
 * @module
 */
import { createTlsKey } from '../../../enclave/keys/tls-key.ts'
import type { TlsKey } from '../../../enclave/keys/tls-key.ts'
import type { Config } from '../../config/config.ts'
import { keepCertificate } from './keep-certificate.ts'
import type { CertificateKeeper } from './keep-certificate.ts'

export interface TlsListening {
  readonly key: TlsKey
  readonly certificate: CertificateKeeper
}

export interface OpenTlsOptions {
  /** Null: one is made here. */
  readonly key: TlsKey | null
  readonly simulated: boolean
  /** Unix milliseconds. */
  readonly nowMs: () => number
}

/** @returns null where no TLS is configured */
export async function openTls(
  config: Config['tls'],
  options: OpenTlsOptions,
): Promise<TlsListening | null> {
  if (config === null) return null
  // The key is attested as what the configuration says: one from elsewhere must not pass for one made here, nor the reverse.
  const key = options.key ?? createTlsKey(options.simulated)
  if (key.source !== config.key) throw new TypeError(`the TLS key is not from ${config.key}`)
  const { names, certificate_file: file } = config
  return { key, certificate: await keepCertificate({ key, names, file, nowMs: options.nowMs }) }
}
