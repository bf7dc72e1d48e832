/**
 * Fetches one receipt by the id that an answer named.
 *
 * @module
 */
import { fromHex } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import {
  INLINE_HEADER,
  MAX_INLINE_HEADER_LENGTH,
} from '../../attestation/protocol/inline-receipt.ts'
import { MAX_RECEIPT_BYTES } from '../../attestation/protocol/receipt.ts'
import { RECEIPT_ID } from '../../attestation/protocol/record.ts'
import { OPENING_BYTES } from '../../attestation/protocol/salted-digest.ts'
import { readBytes } from './bytes.ts'

export const RECEIPT_TIMEOUT_MS = 10_000
/**
 * Pauses in milliseconds before further attempts. A receipt is stored before its answer's last byte leaves, so only an
 * answer that its client gave up may have to be waited for.
 */
export const RECEIPT_RETRY_MS: readonly number[] = Object.freeze([50, 200, 1_000])

export interface FetchedReceipt {
  /** Its exact text. */
  readonly document: string
  readonly opening: Uint8Array | null
}

export interface ReceiptRequest {
  readonly fetch: typeof fetch
  readonly base: string
  readonly receiptId: string
  readonly authorization: string | null
  /** Base64url; who shows it owns the receipt. */
  readonly ownerSecret: string
}

/** The id that an answer names, or null where it names none that could be asked for. */
export function receiptIdOf(headers: Headers): string | null {
  const id = headers.get('x-receipt-id') ?? headers.get('zg-res-key')
  return id !== null && RECEIPT_ID.test(id) ? id : null
}

/** The receipt that came with a buffered answer; null where none did. */
export function inlineOfHeaders(headers: Headers): string | null {
  const text = headers.get(INLINE_HEADER)
  return text === null || text.length > MAX_INLINE_HEADER_LENGTH ? null : text
}

/** 32 bytes from 64 hex digits; null for anything else. */
export function readOpening(value: unknown): Uint8Array | null {
  const bytes = typeof value === 'string' ? fromHex(value) : null
  return bytes?.length === OPENING_BYTES ? bytes : null
}

async function attempt(request: ReceiptRequest): Promise<FetchedReceipt | null> {
  const { base, receiptId, authorization, ownerSecret } = request
  const response = await request.fetch(`${base}/signature/${receiptId}`, {
    headers: {
      accept: 'application/json',
      'x-countersign-owner-secret': ownerSecret,
      ...(authorization === null ? {} : { authorization }),
    },
    signal: AbortSignal.timeout(RECEIPT_TIMEOUT_MS),
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    return null
  }
  // The receipt stands inside as a string, with escapes.
  const bytes = await readBytes(response, 2 * MAX_RECEIPT_BYTES)
  const parsed = bytes === null ? null : parseJson(bytes)
  if (parsed?.ok !== true || !isJsonObject(parsed.value)) return null
  const { document, opening } = parsed.value
  return typeof document === 'string' ? { document, opening: readOpening(opening) } : null
}

/** @returns null where there is none to be had. Never rejects */
export async function fetchReceipt(request: ReceiptRequest): Promise<FetchedReceipt | null> {
  for (const pause of [0, ...RECEIPT_RETRY_MS]) {
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
    const receipt = await attempt(request).catch(() => null)
    if (receipt !== null) return receipt
  }
  return null
}
