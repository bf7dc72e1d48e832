/**
 * Where the leaf hashes of a log are kept, in tiles of {@link TILE_LEAVES}: the interface, and memory.
 *
 * @module
 */
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { HASH_BYTES } from '../../attestation/protocol/merkle-hash.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'

/** Leaves of a tile, which is a whole subtree of this height. */
export const TILE_HEIGHT = 8
export const TILE_LEAVES = 2 ** TILE_HEIGHT
export const TILE_BYTES = TILE_LEAVES * HASH_BYTES

/** Tiles with records that are kept in memory: more leaves than receipts are kept there. */
export const MAX_MEMORY_TILES = 2048

/** What is kept of a log beside its leaves. */
export interface LogFacts {
  readonly origin: string
  readonly generation: number
  /** JCS text of the record that leaf 0 is of. */
  readonly bootRecord: string
  /** The last head that was published, and the note its boot signed over it. */
  readonly head: LogHead
  readonly checkpoint: string
}

/** The log of a boot that has ended. */
export interface EarlierLog extends LogFacts {
  /** Its last head: the published one, or a later one over what else was kept when the boot was killed. */
  readonly closed: LogHead
  /** Roots of its whole tiles, end to end. */
  readonly tileRoots: Buffer
  /** Leaf hashes of a tile, end to end; null where they are not there any more. */
  tile(index: number): Buffer | null
}

export interface LeafKeeper {
  /** The last head of the boot before, and its generation; null where no earlier log is known. */
  readonly predecessor: { readonly head: LogHead; readonly generation: number } | null
  /** A leaf was added: kept with whatever is kept next. @param leaves of that tile, end to end, of which `used` bytes are there */
  grew(index: number, leaves: Buffer, used: number): void
  /** A tile is whole, and its leaves change no more. @param padding it holds no leaf of a record */
  filled(index: number, leaves: Buffer, root: Uint8Array, padding: boolean): void
  /** Of this boot; null where it is not kept any more. */
  tile(index: number): Buffer | null
  /** Resolves when all leaves so far and these facts are kept: only then may the head be shown to anybody. */
  publish(facts: LogFacts): Promise<void>
  /** Of a boot before; null where it is not known. */
  earlier(bootId: Hex32): EarlierLog | null
}

/**
 * Keeps leaves as long as the boot: the first tile, which holds the boot record, and the latest with records in them. What has left
 * cannot be proved any more.
 *
 * @param padding whether tiles of nothing but padding are kept too, for those who read the whole
 */
export function createMemoryKeeper(
  padding: boolean,
  maxTiles: number = MAX_MEMORY_TILES,
): LeafKeeper {
  const tiles = new Map<number, Buffer>()
  return {
    predecessor: null,
    grew: () => undefined,
    filled(index, leaves, _root, isPadding) {
      if (index > 0 && isPadding && !padding) return
      tiles.set(index, leaves)
      if (tiles.size <= maxTiles) return
      const oldest = [...tiles.keys()].find((kept) => kept > 0)
      if (oldest !== undefined) tiles.delete(oldest)
    },
    tile: (index) => tiles.get(index) ?? null,
    publish: () => Promise.resolve(),
    earlier: () => null,
  }
}
