// Writes docs/errors.md from the tables in the code: node scripts/generate-errors-doc.mjs
// Node 20 does not run TypeScript, so the module is loaded the way the test runner loads it.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createViteServer } from 'vitest/node'

const root = fileURLToPath(new URL('..', import.meta.url))
const server = await createViteServer({
  root,
  configFile: false,
  logLevel: 'error',
  appType: 'custom',
  optimizeDeps: { noDiscovery: true },
  server: { middlewareMode: true, watch: null, ws: false },
})
try {
  const { renderErrorsDoc } = await server.ssrLoadModule('/scripts/errors-doc.ts')
  writeFileSync(new URL('../docs/errors.md', import.meta.url), await renderErrorsDoc())
} finally {
  await server.close()
}
