/**
 * Logs of boots, as long as a vector likes them: heads, and proofs in the words of docs/protocol.md §7.1.
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex, toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { signCheckpoint } from '../../attestation/protocol/log/checkpoint.ts'
import { consistencyPath } from '../../attestation/protocol/log/consistency-proof.ts'
import { inclusionPath } from '../../attestation/protocol/log/inclusion-proof.ts'
import { bootLeaf, bootRecordBytes } from '../../attestation/protocol/log/leaves.ts'
import type { BootRecord } from '../../attestation/protocol/log/leaves.ts'
import { logOrigin } from '../../attestation/protocol/log/log-origin.ts'
import { treeRoot } from '../../attestation/protocol/log/tree-nodes.ts'
import type { NodeSource } from '../../attestation/protocol/log/tree-nodes.ts'
import { leafHash, nodeHash } from '../../attestation/protocol/merkle-hash.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { fromUtf8, toUtf8 } from '../../attestation/protocol/utf8.ts'
import { CONFIG_DIGEST, KEYS, RECORD } from './world.ts'

export const LOG_NAME = 'vectors.example/log'

export interface LogShape {
  readonly bootId: Hex32
  readonly predecessor: LogHead | null
  readonly generation: number
  /** Leaves that are no filler, by their index. */
  readonly leaves?: ReadonlyMap<number, Uint8Array>
  readonly name?: string
}

export interface BootLog {
  readonly origin: string
  head(this: void, size: number): LogHead
  /** @param changes members that differ from those of the honest proof */
  inclusion(this: void, index: number, size: number, changes?: object): string
  /** Of the boot record. */
  boot(this: void, size: number, changes?: object): string
  consistency(this: void, from: number, to: number, changes?: object): string
  /** Steps of a consistency proof, and of an inclusion proof. */
  steps(this: void, from: number, to: number): string[]
  path(this: void, index: number, size: number): string[]
  readonly record: BootRecord
}

/** Complete subtrees, each computed once. */
function nodesOf(leaf: (index: number) => Uint8Array): NodeSource {
  const known = new Map<string, Uint8Array>()
  const node = (level: number, index: number): Uint8Array => {
    const name = `${level}/${index}`
    const found = known.get(name)
    if (found !== undefined) return found
    const hash =
      level === 0
        ? leafHash(leaf(index), nodeCrypto)
        : nodeHash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1), nodeCrypto)
    known.set(name, hash)
    return hash
  }
  return { node }
}

export function recordText(record: BootRecord): string {
  return fromUtf8(bootRecordBytes(record)) ?? ''
}

export function makeLog({
  bootId,
  predecessor,
  generation,
  leaves = new Map(),
  name = LOG_NAME,
}: LogShape): BootLog {
  const origin = logOrigin(name, bootId)
  const record: BootRecord = {
    boot_id: bootId,
    config_digest: CONFIG_DIGEST,
    generation,
    keyset_digest: RECORD.keyset_digest,
    predecessor,
  }
  const nodes = nodesOf((index) => {
    if (index === 0) return bootLeaf(record, nodeCrypto)
    return leaves.get(index) ?? nodeCrypto.sha256(toUtf8(`leaf ${index} of ${origin}`))
  })
  const head = (size: number): LogHead => ({
    origin,
    root: toHex32(treeRoot(size, nodes, nodeCrypto)),
    size,
  })
  const steps = (from: number, to: number) =>
    consistencyPath(from, to, nodes, nodeCrypto).map(toHex)
  const path = (index: number, size: number) =>
    inclusionPath(index, size, nodes, nodeCrypto).map(toHex)
  return {
    origin,
    record,
    head,
    steps,
    path,
    inclusion: (index, size, changes = {}) =>
      JSON.stringify({
        checkpoint: signCheckpoint(head(size), KEYS.log, nodeCrypto),
        leaf_index: index,
        origin,
        path: path(index, size),
        tree_size: size,
        ...changes,
      }),
    boot: (size, changes = {}) =>
      JSON.stringify({
        boot_record: recordText(record),
        origin,
        path: path(0, size),
        tree_size: size,
        ...changes,
      }),
    consistency: (from, to, changes = {}) =>
      JSON.stringify({ from, origin, path: steps(from, to), to, ...changes }),
  }
}
