import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { proxy } from '../../src/cli/proxy.ts'
import type { ProxyCommandOptions } from '../../src/cli/proxy.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { canary, sightings } from '../harness/canary.ts'
import { TOKENS } from '../harness/service.ts'
import { transpile } from '../harness/transpile.ts'
import type { Transpiled } from '../harness/transpile.ts'
import { ASK, openStage } from '../client/client.helpers.ts'
import type { Stage } from '../client/client.helpers.ts'
import { run } from '../client/proxy.helpers.ts'

let stage: Stage
let built: Transpiled
let folder: string
beforeAll(async () => {
  stage = await openStage()
  built = await transpile('src/cli/proxy.ts')
  folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
}, 120_000)
afterAll(async () => {
  await stage.close()
  await built.remove()
  await rm(folder, { recursive: true })
})
afterEach(() => {
  for (const signal of ['SIGTERM', 'SIGINT']) process.removeAllListeners(signal)
})

const OWN = 'own-token-0123456789'
const PROMPT = 'vermilion-prompt-2204'

test('the command serves, says loudly that simulations are accepted, drains on SIGTERM, and logs no content', async () => {
  const roots = join(folder, 'roots.json')
  const key = join(folder, 'key')
  const script = join(folder, 'run.mjs')
  const collateral = join(folder, 'collateral.json')
  await writeFile(roots, JSON.stringify(stage.at.simulation?.roots))
  await writeFile(collateral, JSON.stringify(stage.at.simulation?.guest.pki.collateral))
  await writeFile(key, `${TOKENS.alice}\n`)
  const options: ProxyCommandOptions = {
    upstream: `${stage.broker.url}/v1/proxy`,
    listen: '127.0.0.1:0',
    allowSimulated: true,
    roots,
    acceptUnchecked: true,
    collateral,
    require: ['quote.crl', 'quote.tcb_status'],
    apiKeyFile: key,
    tokenEnv: 'OWN_TOKEN',
  }
  await writeFile(
    script,
    `import { proxy } from ${JSON.stringify(built.url)}
     await proxy(${JSON.stringify(options)})
     process.exit(0)`,
  )
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, OWN_TOKEN: OWN },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (part: Buffer) => (out += part.toString()))
  child.stderr.on('data', (part: Buffer) => (err += part.toString()))
  const exited = new Promise((resolve) => child.once('close', (code) => resolve(code)))
  await expect
    .poll(() => out + err, { timeout: 15_000 })
    .toMatch(/"url":"http[^"]+"[^]*the service is (not )?verified/)
  const url = /"url":"(http[^"]+)"/.exec(out)?.[1] ?? ''
  const body = JSON.stringify({ ...ASK, messages: [{ role: 'user', content: PROMPT }] })
  const ask = (token: string) =>
    run('curl', [
      ...['-sS', '-m', '10', '-D', '-', '-H', `Authorization: Bearer ${token}`],
      ...['-H', 'Content-Type: application/json', '--data-binary', body],
      `${url}/v1/chat/completions`,
    ])
  const answer = await ask(OWN)
  expect(out).toContain('"the service is verified"')
  expect(answer.out).toContain('200 OK')
  expect(answer.out).toMatch(/x-countersign-level: content/i)
  expect((await ask('wrong-token')).out).toContain('token_missing')
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
  expect(err).toContain('SIMULATED services are accepted')
  const said = /"content":"([^"]{12,})"/.exec(answer.out)?.[1] ?? ''
  const lines = out.trim().split('\n')
  expect(lines.some((line) => line.includes('"ending":"verified"'))).toBe(true)
  expect(lines.at(-1)).toContain('drained')
  const secrets = [
    canary('prompt', PROMPT),
    canary('answer', said),
    canary('key', TOKENS.alice),
    canary('token', OWN),
  ]
  expect(sightings(out + err, secrets)).toEqual([])
})

describe('it does not start', () => {
  const upstream = 'https://broker.example/v1/proxy'
  test.each<[string, Partial<ProxyCommandOptions>, RegExp]>([
    ['over plain http to another machine', { upstream: 'http://broker.example/v1' }, /plain http/],
    ['with a key in the URL', { upstream: 'https://k:s@broker.example/v1' }, /not into the URL/],
    ['on an address of the network', { listen: '0.0.0.0:4180' }, /--allow-remote-clients/],
    ['on every address', { listen: ':4180' }, /--allow-remote-clients/],
    [
      'with a key for other machines to use',
      { listen: '192.0.2.1:4180', allowRemoteClients: true, apiKeyEnv: 'A_KEY' },
      /token of its own/,
    ],
    ['with an empty key', { apiKeyEnv: 'NO_KEY' }, /nothing in NO_KEY/],
    ['under a secret to guess at', { ownerSecretEnv: 'A_KEY' }, /16 to 256 bytes/],
    ['with a key from two places', { apiKeyEnv: 'A_KEY', apiKeyFile: '/x' }, /two ways/],
    ['at a level that is none', { requireLevel: 'signer' }, /--require-level takes/],
    ['with a third way to stream', { stream: 'fast' }, /--stream takes/],
    ['passing what is verified', { passUnverified: ['POST /v1/messages'] }, /--pass-unverified/],
    ['for a page by a pattern', { allowOrigin: ['https://*.example'] }, /--allow-origin/],
    ['for a page with a path', { allowOrigin: ['https://app.example/x'] }, /--allow-origin/],
    ['with a setting that nothing reads', { pccs: 'https://pccs.example' }, /--pccs says nothing/],
    ['under a policy that is none', { policy: '/nowhere.json' }, /cannot be read/],
  ])('%s', async (_name, options, why) => {
    const started = proxy({ upstream, listen: '127.0.0.1:0', ...options }, { A_KEY: 'a-key' })
    await expect(started).rejects.toThrow(Refusal)
    await expect(started).rejects.toThrow(why)
  })
})
