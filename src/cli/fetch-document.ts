/**
 * Fetches attestation documents of a service.
 *
 * @module
 */
import type { ObservedChannel } from '../../attestation/appraiser/channel/judge-channel.ts'
import { unwrapDocument } from '../../attestation/appraiser/document/parse-document.ts'
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import { getOnce } from '../channel/get-once.ts'
import { EXIT } from './exit-codes.ts'
import { MAX_DOCUMENT_BYTES } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

/** Milliseconds for an answer: a round of attestation takes seconds on hardware. */
export const FETCH_MS = 60_000

/** Below `/v1` of a bare origin, and below whatever path is given: an OpenAI base URL, a broker's proxy path. */
export function attestationUrl(base: string, path: string, search = ''): string {
  const url = new URL(base)
  const prefix = url.pathname.replace(/\/+$/, '')
  url.pathname = `${prefix === '' ? '/v1' : prefix}/attestation/${path}`
  url.search = search
  return url.href
}

/** Where the wrapped document is served. */
export function documentUrl(base: string, nonce: Hex32): string {
  return attestationUrl(base, 'document', `?nonce=${nonce}`)
}

export interface FetchedDocument {
  readonly bytes: Uint8Array
  /** What it came on. */
  readonly channel: ObservedChannel
}

/**
 * Over any certificate: a document says by itself whose it is, and whether the connection ended there.
 *
 * @returns null for 404
 * @throws Refusal where the answer is neither 200 nor 404, or too large
 */
async function read(url: string): Promise<FetchedDocument | null> {
  const { status, body, channel } = await getOnce(url, {
    maxBytes: MAX_DOCUMENT_BYTES,
    timeoutMs: FETCH_MS,
  })
  if (body === null) throw new Refusal('The answer is too large.', EXIT.internal)
  if (status === 404) return null
  if (status !== 200) throw new Refusal(`The service answered ${status}.`, EXIT.internal)
  return { bytes: unwrapDocument(body), channel }
}

/** @throws Refusal where the answer is not 200, or too large */
export async function fetchDocument(base: string, nonce: Hex32): Promise<FetchedDocument> {
  const found = await read(documentUrl(base, nonce))
  if (found === null) throw new Refusal('The service answered 404.', EXIT.internal)
  return found
}

/**
 * The document that the service keeps of a keyset.
 *
 * @returns null where it keeps none
 * @throws Refusal where the answer is neither 200 nor 404, or too large
 */
export async function fetchArchived(
  base: string,
  digest: Sha256Digest,
): Promise<FetchedDocument | null> {
  return read(attestationUrl(base, `keysets/${digest}`))
}

/** The system's code alone: messages quote addresses and headers. */
function causeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? ` (${code})` : ''
}

/** @throws Refusal where nobody answers, in one sentence */
export async function reached<T>(target: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw new Refusal(`${target} cannot be reached${causeOf(error)}.`, EXIT.internal)
  }
}
