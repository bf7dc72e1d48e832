/**
 * One GET over a connection of its own, together with what that connection ended on.
 *
 * For evidence alone: it proves itself, so it may come over any connection, and who stands at the other end is found out with it.
 * Nothing secret is sent unless the certificate was verified first. No redirect is followed, no proxy asked, no session resumed.
 *
 * @module
 */
import { request as requestHttp } from 'node:http'
import { Agent, request as requestHttps } from 'node:https'
import type { ObservedChannel } from '../../attestation/appraiser/channel/judge-channel.ts'
import { awaitAnswer } from '../../attestation/http/await-answer.ts'
import { readAnswer } from '../../attestation/http/read-answer.ts'
import { isLoopback } from './is-loopback.ts'
import { peerSpkiSha256 } from './peer-key.ts'

export interface GetOptions {
  /** Of the body. */
  readonly maxBytes: number
  /** Milliseconds for all of it. */
  readonly timeoutMs: number
  readonly headers?: Readonly<Record<string, string>>
  /**
   * `webpki`: the certificate must be one that this system's authorities vouch for, or nothing is sent; plain HTTP, which has none,
   * goes to this machine alone. `any`: it need not, for the enclave's own is self-signed. Default: `any`.
   */
  readonly certificate?: 'any' | 'webpki'
}

export interface OnceAnswer {
  readonly status: number
  /** Null where it is longer than was asked for. */
  readonly body: Uint8Array<ArrayBuffer> | null
  readonly channel: ObservedChannel
  /** The header, as it came. */
  readonly retryAfter: string | null
}

/** Rejects with the error of the connection, or of the time that ran out, or where the certificate that is demanded cannot be. */
export async function getOnce(target: string, options: GetOptions): Promise<OnceAnswer> {
  const url = new URL(target)
  const secure = url.protocol === 'https:'
  // Whoever is on the way would read the credential that the certificate is demanded for.
  if (!secure && options.certificate === 'webpki' && !isLoopback(url.hostname)) {
    throw new Error('plain HTTP has no certificate')
  }
  const shared = {
    headers: { ...options.headers },
    signal: AbortSignal.timeout(options.timeoutMs),
  }
  const sent = secure
    ? requestHttps(url, {
        ...shared,
        // A connection of its own: one that is kept was looked at when it carried somebody else's request.
        agent: new Agent({
          keepAlive: false,
          maxCachedSessions: 0,
          minVersion: 'TLSv1.2',
          ALPNProtocols: ['http/1.1'],
          rejectUnauthorized: options.certificate === 'webpki',
        }),
      })
    : requestHttp(url, { ...shared, agent: false })
  const answered = awaitAnswer(sent, shared.signal)
  sent.end()
  const response = await answered
  // Now, while the socket is the answer's: that very one is judged.
  const channel: ObservedChannel = secure
    ? { kind: 'tls', host: url.hostname, spkiSha256: peerSpkiSha256(response.socket) }
    : { kind: 'plain' }
  const body = await readAnswer(response, options.maxBytes)
  return {
    status: response.statusCode ?? 0,
    body: body === null ? null : Uint8Array.from(body),
    channel,
    retryAfter: response.headers['retry-after'] ?? null,
  }
}
