/**
 * Hashes of the subtrees of a growing tree (RFC 6962 §2.1), from those that are complete and so never change.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { nodeHash } from '../merkle-hash.ts'

export interface NodeSource {
  /**
   * Hash over the 2^level leaves from index × 2^level on, all of which are there. Level 0 is the leaf hashes.
   */
  node(level: number, index: number): Uint8Array
}

/**
 * Hash of the subtree at that place in the tree over the first `size` leaves, of which it holds at least one. One that reaches
 * beyond the end is that of its left half where nothing lies in the right one.
 */
export function subtreeHash(
  level: number,
  index: number,
  size: number,
  nodes: NodeSource,
  crypto: CryptoPort,
): Uint8Array {
  if ((index + 1) * 2 ** level <= size) return nodes.node(level, index)
  const right = 2 * index + 1
  const left = subtreeHash(level - 1, right - 1, size, nodes, crypto)
  if (right * 2 ** (level - 1) >= size) return left
  return nodeHash(left, subtreeHash(level - 1, right, size, nodes, crypto), crypto)
}

/** Levels above the leaves of a tree of that size. */
export function treeHeight(size: number): number {
  let level = 0
  while (2 ** level < size) level++
  return level
}

/** Root of the tree over the first `size` leaves, at least one. */
export function treeRoot(size: number, nodes: NodeSource, crypto: CryptoPort): Uint8Array {
  return subtreeHash(treeHeight(size), 0, size, nodes, crypto)
}
