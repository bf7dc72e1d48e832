/** `countersign weights`: the digest that `serve --weights` attests, for who has the files alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { Refusal } from '../../src/cli/refusal.ts'
import { weights } from '../../src/cli/weights.ts'
import type { WeightsOptions } from '../../src/cli/weights.ts'
import { measureWeights } from '../../src/weights/measure-weights.ts'
import { jsonObject } from '../harness/chat.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-weights-command-'))
  writeFileSync(join(folder, 'config.json'), '{}')
  writeFileSync(join(folder, 'model.safetensors'), 'w'.repeat(2_000_000))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const script = () => new URL(inject('hashWorker'))

async function run(path: string, options: WeightsOptions = {}) {
  const out: string[] = []
  const err: string[] = []
  const print = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) }
  const code = await weights(path, options, print, { script: script() })
  return { code, out, err }
}

test('prints the digest that is attested, alone on standard output, and the progress beside it', async () => {
  const { digest } = await measureWeights(folder, { script: script() })
  expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/)
  const ran = await run(relative(process.cwd(), folder))
  expect(ran).toEqual({ code: 0, out: [digest], err: ['2 of 2 files, 2000002 of 2000002 bytes'] })
})

test('with --json prints what the configuration would hold', async () => {
  const { digest } = await measureWeights(folder, { script: script() })
  const { out } = await run(folder, { json: true })
  expect(jsonObject(out.join('\n'))).toEqual({
    label: 'measured-by-sidecar: directory',
    digest,
    files: 2,
    bytes: 2_000_002,
  })
})

test('a folder that cannot be measured gives no digest, but the code and the place', async () => {
  const absent = join(folder, 'absent')
  const error: unknown = await run(absent).catch((thrown: unknown) => thrown)
  if (!(error instanceof Refusal)) throw new Error('not refused')
  expect(error.exit).toBe(1)
  expect(error.message).toContain(`weights_unreadable: ${absent}: A file or folder`)
})
