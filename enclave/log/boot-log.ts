/**
 * The log of one boot. Its first leaf is of the boot record; then each record appends its hash in the step in which it is made, before
 * anything is signed, so that no record exists that the log does not hold.
 *
 * Heads are published on a schedule and padded to whole tiles: their sizes say in steps of 256 how much was served, and nothing about a
 * time without requests.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { digestHex, toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import { signCheckpoint } from '../../attestation/protocol/log/checkpoint.ts'
import { bootRecordBytes, paddingLeaf } from '../../attestation/protocol/log/leaves.ts'
import { logOrigin } from '../../attestation/protocol/log/log-origin.ts'
import { treeRoot } from '../../attestation/protocol/log/tree-nodes.ts'
import { HASH_BYTES } from '../../attestation/protocol/merkle-hash.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import type { BootKeys } from '../keys/boot-keys.ts'
import { TILE_BYTES, TILE_LEAVES } from './leaf-keeper.ts'
import type { LeafKeeper } from './leaf-keeper.ts'
import { createLogTree } from './log-tree.ts'
import { proofsOf, serveEarlierLog } from './served-log.ts'
import type { ServedLog } from './served-log.ts'

/** Logs of earlier boots whose upper nodes are held in memory. */
const MAX_EARLIER = 2

export interface BootLog extends ServedLog {
  /** Index of the leaf that is appended next: the sequence number of the record it is of. */
  readonly nextIndex: number
  append(recordHash: Sha256Digest): void
  /** Pads, signs and publishes a head. Rejects where it could not be kept: then the one before stands. */
  publish(): Promise<void>
  /** The log of a boot: this one's or an earlier one's; null where it is not known. */
  of(bootId: Hex32): ServedLog | null
}

export interface BootLogOptions {
  readonly keys: Pick<BootKeys, 'bootId' | 'keysetDigest' | 'log'>
  readonly configDigest: Sha256Digest
  readonly name: string
  readonly keeper: LeafKeeper
}

/** @returns the log with its first head published, over the boot record alone */
export async function openBootLog(options: BootLogOptions): Promise<BootLog> {
  const { keys, keeper } = options
  const origin = logOrigin(options.name, keys.bootId)
  const { predecessor } = keeper
  const generation = (predecessor?.generation ?? 0) + 1
  const boot = bootRecordBytes({
    boot_id: keys.bootId,
    config_digest: options.configDigest,
    generation,
    keyset_digest: keys.keysetDigest,
    predecessor: predecessor?.head ?? null,
  })
  const bootRecord = Buffer.from(boot).toString()

  /** The tile that is being filled. */
  let filling = Buffer.alloc(TILE_BYTES)
  let recordsInTile = 0
  const tile = (index: number): Buffer | null => {
    if (index !== Math.floor(tree.size / TILE_LEAVES)) return keeper.tile(index)
    return filling.subarray(0, (tree.size % TILE_LEAVES) * HASH_BYTES)
  }
  const tree = createLogTree(tile)

  const add = (leaf: Uint8Array, isRecord: boolean) => {
    const index = Math.floor(tree.size / TILE_LEAVES)
    const offset = (tree.size % TILE_LEAVES) * HASH_BYTES
    const { hash, tileRoot } = tree.append(leaf)
    filling.set(hash, offset)
    if (isRecord) recordsInTile++
    if (tileRoot === null) {
      keeper.grew(index, filling, offset + HASH_BYTES)
      return
    }
    keeper.filled(index, filling, tileRoot, recordsInTile === 0)
    filling = Buffer.alloc(TILE_BYTES)
    recordsInTile = 0
  }

  const pad = (target: number) => {
    const secrets = randomBytes((target - tree.size) * HASH_BYTES)
    for (let at = 0; tree.size < target; at += HASH_BYTES) {
      const nonce = toHex32(secrets.subarray(at, at + HASH_BYTES))
      add(paddingLeaf(keys.bootId, tree.size, nonce, nodeCrypto), false)
    }
  }

  const sign = (): { head: LogHead; checkpoint: string } => {
    const { size } = tree
    const head = { origin, root: toHex32(treeRoot(size, tree, nodeCrypto)), size }
    return { head, checkpoint: signCheckpoint(head, keys.log, nodeCrypto) }
  }

  add(nodeCrypto.sha256(boot), true)
  // Nothing was served yet, so nothing is hidden.
  let published = sign()
  await keeper.publish({ origin, generation, bootRecord, ...published })

  let publishing: Promise<void> | null = null
  const publish = async (): Promise<void> => {
    const whole = tree.size % TILE_LEAVES === 0 && tree.size > published.head.size
    // At least one tile more each time: a head that stands still would say that nothing was asked.
    if (!whole) pad((Math.floor(tree.size / TILE_LEAVES) + 1) * TILE_LEAVES)
    const next = sign()
    await keeper.publish({ origin, generation, bootRecord, ...next })
    published = next
  }

  const earlier = new Map<Hex32, ServedLog>()
  const own: BootLog = {
    origin,
    bootRecord,
    get head() {
      return published.head
    },
    get checkpoint() {
      return published.checkpoint
    },
    get last() {
      return published.head
    },
    ...proofsOf(tree, () => published.head.size, tile),
    get nextIndex() {
      return tree.size
    },
    append(recordHash) {
      add(Buffer.from(digestHex(recordHash), 'hex'), true)
    },
    publish: () => (publishing ??= publish().finally(() => (publishing = null))),
    of(bootId) {
      if (bootId === keys.bootId) return own
      const known = earlier.get(bootId)
      if (known !== undefined) return known
      const found = keeper.earlier(bootId)
      if (found === null) return null
      const [oldest] = earlier.keys()
      if (earlier.size >= MAX_EARLIER && oldest !== undefined) earlier.delete(oldest)
      const served = serveEarlierLog(found)
      earlier.set(bootId, served)
      return served
    },
  }
  return own
}
