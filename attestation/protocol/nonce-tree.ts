/**
 * The tree over the client nonces that one quote answers: the Merkle tree of RFC 6962 §2.1, leaves being the raw
 * 32-byte nonces. Its leaf and node prefixes keep a node from being passed off as a nonce.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import { hex32Bytes, toHex32 } from './hex.ts'
import type { Hex32 } from './hex.ts'
import { inclusionRoot } from './log/inclusion-proof.ts'
import { leafHash, nodeHash } from './merkle-hash.ts'

/** Nonces that one round may answer. */
export const MAX_NONCES_PER_ROUND = 4096

/** ⌈log2(MAX_NONCES_PER_ROUND)⌉: no honest path is longer. */
export const MAX_NONCE_PATH = 12

export interface NonceProof {
  readonly index: number
  readonly tree_size: number
  readonly path: readonly Hex32[]
}

export interface NonceTree {
  readonly root: Hex32
  proof(index: number): NonceProof
}

/**
 * Builds the tree level by level; an odd node at the end of a level moves up unchanged, which gives exactly the
 * recursive definition of RFC 6962.
 *
 * @throws RangeError for no nonces or more than {@link MAX_NONCES_PER_ROUND}: a bug of the caller
 */
export function buildNonceTree(nonces: readonly Hex32[], crypto: CryptoPort): NonceTree {
  if (nonces.length === 0 || nonces.length > MAX_NONCES_PER_ROUND) {
    throw new RangeError(`a round answers 1 to ${MAX_NONCES_PER_ROUND} nonces`)
  }
  const levels: Uint8Array[][] = [nonces.map((nonce) => leafHash(hex32Bytes(nonce), crypto))]
  for (;;) {
    const below = levels[levels.length - 1] ?? []
    if (below.length === 1) break
    const level: Uint8Array[] = []
    for (let i = 0; i < below.length; i += 2) {
      const left = below[i]
      const right = below[i + 1]
      if (left === undefined) break
      level.push(right === undefined ? left : nodeHash(left, right, crypto))
    }
    levels.push(level)
  }
  const top = levels[levels.length - 1]?.[0]
  if (top === undefined) throw new RangeError('a tree with a leaf has a root')
  return {
    root: toHex32(top),
    proof(index) {
      const path: Hex32[] = []
      let position = index
      for (const level of levels.slice(0, -1)) {
        const sibling = level[position ^ 1]
        if (sibling !== undefined) path.push(toHex32(sibling))
        position >>= 1
      }
      return { index, tree_size: nonces.length, path }
    },
  }
}

/**
 * Recomputes the root from a nonce and its path (RFC 9162 §2.1.3.2).
 *
 * @returns null where the proof cannot belong to any tree of its size
 */
export function nonceRoot(nonce: Hex32, proof: NonceProof, crypto: CryptoPort): Hex32 | null {
  const { index, tree_size: size, path } = proof
  if (!Number.isInteger(index) || !Number.isInteger(size)) return null
  if (size < 1 || size > MAX_NONCES_PER_ROUND || index < 0 || index >= size) return null
  if (path.length > MAX_NONCE_PATH) return null
  const hash = leafHash(hex32Bytes(nonce), crypto)
  const root = inclusionRoot(hash, index, size, path.map(hex32Bytes), crypto)
  return root === null ? null : toHex32(root)
}
