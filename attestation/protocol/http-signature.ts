/**
 * The one HTTP message signature that the service makes (RFC 9421, docs/protocol.md §9.2): which components of an answer and
 * its request it covers, and the text under the signature.
 *
 * @module
 */

/** The `tag` parameter, which says what the signature is for (RFC 9421 §2.3). */
export const HTTP_SIGNATURE_TAG = 'countersign.http.v1'
/** Bytes of an answer that is digested and signed for. */
export const MAX_SIGNED_BODY_BYTES = 8 * 1024 * 1024
/** Seconds after `created` that `expires` says, where it is asked for. */
export const HTTP_SIGNATURE_LIFETIME_S = 300
/** Characters of a nonce. */
export const MAX_HTTP_NONCE = 256
/** Characters of any header that is read as a structured field here. */
export const MAX_STRUCTURED_HEADER = 4096

/** Component identifiers as they are serialised (RFC 9421 §2, §2.4), always covered. */
export const HTTP_COMPONENTS = [
  '"@status"',
  '"content-digest"',
  '"x-receipt-id"',
  '"@method";req',
  '"@path";req',
] as const
/** Covered where the request states it and what arrived has that digest. */
export const REQUEST_DIGEST_COMPONENT = '"content-digest";req'
export type HttpComponent = (typeof HTTP_COMPONENTS)[number] | typeof REQUEST_DIGEST_COMPONENT

/** What the components stand for. Values of fields as they are on the wire, without white space around them. */
export interface SignedExchange {
  readonly status: number
  readonly contentDigest: string
  readonly receiptId: string
  /** As received, upper case. */
  readonly method: string
  /** As received, without query. */
  readonly path: string
  /** The request's `Content-Digest`; null where it has none. */
  readonly requestDigest: string | null
}

const COMPONENTS: readonly HttpComponent[] = [...HTTP_COMPONENTS, REQUEST_DIGEST_COMPONENT]

function valueOf(component: HttpComponent, exchange: SignedExchange): string | null {
  switch (component) {
    case '"@status"':
      return String(exchange.status)
    case '"content-digest"':
      return exchange.contentDigest
    case '"x-receipt-id"':
      return exchange.receiptId
    case '"@method";req':
      return exchange.method
    case '"@path";req':
      return exchange.path
    case '"content-digest";req':
      return exchange.requestDigest
  }
}

/**
 * Whether a list of components is one that is signed for: all that must be there, none unknown, none twice.
 *
 * @param listed serialised identifiers
 */
export function isCovered(listed: readonly string[]): listed is readonly HttpComponent[] {
  const known: readonly string[] = COMPONENTS
  return (
    new Set(listed).size === listed.length &&
    listed.every((component) => known.includes(component)) &&
    HTTP_COMPONENTS.every((component) => listed.includes(component))
  )
}

/**
 * The signature base (RFC 9421 §2.5).
 *
 * @param params the value of `@signature-params`, serialised
 * @returns null where a value is missing, or could be read as more than one line
 */
export function signatureBase(
  components: readonly HttpComponent[],
  exchange: SignedExchange,
  params: string,
): string | null {
  const lines: string[] = []
  for (const component of components) {
    const value = valueOf(component, exchange)
    if (value === null || !/^[\x20-\x7e]*$/.test(value)) return null
    lines.push(`${component}: ${value}`)
  }
  return [...lines, `"@signature-params": ${params}`].join('\n')
}
