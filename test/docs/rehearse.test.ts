/** docs/rehearse.md: its blocks, in order, in one shell, where a build would be. */
import { chmod, cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keepSeed, startSimulatedAgent } from '../../src/demo/start-simulated-agent.ts'
import { freePort } from '../harness/sidecar-process.ts'
import { transpile } from '../harness/transpile.ts'
import type { Transpiled } from '../harness/transpile.ts'
import { ROOT } from '../project/source-tree.ts'
import { newFolder } from '../store/store.helpers.ts'
import { commandBlocks, languagesOf } from './command-blocks.ts'
import { runScript } from './run-script.ts'

const PAGE = 'docs/rehearse.md'
/** Some 90 s on a busy machine, most of it starts of the service. */
const REHEARSAL_MS = 300_000

let checkout = ''
const built: Transpiled[] = []
beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), 'countersign-rehearsal-'))
})
afterAll(async () => {
  await rm(checkout, { recursive: true, force: true })
  for (const one of built) await one.remove()
})

/** What `npm run build` would have put into `dist`: the module, made of today's source. */
async function build(entry: string, line: (url: string) => string): Promise<void> {
  const module = await transpile(entry)
  built.push(module)
  const file = join(checkout, 'dist', entry.replace(/\.ts$/, '.js'))
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, line(JSON.stringify(module.url)))
  await chmod(file, 0o755)
}

test('every block is run', () => {
  expect(languagesOf(PAGE)).toEqual(new Set(['sh']))
  expect(commandBlocks(PAGE).filter(({ needsHardware }) => needsHardware)).toEqual([])
})

test(
  'followed step by step, keeps address and archive over a restart, sees each volume that was put back, and readiness leave and return',
  async () => {
    await cp(join(ROOT, 'scripts'), join(checkout, 'scripts'), { recursive: true })
    await writeFile(join(checkout, 'package.json'), '{"type":"module"}')
    await build('src/cli/main.ts', (url) => `#!/usr/bin/env node\nimport ${url}\n`)
    for (const name of ['demo/start-simulated-agent', 'demo/model/start-demo-model']) {
      await build(`src/${name}.ts`, (url) => `export * from ${url}\n`)
    }
    await build('src/cli/simulated-compose.ts', (url) => `export * from ${url}\n`)
    const bin = join(checkout, 'bin')
    await mkdir(bin)
    await writeFile(join(bin, 'npm'), '#!/bin/sh\n', { mode: 0o755 })
    const [service, metrics] = [await freePort(), await freePort()]
    const script = commandBlocks(PAGE)
      .map(({ text }, index) => `echo "BLOCK ${index + 1}"\n${text}`)
      .join('')
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${service}`)
      .replaceAll('127.0.0.1:9464', `127.0.0.1:${metrics}`)
      .replace(/--listen \S+/, (flag) => `${flag} --metrics 127.0.0.1:${metrics}`)
    const path = `${bin}:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`
    const { code, out } = await runScript(script, checkout, path)
    expect(out).toContain(`BLOCK ${commandBlocks(PAGE).length}\n`)
    expect(code, out.slice(-4000)).toBe(0)
    expect(out).toContain('SIMULATION: this agent')
    expect(
      [...out.matchAll(/^countersign_attestation_cause\{code="(\w+)"\} 1$/gm)].map(
        ([, code]) => code,
      ),
    ).toEqual(['gpu_count_mismatch', 'gpu_count_vm_config', 'agent_unreachable'])
    const failed = [...out.matchAll(/^ +FAIL +(?:log\.continuity|receipt\.keyset) +(\w+)/gm)]
    // Each as it is judged, and as the page looks for it.
    expect(failed.map(([, code]) => code)).toEqual([
      ...['log_rolled_back', 'log_rolled_back', 'log_forked', 'log_forked'],
      ...['log_reset', 'receipt_keyset_not_archived', 'log_reset'],
      ...['receipt_keyset_not_archived', 'receipt_keyset_not_archived'],
    ])
  },
  REHEARSAL_MS,
)

describe('the key file of the simulated agent', () => {
  test('gives the same seed each time it is opened, and nobody else can read it', async () => {
    const file = join(newFolder(), 'key')
    const seed = await keepSeed(file)
    expect(seed).toHaveLength(32)
    expect(await keepSeed(file)).toEqual(seed)
    expect(await keepSeed(`${file}-2`)).not.toEqual(seed)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  })

  test('of another kind is refused and left as it is', async () => {
    const file = join(newFolder(), 'key')
    for (const text of ['', 'ab'.repeat(32), 'countersign SIMULATED keys, of no machine: abcd\n']) {
      await writeFile(file, text)
      await expect(keepSeed(file)).rejects.toThrow(/is no key file/)
    }
    await expect(keepSeed(join(file, 'x'))).rejects.toThrow(/cannot be written/)
  })

  test('a second simulator on one socket is told so', async () => {
    const folder = newFolder()
    const options = {
      socketPath: join(folder, 'agent.sock'),
      keyFile: join(folder, 'key'),
      composeText: '{}',
    }
    const agent = await startSimulatedAgent(options)
    await expect(startSimulatedAgent(options)).rejects.toThrow(/is there already/)
    await agent.close()
    await (await startSimulatedAgent(options)).close()
  })
})
