import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { transpile } from '../harness/transpile.ts'

describe('two processes at once', () => {
  test('each reads whole sets only, while the other replaces them', async () => {
    const built = await transpile('attestation/collateral/cache/disk-cache.ts')
    const entries = [1, 2].map((fetchedAt) => ({
      request: { fmspc: '53494d000000', ca: 'platform', channel: 'standard' },
      collateral: createIntelPki({ now: new Date() }).collateral,
      fetchedAt,
      service: 'https://pccs.example',
    }))
    const folder = await mkdtemp(join(tmpdir(), 'countersign-cache-'))
    const directory = join(folder, 'collateral')
    const script = join(folder, 'process.mjs')
    await writeFile(
      script,
      `import { openDiskCache } from ${JSON.stringify(built.url)}
       const entries = ${JSON.stringify(entries)}
       const cache = openDiskCache(process.argv[2])
       let torn = 0
       let whole = 0
       for (let round = 0; round < 60; round++) {
         const failed = await cache.write(entries[round % 2])
         if (failed !== null) throw new Error(failed)
         const read = await cache.read(entries[0].request)
         const text = JSON.stringify(read?.collateral)
         if (entries.some((entry) => JSON.stringify(entry.collateral) === text)) whole++
         else torn++
       }
       console.log(JSON.stringify({ whole, torn }))`,
    )
    const run = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [script, directory], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        let out = ''
        child.stdout.on('data', (chunk) => (out += String(chunk)))
        child.on('error', reject)
        child.on('close', () => resolve(out))
      })
    const results = await Promise.all([run(), run()])
    for (const result of results) expect(JSON.parse(result)).toEqual({ whole: 60, torn: 0 })
    expect(await readdir(directory)).toEqual(['53494d000000-platform-standard.json'])
    await built.remove()
    await rm(folder, { recursive: true })
  }, 60_000)
})
