/**
 * Consistency proofs: that a tree was only ever appended to (RFC 6962 §2.1.2, RFC 9162 §2.1.4).
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { HASH_BYTES, nodeHash } from '../merkle-hash.ts'
import { MAX_PROOF_PATH, isTreeSize } from './inclusion-proof.ts'
import { subtreeHash, treeHeight } from './tree-nodes.ts'
import type { NodeSource } from './tree-nodes.ts'

function isPair(from: number, to: number): boolean {
  return isTreeSize(from) && isTreeSize(to) && from <= to
}

/**
 * The proof between the trees over the first `from` and the first `to` leaves; empty where they are the same.
 *
 * @throws RangeError unless 1 ≤ from ≤ to: a bug of the caller
 */
export function consistencyPath(
  from: number,
  to: number,
  nodes: NodeSource,
  crypto: CryptoPort,
): readonly Uint8Array[] {
  if (!isPair(from, to)) throw new RangeError('no such trees')
  /** SUBPROOF of RFC 9162 §2.1.4.1 over the leaves of one subtree of the larger tree. */
  const proof = (level: number, index: number, whole: boolean): Uint8Array[] => {
    const start = index * 2 ** level
    const end = Math.min(start + 2 ** level, to)
    if (from >= end) return whole ? [] : [subtreeHash(level, index, to, nodes, crypto)]
    const middle = start + 2 ** (level - 1)
    // Nothing in the right half: the subtree is its left half.
    if (middle >= to) return proof(level - 1, 2 * index, whole)
    if (from <= middle) {
      return [
        ...proof(level - 1, 2 * index, whole),
        subtreeHash(level - 1, 2 * index + 1, to, nodes, crypto),
      ]
    }
    return [
      ...proof(level - 1, 2 * index + 1, false),
      subtreeHash(level - 1, 2 * index, to, nodes, crypto),
    ]
  }
  return proof(treeHeight(to), 0, true)
}

/**
 * Whether the tree of size `to` with root `toRoot` begins with the leaves of the tree of size `from` with root `fromRoot`
 * (RFC 9162 §2.1.4.2).
 */
export function isConsistent(
  from: number,
  fromRoot: Uint8Array,
  to: number,
  toRoot: Uint8Array,
  path: readonly Uint8Array[],
  crypto: CryptoPort,
): boolean {
  if (!isPair(from, to)) return false
  if (path.length > MAX_PROOF_PATH || path.some((step) => step.length !== HASH_BYTES)) return false
  if (from === to) return path.length === 0 && crypto.equal(fromRoot, toRoot)
  // A smaller tree that is one whole subtree of the larger one is not in the proof itself.
  const steps = 2 ** treeHeight(from) === from ? [fromRoot, ...path] : [...path]
  const [first] = steps
  if (first === undefined) return false
  let position = from - 1
  let last = to - 1
  const up = () => {
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  while (position % 2 === 1) up()
  let before = first
  let after = first
  for (const step of steps.slice(1)) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      before = nodeHash(step, before, crypto)
      after = nodeHash(step, after, crypto)
      while (position % 2 === 0 && position !== 0) up()
    } else {
      after = nodeHash(after, step, crypto)
    }
    up()
  }
  return last === 0 && crypto.equal(before, fromRoot) && crypto.equal(after, toRoot)
}
