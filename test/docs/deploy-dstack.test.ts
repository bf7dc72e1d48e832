/** A new user follows docs/deploy-dstack.md: its blocks, in order, in one shell, in a fresh copy of what git tracks. */
import { execFileSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { jsonObject } from '../harness/chat.ts'
import { freePort } from '../harness/sidecar-process.ts'
import { readText, ROOT } from '../project/source-tree.ts'
import { commandBlocks, languagesOf } from './command-blocks.ts'
import { runScript } from './run-script.ts'

const PAGE = 'docs/deploy-dstack.md'
const BUILD_MS = 600_000
const BLOCKS = commandBlocks(PAGE)
const REHEARSAL = BLOCKS.filter(({ needsHardware }) => !needsHardware)

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-clone-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** As `git clone` gives it, with what is not committed yet. */
async function freshCopy(): Promise<string> {
  const clone = join(folder, 'clone')
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  })
  for (const path of listed.split('\0').filter((one) => one !== '')) {
    await mkdir(dirname(join(clone, path)), { recursive: true })
    await cp(join(ROOT, path), join(clone, path)).catch((error: unknown) => {
      // Deleted and not committed yet.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    })
  }
  return clone
}

/** `npm ci` without a network: the packages that are installed here are those of the lock file. */
async function npmInPlace(): Promise<string> {
  const real = execFileSync('/bin/sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim()
  const bin = join(folder, 'bin')
  await mkdir(bin)
  await writeFile(
    join(bin, 'npm'),
    `#!/bin/sh\nif [ "$*" = ci ]; then exec ln -s '${ROOT}node_modules' node_modules; fi\nexec '${real}' "$@"\n`,
    { mode: 0o755 },
  )
  return bin
}

/** The page's text, but for ports that somebody else may have, and with failures told apart. */
function scriptOf(port: number): string {
  return REHEARSAL.map(({ text }, index) => {
    const here = text
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
      .replace(/--listen 127\.0\.0\.1:\d+/, (flag) => `${flag} --metrics 127.0.0.1:0`)
    // A shell does not stop at a negated command that came out wrong.
    const checked = /^! /m.test(here) ? `${here.trimEnd()} || exit 99\n` : here
    return `echo "BLOCK ${index + 1}"\n${checked}`
  }).join('')
}

test('marks what needs hardware, and has blocks of both kinds', () => {
  expect(languagesOf(PAGE)).toEqual(new Set(['sh']))
  expect(REHEARSAL.length).toBeGreaterThan(7)
  expect(BLOCKS.length - REHEARSAL.length).toBeGreaterThan(4)
  // What is marked cannot be followed in a rehearsal: no build, check or answer hides behind the mark.
  for (const { text, needsHardware } of BLOCKS) {
    if (/vmm-cli|docker |\$NODE\b/.test(text)) expect(needsHardware, text).toBe(true)
  }
})

test(
  'followed from a fresh copy, ends in a verified answer, and in a refusal of the forged one',
  async () => {
    const clone = await freshCopy()
    const path = `${await npmInPlace()}:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`
    const { code, out } = await runScript(scriptOf(await freePort()), clone, path)
    expect(out).toContain(`BLOCK ${REHEARSAL.length}\n`)
    expect(code, out.slice(-4000)).toBe(0)
    expect(out).toMatch(/Accepted/i)

    const copied = (name: string): Record<string, unknown> => ({
      ...jsonObject(execFileSync('cat', [join(clone, 'rehearsal', name)], { encoding: 'utf8' })),
    })
    // The document that was verified attests the weights, by the digest that was printed before anything ran.
    const expected = copied('expected-config.json')['config']
    const served = copied('document.json')
    const document =
      typeof served['document'] === 'string' ? jsonObject(served['document']) : served
    const config = document['config']
    if (!isJsonObject(expected) || !isJsonObject(config)) throw new Error('no configuration')
    expect(config['weights']).toEqual(expected['weights'])
    expect(config['weights']).toMatchObject({ label: 'measured-by-sidecar: directory', files: 1 })
  },
  BUILD_MS,
)

test('names no command of ours that is not there', () => {
  const main = ['main', 'node-commands'].map((name) => readText(`src/cli/${name}.ts`)).join('')
  const named = new Set(
    [...readText(PAGE).matchAll(/countersign (serve|verify|compose [a-z]+|[a-z]+) /g)].map(
      ([, name = '']) => name.split(' ').at(-1) ?? '',
    ),
  )
  for (const name of named) expect(main, name).toContain(`.command('${name}')`)
})
