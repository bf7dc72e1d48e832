/**
 * Every limit and time-out of the service, by name, with its default. None is left to a library. The effective values are
 * part of the attested configuration.
 *
 * @module
 */

export interface Limits {
  /** Bytes of a request body in JSON. */
  readonly requestBodyBytes: number
  /** Bytes of a request body with files in it. */
  readonly uploadBodyBytes: number
  /** Bytes of a buffered answer. */
  readonly bufferedResponseBytes: number
  /** Bytes of one SSE line; a longer one is relayed and makes the content `none`. */
  readonly sseLineBytes: number
  /** Connections of clients to one listener, and never more than half of the files that the process may open. */
  readonly clientConnections: number
  /**
   * Of these, connections of one client address (of IPv6 the /64). As many by default: behind a port mapping of dstack, a gateway or a
   * broker all clients have one.
   */
  readonly connectionsPerAddress: number
  /** Requests being relayed at once. */
  readonly openRequests: number
  /** Bytes of request bodies held at once, over all requests. */
  readonly requestBytesInFlight: number
  /** Receipts kept in memory. */
  readonly receipts: number
  /** Milliseconds a request body may take to arrive. */
  readonly requestBodyMs: number
  /** Milliseconds between two pieces of a request body. */
  readonly requestIdleMs: number
  /** Milliseconds a client may take no byte of an answer that waits for it. */
  readonly clientStallMs: number
  /** Milliseconds a request waits for a free connection to its upstream. */
  readonly queueMs: number
  /** Milliseconds until the upstream's response headers. */
  readonly upstreamHeadersMs: number
  /** Milliseconds between two pieces of the upstream's body. */
  readonly upstreamIdleMs: number
  /** Milliseconds to connect to the upstream. */
  readonly upstreamConnectMs: number
  /** Milliseconds an idle upstream connection is kept: below the 5 s after which uvicorn closes it. */
  readonly upstreamKeepAliveMs: number
  /** Connections to one address of an upstream. */
  readonly upstreamConnections: number
  /** Failures in a row that take an address of an upstream out. */
  readonly upstreamFailures: number
  /** Milliseconds until an address that went out is tried again; doubled with each try that fails. */
  readonly upstreamBackoffMs: number
  /** Milliseconds that the time between two tries grows to. */
  readonly upstreamBackoffMaxMs: number
  /** Milliseconds between two questions for an upstream's health. */
  readonly upstreamHealthMs: number
  /** Milliseconds for the answer to one. */
  readonly upstreamHealthTimeoutMs: number
  /** Milliseconds an idle client connection is kept: above the 60 to 90 s of common load balancers. */
  readonly clientKeepAliveMs: number
  /** Milliseconds for a client to finish its TLS handshake. */
  readonly tlsHandshakeMs: number
  /** Milliseconds for a client to send its request headers. */
  readonly clientHeadersMs: number
  /** Canonical attestation documents that one client may have at once: as many as share a round. */
  readonly attestationBurst: number
  /** The same for each minute after that. */
  readonly attestationPerMinute: number
  /** Reports that one client may have at once at a door where each costs a quote of its own. */
  readonly quoteBurst: number
  /** The same for each minute after that. */
  readonly quotePerMinute: number
  /** Milliseconds between two judgements of the service's own evidence. */
  readonly gateMs: number
  /** Milliseconds after SIGTERM for which requests are still taken while readiness says that the service leaves. */
  readonly drainNoticeMs: number
  /** Milliseconds that open requests get to finish after that. */
  readonly drainMs: number
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  requestBodyBytes: 32 * 1024 * 1024,
  uploadBodyBytes: 64 * 1024 * 1024,
  bufferedResponseBytes: 64 * 1024 * 1024,
  sseLineBytes: 8 * 1024 * 1024,
  clientConnections: 8192,
  connectionsPerAddress: 8192,
  openRequests: 4096,
  requestBytesInFlight: 1024 * 1024 * 1024,
  receipts: 65_536,
  requestBodyMs: 300_000,
  requestIdleMs: 30_000,
  clientStallMs: 120_000,
  queueMs: 120_000,
  upstreamHeadersMs: 3_600_000,
  upstreamIdleMs: 3_600_000,
  upstreamConnectMs: 5_000,
  upstreamKeepAliveMs: 4_000,
  upstreamConnections: 1024,
  upstreamFailures: 3,
  upstreamBackoffMs: 1_000,
  upstreamBackoffMaxMs: 30_000,
  upstreamHealthMs: 5_000,
  upstreamHealthTimeoutMs: 5_000,
  clientKeepAliveMs: 95_000,
  tlsHandshakeMs: 10_000,
  clientHeadersMs: 60_000,
  attestationBurst: 4096,
  attestationPerMinute: 4096,
  quoteBurst: 64,
  quotePerMinute: 120,
  gateMs: 150_000,
  drainNoticeMs: 5_000,
  drainMs: 30_000,
})
