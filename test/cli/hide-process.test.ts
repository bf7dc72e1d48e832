/** Another program of the same user, such as a driver's library in a process of its own, looks into a running service. */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { transpile } from '../harness/transpile.ts'
import type { Transpiled } from '../harness/transpile.ts'

const TOKEN = 'hidden-token-0123456789'
/** Nobody; root could look anywhere. */
const STRANGER = 65_534
const asUser = process.getuid?.() === 0 ? { uid: STRANGER, gid: STRANGER } : {}

/** What that program can open of `/proc/<pid>`. */
const LOOK = `
const fs = require('node:fs')
const link = (path) => { try { fs.readlinkSync(path); return 'open' } catch (error) { return error.code } }
const open = (path) => { try { fs.closeSync(fs.openSync(path, 'r')); return 'open' } catch (error) { return error.code } }
const at = '/proc/' + process.argv[1] + '/'
process.stdout.write(JSON.stringify({ environ: open(at + 'environ'), mem: open(at + 'mem'), maps: open(at + 'maps'), fd: link(at + 'fd/0') }))`

function look(pid: number | undefined): unknown {
  const { stdout } = spawnSync(process.execPath, ['-e', LOOK, String(pid)], {
    ...asUser,
    encoding: 'utf8',
  })
  return JSON.parse(stdout)
}

let built: Transpiled
const running: ChildProcess[] = []
beforeAll(async () => {
  built = await transpile('src/cli/main.ts')
  chmodSync(fileURLToPath(new URL('../..', built.url)), 0o755)
}, 60_000)
afterAll(async () => {
  for (const one of running) one.kill('SIGKILL')
  await built.remove()
})

function start(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [...args], {
    ...asUser,
    cwd: '/',
    env: { COUNTERSIGN_TOKENS: `alice:${TOKEN}`, PATH: process.env['PATH'] },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.push(child)
  return child
}

test('it finds neither memory nor environment nor descriptors, and no core is dumped', async () => {
  const plain = start(['-e', 'process.stdin.resume()'])
  await expect.poll(() => look(plain.pid)).toMatchObject({ environ: 'open', fd: 'open' })

  const service = start([
    fileURLToPath(built.url),
    ...['serve', '--simulate', '--listen', '127.0.0.1:0', '--no-metrics'],
    ...['--upstream', 'unix:/nowhere.sock'],
  ])
  let said = ''
  service.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  service.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await expect.poll(() => said, { timeout: 20_000 }).toContain('"listening"')
  expect(look(service.pid)).toEqual({
    environ: 'EACCES',
    mem: 'EACCES',
    maps: 'EACCES',
    fd: 'EACCES',
  })
  expect(said).not.toContain('Other programs')
  const url = /"url":"(http[^"]+)"/.exec(said)?.[1] ?? ''
  expect((await fetch(`${url}/health/live`)).status).toBe(200)
  // Inherited by all that it starts, nvattest and the process that loads the driver among them.
  expect(readFileSync(`/proc/${String(service.pid)}/status`, 'utf8')).toMatch(/^NoNewPrivs:\t1$/m)
}, 60_000)
