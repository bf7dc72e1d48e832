// Writes test/vectors/<kind>/<id>/{input,expected}.json: node scripts/generate-corpus.mjs tdx|gpu|receipt
// Node 20 does not run TypeScript, so the module is loaded the way the test runner loads it.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createViteServer } from 'vitest/node'

const root = fileURLToPath(new URL('..', import.meta.url))
const kind = process.argv[2] ?? ''
if (!['tdx', 'gpu', 'receipt'].includes(kind))
  throw new TypeError('which corpus: tdx, gpu or receipt')
const folder = `${root}test/vectors/${kind}/`
const server = await createViteServer({
  root,
  configFile: false,
  logLevel: 'error',
  appType: 'custom',
  optimizeDeps: { noDiscovery: true },
  server: { middlewareMode: true, watch: null, ws: false },
})
try {
  const { makeCorpus } = await server.ssrLoadModule(`/scripts/${kind}-corpus/corpus.ts`)
  const { filesOf } = await server.ssrLoadModule('/scripts/corpus/vector.ts')
  const vectors = makeCorpus()
  mkdirSync(folder, { recursive: true })
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) rmSync(folder + entry.name, { recursive: true })
  }
  for (const vector of vectors) {
    for (const [path, text] of filesOf(vector)) {
      mkdirSync(dirname(folder + path), { recursive: true })
      writeFileSync(folder + path, text)
    }
  }
  console.log(`${vectors.length} vectors`)
} finally {
  await server.close()
}
