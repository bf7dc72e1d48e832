/**
 * Inclusion proofs: that a leaf stands at its place in a tree (RFC 6962 §2.1.1, RFC 9162 §2.1.3).
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { HASH_BYTES, nodeHash } from '../merkle-hash.ts'
import { subtreeHash } from './tree-nodes.ts'
import type { NodeSource } from './tree-nodes.ts'

/** Leaves that a tree may have: more than a boot can write, and few enough for exact arithmetic. */
export const MAX_TREE_SIZE = 2 ** 48
/** ⌈log2(MAX_TREE_SIZE)⌉ and one: no honest proof is longer. */
export const MAX_PROOF_PATH = 49

export function isTreeSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= MAX_TREE_SIZE
}

/**
 * The path of leaf `index` in the tree over the first `size` leaves, lowest first.
 *
 * @throws RangeError for a leaf that this tree does not have: a bug of the caller
 */
export function inclusionPath(
  index: number,
  size: number,
  nodes: NodeSource,
  crypto: CryptoPort,
): readonly Uint8Array[] {
  if (!isTreeSize(size) || !Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new RangeError('no such leaf')
  }
  const path: Uint8Array[] = []
  let position = index
  for (let level = 0; 2 ** level < size; level++) {
    const sibling = position % 2 === 1 ? position - 1 : position + 1
    // A node without a sibling moves up unchanged.
    if (sibling * 2 ** level < size) path.push(subtreeHash(level, sibling, size, nodes, crypto))
    position = Math.floor(position / 2)
  }
  return path
}

/**
 * Recomputes the root from a leaf's hash and its path (RFC 9162 §2.1.3.2).
 *
 * @param hash 32 bytes, `leafHash` of the leaf
 * @returns null where the path cannot belong to that leaf of any tree of this size
 */
export function inclusionRoot(
  hash: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
  crypto: CryptoPort,
): Uint8Array | null {
  if (!isTreeSize(size) || !Number.isSafeInteger(index) || index < 0 || index >= size) return null
  if (path.length > MAX_PROOF_PATH || path.some((step) => step.length !== HASH_BYTES)) return null
  let position = index
  let last = size - 1
  let root = hash
  const up = () => {
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  for (const step of path) {
    // A path that is too long must not be read as one of a higher tree.
    if (last === 0) return null
    if (position % 2 === 1 || position === last) {
      root = nodeHash(step, root, crypto)
      while (position % 2 === 0 && position !== 0) up()
    } else {
      root = nodeHash(root, step, crypto)
    }
    up()
  }
  return last === 0 ? root : null
}
