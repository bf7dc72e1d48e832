import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex, toHex32, toSha256Digest } from '../../attestation/protocol/hex.ts'
import { consistencyPath } from '../../attestation/protocol/log/consistency-proof.ts'
import { inclusionPath } from '../../attestation/protocol/log/inclusion-proof.ts'
import { bootLeaf, bootRecordBytes } from '../../attestation/protocol/log/leaves.ts'
import { treeRoot } from '../../attestation/protocol/log/tree-nodes.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { leafHash, nodeHash } from '../../attestation/protocol/merkle-hash.ts'
import type { NodeSource } from '../../attestation/protocol/log/tree-nodes.ts'

/** Complete subtrees of these leaves. */
export function nodesOf(leaves: readonly Uint8Array[]): NodeSource {
  const levels = [leaves.map((leaf) => leafHash(leaf, nodeCrypto))]
  for (let below = levels[0] ?? []; below.length > 1;) {
    const level: Uint8Array[] = []
    for (let i = 0; i + 1 < below.length; i += 2) {
      level.push(
        nodeHash(below[i] ?? new Uint8Array(), below[i + 1] ?? new Uint8Array(), nodeCrypto),
      )
    }
    levels.push(level)
    below = level
  }
  return {
    node(level, index) {
      const found = levels[level]?.[index]
      if (found === undefined) throw new Error(`no complete subtree ${level}/${index}`)
      return found
    },
  }
}

export const digest = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(createHash('sha256').update(text).digest())

export interface TestLog {
  readonly origin: string
  readonly boot_record: string
  head(size: number): LogHead
  boot(size: number, changes?: object): string
  consistency(from: number, to: number, changes?: object): string
}

/** A log of a boot as a test likes it. */
export function makeLog(
  id: number,
  predecessor: LogHead | null,
  seed = 'leaf',
  name = 'test/node',
): TestLog {
  const boot_id = toHex32(Uint8Array.of(...new Uint8Array(31), id))
  const record = {
    boot_id,
    config_digest: toSha256Digest(digest('config')),
    generation: id,
    keyset_digest: toSha256Digest(digest('keyset')),
    predecessor,
  }
  const leaves = [bootLeaf(record, nodeCrypto)]
  for (let i = 1; i < 40; i++) leaves.push(digest(`${seed} ${String(id)} ${String(i)}`))
  const nodes = nodesOf(leaves)
  const origin = `${name}/${boot_id}`
  const head = (size: number): LogHead => ({
    origin,
    root: toHex32(treeRoot(size, nodes, nodeCrypto)),
    size,
  })
  const boot_record = new TextDecoder().decode(bootRecordBytes(record))
  return {
    origin,
    head,
    boot_record,
    boot: (size: number, changes: object = {}) =>
      JSON.stringify({
        boot_record,
        origin,
        path: inclusionPath(0, size, nodes, nodeCrypto).map(toHex),
        tree_size: size,
        ...changes,
      }),
    consistency: (from: number, to: number, changes: object = {}) =>
      JSON.stringify({
        from,
        origin,
        path: consistencyPath(from, to, nodes, nodeCrypto).map(toHex),
        to,
        ...changes,
      }),
  }
}

const SCRIPT = fileURLToPath(new URL('../stranger/log.py', import.meta.url))

/** The tool that is not installed; null where all are. */
export const LACKS =
  (
    [
      ['python3', '--version'],
      ['openssl', 'version'],
    ] as const
  ).find(([name, flag]) => spawnSync(name, [flag]).status !== 0)?.[0] ?? null
if (LACKS !== null) console.warn(`SKIPPED: no ${LACKS} here, no stranger checks the log`)

/** What the checker in Python's standard library answers. */
export function askStranger(questions: readonly object[]): readonly unknown[] {
  const run = spawnSync('python3', [SCRIPT], {
    input: JSON.stringify(questions),
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  })
  expect(run.stderr.toString()).toBe('')
  return JSON.parse(run.stdout.toString()) as readonly unknown[]
}
