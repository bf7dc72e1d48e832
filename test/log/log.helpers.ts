import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
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
