/** Weights in what is attested: the document, every receipt by its config digest, and a service that does not start without. */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import canonicalize from 'canonicalize'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { buildServe, startServe } from '../harness/serve-process.ts'
import { chat, chatBody, get, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { Transpiled } from '../harness/transpile.ts'
import { measureWeights } from '../../src/weights/measure-weights.ts'

let folder = ''
let built: Transpiled
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-weights-'))
  await writeFile(join(folder, 'model.safetensors'), 'weights')
  built = await buildServe()
  // Where the built service looks for its thread.
  const worker = fileURLToPath(new URL('../weights/hash-worker.js', built.url))
  await mkdir(dirname(worker), { recursive: true })
  await writeFile(worker, `import ${JSON.stringify(inject('hashWorker'))}\n`)
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await built.remove()
})

const measure = () => measureWeights(folder, { script: new URL(inject('hashWorker')) })
const config = {
  upstreams: [{ name: 'none', url: 'http://127.0.0.1:9', health: null }],
  metrics: null,
  limits: { drainNoticeMs: 1 },
}

test('the document says what was measured and not that it was loaded; the receipt is bound to it', async () => {
  const weights = await measure()
  const at = await startTestService({ weights, gpus: 1 })
  try {
    const { config } = jsonObject((await get(at, '/attestation')).body)
    if (!isJsonObject(config)) throw new Error('no configuration')
    expect(config['weights']).toEqual({
      label: 'measured-by-sidecar: directory',
      digest: weights.digest,
      files: 1,
      bytes: 7,
    })
    await chat(at, chatBody('x'))
    await at.settled(1)
    const digest = createHash('sha256')
      .update(canonicalize(config) ?? '')
      .digest('hex')
    expect(JSON.stringify(at.receipts[0])).toContain(`sha256:${digest}`)
  } finally {
    await at.close()
  }
})

test('a service measures again at every start, and attests what it found', async () => {
  const found: unknown[] = []
  for (const text of ['weights', 'weights', 'other weights']) {
    await writeFile(join(folder, 'model.safetensors'), text)
    const at = await startServe(built, { ...config, weights: folder })
    const document = jsonObject(await (await fetch(`${at.url}/attestation`)).text())
    at.kill('SIGTERM')
    expect(await at.exited).toBe(0)
    found.push(isJsonObject(document['config']) ? document['config']['weights'] : null)
    expect(found.at(-1)).toMatchObject({ digest: (await measure()).digest })
  }
  expect(found[1]).toEqual(found[0])
  expect(found[2]).not.toEqual(found[0])
}, 60_000)

test('without a folder the configuration says so', async () => {
  const at = await startTestService()
  try {
    expect(at.service.config['weights']).toBeNull()
  } finally {
    await at.close()
  }
})

test('a folder that cannot be measured ends the start, with the code and the place', async () => {
  const start = startServe(built, { ...config, weights: join(folder, 'absent') })
  await expect(start).rejects.toThrow(/ended with 1: .*weights_unreadable: .*absent: A file or/s)
})
