/**
 * The Merkle tree of a log as it grows (RFC 6962 §2.1): two hashes for a leaf, on average.
 *
 * In memory are the roots of whole tiles and the nodes above them, 64 bytes for 256 leaves; what lies below is computed from the tile
 * when a proof is asked for.
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { HASH_BYTES, leafHash, nodeHash } from '../../attestation/protocol/merkle-hash.ts'
import type { NodeSource } from '../../attestation/protocol/log/tree-nodes.ts'
import { TILE_HEIGHT, TILE_LEAVES } from './leaf-keeper.ts'

const FIRST_ROOM = 64 * HASH_BYTES

/** Hashes end to end. */
interface HashList {
  push(hash: Uint8Array): void
  at(index: number): Uint8Array | null
}

function createHashList(): HashList {
  let bytes = Buffer.alloc(FIRST_ROOM)
  let used = 0
  return {
    push(hash) {
      if (used === bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(bytes.length)])
      bytes.set(hash, used)
      used += HASH_BYTES
    },
    at(index) {
      const start = index * HASH_BYTES
      return start + HASH_BYTES <= used ? bytes.subarray(start, start + HASH_BYTES) : null
    },
  }
}

/** The leaves that a node is over are not kept any more. */
export class LeavesGone extends Error {
  override readonly name = 'LeavesGone'
}

export interface LogTree extends NodeSource {
  readonly size: number
  /** @returns the leaf's hash, and the root of the tile that it filled */
  append(leaf: Uint8Array): { readonly hash: Uint8Array; readonly tileRoot: Uint8Array | null }
}

/**
 * @param tile leaf hashes of a tile, whole or as far as it is filled; null where they are gone
 * @param start roots of the whole tiles and the number of leaves of a tree that has grown already
 */
export function createLogTree(
  tile: (index: number) => Buffer | null,
  start: { readonly tileRoots: Buffer; readonly size: number } = {
    tileRoots: Buffer.alloc(0),
    size: 0,
  },
): LogTree {
  /** From the height of a tile on. */
  const upper: HashList[] = []
  let { size } = start

  const addRoot = (root: Uint8Array, index: number) => {
    let hash = root
    let position = index
    for (let height = 0; ; height++) {
      const list = (upper[height] ??= createHashList())
      list.push(hash)
      if (position % 2 === 0) return
      const left = list.at(position - 1)
      if (left === null) throw new RangeError('a right node follows a left one')
      hash = nodeHash(left, hash, nodeCrypto)
      position = Math.floor(position / 2)
    }
  }
  for (let i = 0; i * HASH_BYTES < start.tileRoots.length; i++) {
    addRoot(start.tileRoots.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES), i)
  }
  /** Roots of the whole subtrees of the tile that is being filled, the largest first. */
  const peaks: Uint8Array[] = []

  const below = (level: number, index: number): Uint8Array => {
    const first = index * 2 ** level
    const leaves = tile(Math.floor(first / TILE_LEAVES))
    const offset = (first % TILE_LEAVES) * HASH_BYTES
    const count = 2 ** level
    if (leaves === null || leaves.length < offset + count * HASH_BYTES) throw new LeavesGone()
    let hashes = Array.from({ length: count }, (_, i) =>
      leaves.subarray(offset + i * HASH_BYTES, offset + (i + 1) * HASH_BYTES),
    )
    while (hashes.length > 1) {
      hashes = Array.from({ length: hashes.length / 2 }, (_, i) =>
        Buffer.from(
          nodeHash(
            hashes[2 * i] ?? new Uint8Array(HASH_BYTES),
            hashes[2 * i + 1] ?? new Uint8Array(HASH_BYTES),
            nodeCrypto,
          ),
        ),
      )
    }
    return hashes[0] ?? new Uint8Array(HASH_BYTES)
  }

  return {
    get size() {
      return size
    },
    append(leaf) {
      const hash = leafHash(leaf, nodeCrypto)
      let node = hash
      for (let rest = size % TILE_LEAVES; rest % 2 === 1; rest = Math.floor(rest / 2)) {
        const left = peaks.pop()
        if (left === undefined) throw new RangeError('a tree that has grown takes no more leaves')
        node = nodeHash(left, node, nodeCrypto)
      }
      size++
      if (size % TILE_LEAVES !== 0) {
        peaks.push(node)
        return { hash, tileRoot: null }
      }
      addRoot(node, size / TILE_LEAVES - 1)
      return { hash, tileRoot: node }
    },
    node(level, index) {
      if (level < TILE_HEIGHT) return below(level, index)
      const found = upper[level - TILE_HEIGHT]?.at(index) ?? null
      if (found === null) throw new LeavesGone()
      return found
    },
  }
}
