import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { transpile } from '../harness/transpile.ts'

const ROUNDS = 3

test(
  'killed at random moments under load, the next boot has every receipt whose answer was received whole',
  { timeout: 180_000 },
  async () => {
    const built = await transpile('test/store/kill-store.parts.ts')
    const script = fileURLToPath(new URL('../../scripts/kill-store.mjs', import.meta.url))
    // The script's own verdict: it exits 1 where a receipt is missing, does not verify, or nothing was cut at all.
    const { stdout } = await promisify(execFile)(process.execPath, [
      script,
      String(ROUNDS),
      built.url,
    ])
    const verdict: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    expect(verdict).toMatchObject({ rounds: ROUNDS, wrong: [] })
    await built.remove()
  },
)
