/**
 * SHA-256 and length of the bytes of an answer, as they are sent or of all of them at once.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { hexToSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import { sha256Of } from './read-request.ts'

export class ResponseDigest {
  /** Running over a stream's bytes, or the final value of a buffered body. */
  #state: Hash | Sha256Digest | null = null
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** A piece of a stream. */
  add(piece: Uint8Array): void {
    if (typeof this.#state === 'string') return
    this.#state ??= createHash('sha256')
    this.#state.update(piece)
    this.#bytes += piece.length
  }

  /** A whole body, in place of whatever was there. */
  set(digest: Sha256Digest, bytes: number): void {
    this.#state = digest
    this.#bytes = bytes
  }

  /** Asked for once. */
  end(): Sha256Digest {
    if (this.#state === null) return EMPTY_HASH
    if (typeof this.#state === 'string') return this.#state
    return hexToSha256Digest(this.#state.digest('hex'))
  }
}

export const EMPTY_HASH = sha256Of(new Uint8Array(0))
