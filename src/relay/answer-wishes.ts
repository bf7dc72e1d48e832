/**
 * What a client may ask to have with its answer: the receipt, a digest, a signature. And the headers that a buffered answer
 * carries because of it.
 *
 * @module
 */
import type { IncomingHttpHeaders } from 'node:http'
import { INLINE_WANTED } from '../../attestation/protocol/inline-receipt.ts'
import { MAX_SIGNED_BODY_BYTES } from '../../attestation/protocol/http-signature.ts'
import type { HttpSigner } from '../../enclave/http-signatures/http-signer.ts'
import { inlineHeader } from './inline-receipt.ts'
import { readSignatureWish, statesSha256, wantsSha256 } from './structured-fields.ts'

export interface AnswerWishes {
  readonly inline: boolean
  /** Fields of the request as received; null where they are missing. */
  readonly wantContentDigest: string | null
  readonly acceptSignature: string | null
  readonly contentDigest: string | null
  /** Of the request, without query. */
  readonly path: string
}

function field(value: string | string[] | undefined): string | null {
  return typeof value === 'string' ? value : null
}

/** @param url of the request. @returns null for a client that asks for nothing, as nearly all do */
export function readWishes(headers: IncomingHttpHeaders, url: string): AnswerWishes | null {
  const inline = headers['x-countersign-inline']
  const wanted = headers['want-content-digest']
  const accepted = headers['accept-signature']
  if (inline === undefined && wanted === undefined && accepted === undefined) return null
  return {
    inline: inline === INLINE_WANTED,
    wantContentDigest: field(wanted),
    acceptSignature: field(accepted),
    contentDigest: field(headers['content-digest']),
    path: url.split('?', 1)[0] ?? '',
  }
}

/** A settled exchange whose answer is buffered. */
export interface BufferedAnswer {
  readonly status: number
  readonly receiptId: string
  /** Null where it was not asked for. */
  readonly receipt: string | null
  readonly method: string
  /** SHA-256, 32 bytes, of the bodies as received and as sent. */
  readonly requestHash: Uint8Array
  readonly responseHash: Uint8Array
  readonly responseBytes: number
}

/** Names and values in turn. */
export function wishedHeaders(
  wishes: AnswerWishes,
  answer: BufferedAnswer,
  signer: HttpSigner,
): string[] {
  const headers = answer.receipt === null ? [] : [...inlineHeader(answer.receipt)]
  if (answer.responseBytes > MAX_SIGNED_BODY_BYTES) return headers
  const { wantContentDigest, acceptSignature, contentDigest: requestDigest, path } = wishes
  const contentDigest = `sha-256=:${Buffer.from(answer.responseHash).toString('base64')}:`
  const { status, receiptId, method } = answer
  const states = requestDigest !== null && statesSha256(requestDigest, answer.requestHash)
  const asked =
    acceptSignature === null ? null : readSignatureWish(acceptSignature, signer.keyId, states)
  const exchange = { status, contentDigest, receiptId, method, path, requestDigest }
  const signed = asked === null ? null : signer.sign(asked.wish, exchange)
  if (signed !== null || (wantContentDigest !== null && wantsSha256(wantContentDigest))) {
    headers.push('Content-Digest', contentDigest)
  }
  if (asked !== null && signed !== null) {
    headers.push('Signature-Input', `${asked.label}=${signed.input}`)
    headers.push('Signature', `${asked.label}=${signed.signature}`)
  }
  return headers
}
