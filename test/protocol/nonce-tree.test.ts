import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import {
  MAX_NONCES_PER_ROUND,
  buildNonceTree,
  nonceRoot,
} from '../../attestation/protocol/nonce-tree.ts'

function nonces(count: number): Hex32[] {
  return Array.from({ length: count }, (_, i) => {
    const bytes = new Uint8Array(32)
    new DataView(bytes.buffer).setUint32(28, i + 1)
    return toHex32(bytes)
  })
}

describe('the nonce tree', () => {
  test('every nonce of every size up to 70 proves itself, and only at its own place', () => {
    for (let size = 1; size <= 70; size++) {
      const leaves = nonces(size)
      const tree = buildNonceTree(leaves, nodeCrypto)
      leaves.forEach((nonce, index) => {
        const proof = tree.proof(index)
        expect(nonceRoot(nonce, proof, nodeCrypto)).toBe(tree.root)
        const other = { ...proof, index: (index + 1) % size }
        if (size > 1) expect(nonceRoot(nonce, other, nodeCrypto)).not.toBe(tree.root)
      })
    }
  })

  test('a full round of 4,096 works, one more is refused', () => {
    const leaves = nonces(MAX_NONCES_PER_ROUND)
    const tree = buildNonceTree(leaves, nodeCrypto)
    for (const index of [0, 1, 2047, 4094, 4095]) {
      const nonce = leaves[index]
      if (nonce === undefined) throw new Error('the test asks for a leaf')
      expect(nonceRoot(nonce, tree.proof(index), nodeCrypto)).toBe(tree.root)
    }
    expect(() => buildNonceTree(nonces(MAX_NONCES_PER_ROUND + 1), nodeCrypto)).toThrow(RangeError)
    expect(() => buildNonceTree([], nodeCrypto)).toThrow(RangeError)
  })

  test('a proof that was changed in any way gives another root or none', () => {
    const leaves = nonces(13)
    const tree = buildNonceTree(leaves, nodeCrypto)
    fc.assert(
      fc.property(
        fc.nat({ max: 12 }),
        fc.nat({ max: 6 }),
        fc.constantFrom('drop', 'repeat', 'flip', 'size', 'append'),
        (index, place, how) => {
          const nonce = leaves[index]
          if (nonce === undefined) return
          const proof = tree.proof(index)
          const path = [...proof.path]
          const at = place % path.length
          const step = path[at] ?? tree.root
          if (how === 'drop') path.splice(at, 1)
          if (how === 'repeat') path.splice(at, 0, step)
          if (how === 'append') path.push(tree.root)
          if (how === 'flip')
            path[at] = `${step.slice(0, -1)}${step.endsWith('0') ? '1' : '0'}` as Hex32
          const size = how === 'size' ? 13 + 16 * (place + 1) : 13
          const changed = { index, tree_size: size, path }
          expect(nonceRoot(nonce, changed, nodeCrypto)).not.toBe(tree.root)
        },
      ),
    )
  })

  test('a node of the tree cannot be passed off as a nonce', () => {
    const leaves = nonces(4)
    const tree = buildNonceTree(leaves, nodeCrypto)
    const sibling = tree.proof(0).path[1]
    if (sibling === undefined) throw new Error('a tree of four has two levels')
    const forged = { index: 1, tree_size: 2, path: [sibling] }
    expect(nonceRoot(sibling, forged, nodeCrypto)).not.toBe(tree.root)
  })

  test.each([
    ['a negative index', -1, 4],
    ['an index beyond the tree', 4, 4],
    ['a fraction', 0.5, 4],
    ['an empty tree', 0, 0],
    ['a tree beyond its limit', 0, MAX_NONCES_PER_ROUND + 1],
  ])('refuses %s', (_name, index, tree_size) => {
    const [nonce] = nonces(1)
    if (nonce === undefined) throw new Error('the test makes a nonce')
    expect(nonceRoot(nonce, { index, tree_size, path: [] }, nodeCrypto)).toBeNull()
  })
})
