/**
 * `countersign tls csr`: a request for a certificate, signed by the key of the running service. The key is in the memory of that
 * process and nowhere else, so the request comes from there, over the operator's own listener.
 *
 * @module
 */
import { writeFile } from 'node:fs/promises'
import { DEFAULT_METRICS } from '../config/config.ts'
import { getOnce } from '../channel/get-once.ts'
import { EXIT } from './exit-codes.ts'
import { Refusal } from './refusal.ts'

/** Bytes of a request for as many names as there may be. */
const MAX_REQUEST_BYTES = 16 * 1024
const REQUEST_MS = 10_000
const PEM =
  /^-----BEGIN CERTIFICATE REQUEST-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE REQUEST-----\n$/

export interface TlsCsrOptions {
  readonly domain?: readonly string[]
  /** Where health and metrics are served. */
  readonly from?: string
  readonly out?: string
}

export const DEFAULT_OPERATIONS_URL = `http://${DEFAULT_METRICS.host}:${DEFAULT_METRICS.port}`

/** @returns the exit code */
export async function tlsCsr(options: TlsCsrOptions): Promise<number> {
  const { domain = [], from = DEFAULT_OPERATIONS_URL, out } = options
  if (domain.length === 0) throw new Refusal('Name what the certificate is for: --domain.')
  if (!URL.canParse(from) || !/^https?:$/.test(new URL(from).protocol)) {
    throw new Refusal('--from takes the URL of the listener for health and metrics.')
  }
  const url = new URL('/tls/csr', from)
  for (const name of domain) url.searchParams.append('domain', name)
  const answer = await getOnce(url.href, {
    maxBytes: MAX_REQUEST_BYTES,
    timeoutMs: REQUEST_MS,
  }).catch(() => {
    throw new Refusal(
      `No service answers at ${from}. --from takes the URL where it serves health and metrics, in its own container (metrics of the configuration; docs/tls.md).`,
      EXIT.internal,
    )
  })
  const text = Buffer.from(answer.body ?? []).toString('latin1')
  if (answer.status !== 200 || !PEM.test(text)) {
    const code = /"code":"([a-z_]{1,64})"/.exec(text)?.[1] ?? 'no request came'
    throw new Refusal(`The service answered ${answer.status}: ${code}.`, EXIT.internal)
  }
  if (out === undefined) process.stdout.write(text)
  else await writeFile(out, text)
  return EXIT.accepted
}
