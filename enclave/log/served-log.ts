/**
 * What can be asked of a log: of this boot's as it grows, and of an earlier boot's as it was kept.
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { consistencyPath } from '../../attestation/protocol/log/consistency-proof.ts'
import { inclusionPath } from '../../attestation/protocol/log/inclusion-proof.ts'
import { treeRoot } from '../../attestation/protocol/log/tree-nodes.ts'
import type { NodeSource } from '../../attestation/protocol/log/tree-nodes.ts'
import { HASH_BYTES } from '../../attestation/protocol/merkle-hash.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { TILE_LEAVES } from './leaf-keeper.ts'
import type { EarlierLog } from './leaf-keeper.ts'
import { LeavesGone, createLogTree } from './log-tree.ts'

export interface ServedLog {
  readonly origin: string
  /** JCS text of the record that leaf 0 is of. */
  readonly bootRecord: string
  /** The last head that the boot published, and its signed note. */
  readonly head: LogHead
  readonly checkpoint: string
  /** The largest head that there is: the published one, or where a boot was killed the one that its successor names. */
  readonly last: LogHead
  /** Whether a head of that size was published, or could have been. */
  hasSize(size: number): boolean
  /** Null where its leaves are not kept any more. @throws RangeError for what is in no tree of that size */
  inclusion(index: number, size: number): readonly Hex32[] | null
  consistency(from: number, to: number): readonly Hex32[] | null
  /** Leaf hashes of a whole tile that is published; null for any other. */
  tile(index: number): readonly Hex32[] | null
}

function hexOr(path: () => readonly Uint8Array[]): readonly Hex32[] | null {
  try {
    return path().map(toHex32)
  } catch (error) {
    if (error instanceof LeavesGone) return null
    throw error
  }
}

/** Sizes of heads: that of the first, whole tiles, and where a boot was killed the last. */
export function isHeadSize(size: number, last: number): boolean {
  const whole = Number.isSafeInteger(size) && size > 0 && size <= last
  return whole && (size === 1 || size % TILE_LEAVES === 0 || size === last)
}

export function proofsOf(
  nodes: NodeSource,
  last: () => number,
  leaves: (tile: number) => Buffer | null,
): Pick<ServedLog, 'hasSize' | 'inclusion' | 'consistency' | 'tile'> {
  return {
    hasSize: (size) => isHeadSize(size, last()),
    inclusion: (index, size) => hexOr(() => inclusionPath(index, size, nodes, nodeCrypto)),
    consistency: (from, to) => hexOr(() => consistencyPath(from, to, nodes, nodeCrypto)),
    tile(index) {
      if ((index + 1) * TILE_LEAVES > last()) return null
      const bytes = leaves(index)
      if (bytes === null) return null
      return Array.from({ length: TILE_LEAVES }, (_, i) =>
        toHex32(bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)),
      )
    },
  }
}

export function serveEarlierLog(log: EarlierLog): ServedLog {
  const { origin, bootRecord, head, checkpoint, closed, tileRoots } = log
  const nodes = createLogTree((index) => log.tile(index), { tileRoots, size: closed.size })
  return {
    origin,
    bootRecord,
    head,
    checkpoint,
    last: closed,
    ...proofsOf(
      nodes,
      () => closed.size,
      (index) => log.tile(index),
    ),
  }
}

/** Root of the tree that was kept. @returns null where leaves are missing */
export function rootOfKept(
  tileRoots: Buffer,
  size: number,
  tile: (index: number) => Buffer | null,
): Hex32 | null {
  const nodes = createLogTree(tile, { tileRoots, size })
  const [root] = hexOr(() => [treeRoot(size, nodes, nodeCrypto)]) ?? []
  return root ?? null
}
