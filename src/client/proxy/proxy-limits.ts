/**
 * The bounds of the local proxy; that of an answer which is held is `MAX_ANSWER_BYTES` of `verified.ts`. None is left to node:http
 * or to undici.
 *
 * @module
 */

export const PROXY_LIMITS = Object.freeze({
  /** Bytes of a request body; what the service takes at most. */
  requestBodyBytes: 64 * 1024 * 1024,
  /** Milliseconds for a whole request body. */
  requestBodyMs: 120_000,
  /** Milliseconds for the headers of a request. */
  headersMs: 60_000,
  /** Bytes of all request headers together. */
  headerBytes: 16 * 1024,
  /** Milliseconds that a connection of a client stays open unused. */
  keepAliveMs: 95_000,
  /** Requests at the same time; the next one gets 429. */
  openRequests: 64,
  connections: 256,
  /** Bytes of an error answer that is passed although nobody vouches for it. */
  unverifiedErrorBytes: 64 * 1024,
  /** Milliseconds to connect to the service. */
  upstreamConnectMs: 10_000,
  /** Milliseconds until the first byte of an answer: a buffered one takes as long as the model does. */
  upstreamHeadersMs: 3_600_000,
  /** Milliseconds of silence within an answer. */
  upstreamIdleMs: 3_600_000,
  upstreamKeepAliveMs: 4_000,
  upstreamConnections: 64,
  /** Bytes of all headers of an answer together. */
  upstreamHeaderBytes: 32 * 1024,
  /** Milliseconds that open requests get after SIGTERM. */
  drainMs: 30_000,
})

export type ProxyLimits = { readonly [Name in keyof typeof PROXY_LIMITS]: number }
