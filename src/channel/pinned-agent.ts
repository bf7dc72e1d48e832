/**
 * Connections that end on a TLS key of one keyset, or are not made: the key is compared when the handshake is over and before the
 * connection is given a request, so whatever is sent on one was read inside the enclave.
 *
 * @module
 */
import { Agent, buildConnector } from 'undici'
import type { TlsKey } from '../../attestation/protocol/keyset.ts'
import { isListedTlsKey } from '../../attestation/appraiser/channel/judge-channel.ts'
import { peerSpkiSha256 } from './peer-key.ts'

/** The other end showed a key that the keyset does not list. Nothing was sent. */
export class ChannelError extends Error {
  override readonly name = 'ChannelError'
  readonly code = 'channel_intermediary'
  constructor() {
    super('the connection would not have ended inside the enclave; nothing was sent')
  }
}

/** undici hands errors of a connector out inside of its own. */
export function isChannelError(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if (at instanceof ChannelError) return true
  }
  return false
}

export interface AgentLimits {
  /** Milliseconds for the connection and its handshake. */
  readonly connectMs: number
  /** Milliseconds until the headers of an answer. */
  readonly headersMs: number
  /** Milliseconds of silence within an answer. */
  readonly idleMs: number
  /** Milliseconds that an idle connection is kept. */
  readonly keepAliveMs: number
  readonly connections: number
  /** Of all headers of an answer together. */
  readonly headerBytes: number
}

export const AGENT_LIMITS: AgentLimits = Object.freeze({
  connectMs: 10_000,
  // A buffered answer takes as long as the model does; whoever asks has limits of its own.
  headersMs: 3_600_000,
  idleMs: 3_600_000,
  keepAliveMs: 30_000,
  connections: 64,
  headerBytes: 32 * 1024,
})

/** @param keys of a keyset that was accepted */
export function createPinnedAgent(keys: readonly TlsKey[], limits: AgentLimits): Agent {
  const connect = buildConnector({
    timeout: limits.connectMs,
    // Not by who certified a name: by the key, below. It may well be self-signed.
    rejectUnauthorized: false,
    // A full handshake each time, in which the other end shows to hold the key.
    maxCachedSessions: 0,
    allowH2: false,
    minVersion: 'TLSv1.2',
  })
  return new Agent({
    connect(options, callback) {
      connect(options, (...[error, socket]) => {
        if (error !== null || socket === null) {
          callback(error ?? new ChannelError(), null)
          return
        }
        const seen = peerSpkiSha256(socket)
        if (seen !== null && isListedTlsKey(keys, options.hostname, seen)) {
          callback(null, socket)
          return
        }
        socket.destroy()
        callback(new ChannelError(), null)
      })
    },
    headersTimeout: limits.headersMs,
    bodyTimeout: limits.idleMs,
    keepAliveTimeout: limits.keepAliveMs,
    keepAliveMaxTimeout: limits.keepAliveMs,
    connections: limits.connections,
    maxHeaderSize: limits.headerBytes,
    pipelining: 1,
  })
}
