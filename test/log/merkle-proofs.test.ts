import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { consistencyPath, isConsistent } from '../../attestation/protocol/log/consistency-proof.ts'
import {
  MAX_TREE_SIZE,
  inclusionPath,
  inclusionRoot,
} from '../../attestation/protocol/log/inclusion-proof.ts'
import { treeRoot } from '../../attestation/protocol/log/tree-nodes.ts'
import { leafHash, nodeHash } from '../../attestation/protocol/merkle-hash.ts'
import { LACKS, askStranger, nodesOf } from './log.helpers.ts'

const fromHex = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
const MAX = 200
const leaves = Array.from({ length: MAX }, (_, i) =>
  Uint8Array.from(createHash('sha256').update(`leaf ${i}`).digest()),
)
const hashes = leaves.map((leaf) => leafHash(leaf, nodeCrypto))
const nodes = nodesOf(leaves)
const roots = Array.from({ length: MAX + 1 }, (_, size) =>
  size === 0 ? new Uint8Array(32) : treeRoot(size, nodes, nodeCrypto),
)
const at = <T>(list: readonly T[], index: number): T => {
  const found = list[index]
  if (found === undefined) throw new Error('the test asks for what is there')
  return found
}

/** Leaves and roots of the tests of Google's certificate-transparency, known since 2012. */
const KNOWN = [
  ['', '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
  ['00', 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
  ['10', 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
  ['2021', 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'],
  ['3031', '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4'],
  ['40414243', '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef'],
  ['5051525354555657', 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'],
  [
    '606162636465666768696a6b6c6d6e6f',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ],
] as const

describe('the tree', () => {
  test('has the roots of the certificate-transparency vectors', () => {
    const known = nodesOf(KNOWN.map(([leaf]) => fromHex(leaf)))
    KNOWN.forEach(([, root], i) => {
      expect(toHex(treeRoot(i + 1, known, nodeCrypto))).toBe(root)
    })
  })

  test.skipIf(LACKS !== null)('is what the recursive definition in Python makes of it', () => {
    const known = KNOWN.map(([leaf]) => leaf)
    const own = leaves.map((leaf) => toHex(leaf))
    const sizes = [1, 2, 3, 7, 8, 9, 63, 64, 65, 127, 128, 129, 200]
    const answers = askStranger([
      ...KNOWN.map((_, i) => ({ kind: 'root', leaves: known.slice(0, i + 1) })),
      ...sizes.map((size) => ({ kind: 'root', leaves: own.slice(0, size) })),
    ])
    expect(answers).toEqual([
      ...KNOWN.map(([, root]) => root),
      ...sizes.map((size) => toHex(at(roots, size))),
    ])
  })
})

describe('inclusion proofs', () => {
  test('every leaf of every size up to 200 proves itself, and at no other place', () => {
    for (let size = 1; size <= MAX; size++) {
      for (let index = 0; index < size; index++) {
        const path = inclusionPath(index, size, nodes, nodeCrypto)
        const root = inclusionRoot(at(hashes, index), index, size, path, nodeCrypto)
        if (root === null || !nodeCrypto.equal(root, at(roots, size))) {
          throw new Error(`leaf ${index} of ${size}`)
        }
      }
    }
    const size = 149
    for (let index = 0; index < size; index++) {
      const path = inclusionPath(index, size, nodes, nodeCrypto)
      for (let other = 0; other < size; other++) {
        if (other === index) continue
        const root = inclusionRoot(at(hashes, index), other, size, path, nodeCrypto)
        if (root !== null && nodeCrypto.equal(root, at(roots, size))) {
          throw new Error(`leaf ${index} passes for ${other}`)
        }
      }
    }
  })

  test.skipIf(LACKS !== null)('verify in Python, which computes them from the top', () => {
    const asked = [1, 2, 5, 8, 100, 129, 200].flatMap((size) =>
      Array.from({ length: size }, (_, index) => ({ index, size })),
    )
    const answers = askStranger(
      asked.map(({ index, size }) => ({
        kind: 'inclusion',
        leaf: toHex(at(leaves, index)),
        index,
        size,
        path: inclusionPath(index, size, nodes, nodeCrypto).map(toHex),
      })),
    )
    expect(answers).toEqual(asked.map(({ size }) => toHex(at(roots, size))))
  })

  test('a path that was cut, lengthened, reordered or changed gives another root or none', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: MAX }),
        fc.nat(),
        fc.nat(),
        fc.constantFrom('cut', 'drop', 'append', 'prepend', 'flip', 'short step'),
        (size, i, j, how) => {
          const index = i % size
          const path = [...inclusionPath(index, size, nodes, nodeCrypto)]
          const place = j % path.length
          const step = at(path, place)
          if (how === 'cut') path.pop()
          else if (how === 'drop') path.splice(place, 1)
          else if (how === 'append') path.push(at(hashes, j % MAX))
          else if (how === 'prepend') path.unshift(at(hashes, j % MAX))
          else if (how === 'flip')
            path[place] = step.map((byte, n) => (n === j % 32 ? byte ^ 1 : byte))
          else path[place] = step.subarray(1)
          const root = inclusionRoot(at(hashes, index), index, size, path, nodeCrypto)
          expect(root !== null && nodeCrypto.equal(root, at(roots, size))).toBe(false)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('a node cannot be shown as a leaf: its hash under the leaf prefix is another one', () => {
    const left = at(hashes, 0)
    const right = at(hashes, 1)
    const path = inclusionPath(0, 4, nodes, nodeCrypto).slice(1)
    // In a tree of two, the node over leaves 0 and 1 stands where a leaf would.
    const node = nodeHash(left, right, nodeCrypto)
    const shown = inclusionRoot(node, 0, 2, path, nodeCrypto)
    expect(shown).toEqual(at(roots, 4))
    const asLeaf = Uint8Array.from([...left, ...right])
    const judged = inclusionRoot(leafHash(asLeaf, nodeCrypto), 0, 2, path, nodeCrypto)
    expect(judged).not.toEqual(at(roots, 4))
  })

  test.each([
    [0, 0],
    [-1, 4],
    [4, 4],
    [0.5, 4],
    [0, 4.5],
    [Number.NaN, 4],
    [0, Number.POSITIVE_INFINITY],
    [0, MAX_TREE_SIZE + 1],
  ])('index %d of size %d belongs to no tree', (index, size) => {
    const path = inclusionPath(0, 4, nodes, nodeCrypto)
    expect(inclusionRoot(at(hashes, 0), index, size, path, nodeCrypto)).toBeNull()
    expect(() => inclusionPath(index, size, nodes, nodeCrypto)).toThrow(RangeError)
  })

  test('of the largest tree verify, with exact numbers', () => {
    const step = at(hashes, 0)
    const path = Array.from({ length: 48 }, () => step)
    expect(inclusionRoot(step, MAX_TREE_SIZE - 1, MAX_TREE_SIZE, path, nodeCrypto)).not.toBeNull()
    expect(
      inclusionRoot(step, MAX_TREE_SIZE - 1, MAX_TREE_SIZE, [...path, step], nodeCrypto),
    ).toBeNull()
    expect(
      inclusionRoot(step, MAX_TREE_SIZE - 1, MAX_TREE_SIZE, path.slice(1), nodeCrypto),
    ).toBeNull()
  })
})

describe('consistency proofs', () => {
  test('all pairs of sizes up to 200 verify, and against no other old or new root', () => {
    for (let to = 1; to <= MAX; to++) {
      for (let from = 1; from <= to; from++) {
        const path = consistencyPath(from, to, nodes, nodeCrypto)
        const check = (a: number, b: number) =>
          isConsistent(from, at(roots, a), to, at(roots, b), path, nodeCrypto)
        if (!check(from, to)) throw new Error(`${from} to ${to}`)
        if (check(from === 1 ? 2 : from - 1, to)) throw new Error(`old root of ${from} to ${to}`)
        if (check(from, to === 1 ? 2 : to - 1)) throw new Error(`new root of ${from} to ${to}`)
      }
    }
  })

  test.skipIf(LACKS !== null)('verify in Python, which computes both roots from the top', () => {
    const asked = Array.from({ length: 40 }, (_, i) => i + 1).flatMap((to) =>
      Array.from({ length: to }, (_, i) => ({ from: i + 1, to: to * 5 - 3 })),
    )
    const answers = askStranger(
      asked.map(({ from, to }) => ({
        kind: 'consistency',
        from,
        to,
        from_root: toHex(at(roots, from)),
        path: consistencyPath(from, to, nodes, nodeCrypto).map(toHex),
      })),
    )
    expect(answers).toEqual(
      asked.map(({ from, to }) => [toHex(at(roots, from)), toHex(at(roots, to))]),
    )
  })

  test('a path that was cut, lengthened or changed proves nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: MAX }),
        fc.nat(),
        fc.nat(),
        fc.constantFrom('cut', 'drop', 'append', 'prepend', 'flip', 'short step'),
        (to, i, j, how) => {
          const from = 1 + (i % (to - 1))
          const path = [...consistencyPath(from, to, nodes, nodeCrypto)]
          const place = j % path.length
          const step = at(path, place)
          if (how === 'cut') path.pop()
          else if (how === 'drop') path.splice(place, 1)
          else if (how === 'append') path.push(at(hashes, j % MAX))
          else if (how === 'prepend') path.unshift(at(hashes, j % MAX))
          else if (how === 'flip')
            path[place] = step.map((byte, n) => (n === j % 32 ? byte ^ 1 : byte))
          else path[place] = step.subarray(1)
          const proved = isConsistent(from, at(roots, from), to, at(roots, to), path, nodeCrypto)
          expect(proved).toBe(false)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('a tree one of whose old leaves was replaced is not consistent with the old one', () => {
    const other = [...leaves]
    other[3] = at(leaves, 4)
    const forked = nodesOf(other)
    for (const [from, to] of [
      [4, 5],
      [5, 64],
      [64, 65],
      [100, 200],
    ] as const) {
      const root = treeRoot(to, forked, nodeCrypto)
      const path = consistencyPath(from, to, forked, nodeCrypto)
      expect(isConsistent(from, at(roots, from), to, root, path, nodeCrypto)).toBe(false)
    }
  })

  test('there is none from nothing, backwards, or between odd sizes', () => {
    for (const [from, to] of [
      [0, 4],
      [5, 4],
      [1.5, 4],
      [1, Number.NaN],
      [1, MAX_TREE_SIZE + 1],
    ] as const) {
      expect(isConsistent(from, at(roots, 1), to, at(roots, 4), [], nodeCrypto)).toBe(false)
      expect(() => consistencyPath(from, to, nodes, nodeCrypto)).toThrow(RangeError)
    }
  })
})
