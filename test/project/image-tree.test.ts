/** The image's file tree, built by the Dockerfile's own steps, started as the container would be: scripts/build-rootfs.mjs. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { jsonObject } from '../harness/chat.ts'
import { ROOT } from './source-tree.ts'

const BUILD_MS = 900_000

test(
  'starts as uid 65532 on a read-only root and loads every native addon',
  (context) => {
    if (process.env['IMAGE_TREE'] === undefined) {
      context.skip('SKIPPED: takes minutes and the package registry; IMAGE_TREE=1 runs it')
    }
    const run = spawnSync(process.execPath, ['scripts/build-rootfs.mjs'], {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    })
    if (run.status === 20) context.skip(run.stdout)
    const { results } = jsonObject(run.stdout)
    if (!Array.isArray(results)) throw new Error(run.stderr)
    expect(results.filter((result) => !isJsonObject(result) || result['ok'] !== true)).toEqual([])
    expect(results.length).toBeGreaterThan(12)
    expect(run.status).toBe(0)
  },
  BUILD_MS,
)
