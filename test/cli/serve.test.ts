import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findGuestAgent } from '../../attestation/attester/dstack/find-guest-agent.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { loadTokens } from '../../src/cli/read-environment.ts'
import { loadConfig, serve } from '../../src/cli/serve.ts'
import type { ServeOptions } from '../../src/cli/serve.ts'

const TOKEN = '0123456789abcdef'

async function refusalOf(act: () => unknown): Promise<string> {
  try {
    await act()
  } catch (error) {
    if (error instanceof Refusal) return error.message
    throw error
  }
  throw new Error('it was not refused')
}

describe('countersign serve', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const configFile = async (text: string): Promise<string> => {
    const path = join(folder, `${Math.random()}.json`)
    await writeFile(path, text)
    return path
  }

  test('refuses to start without a guest agent, in one sentence that names the way around', async (context) => {
    if (findGuestAgent() !== null) {
      context.skip('SKIPPED: this machine has a dstack guest agent, so its absence cannot be tried')
    }
    const message = await refusalOf(() => serve({}))
    expect(message).toContain('No dstack guest agent was found')
    expect(message).toContain('--simulate')
    expect(message).not.toContain('\n')
  })

  test('takes nvattest by an absolute path alone, and keeps it beside the flag', async () => {
    const file = (nvattest: string) =>
      configFile(
        JSON.stringify({
          upstreams: [{ name: 'vllm', url: 'http://127.0.0.1:1' }],
          gpu: { required: 8, nvattest },
        }),
      )
    const good = await file('/usr/bin/nvattest')
    expect((await loadConfig({ config: good, requireGpu: '2' })).gpu).toEqual({
      required: 2,
      nvswitches: 0,
      nvattest: '/usr/bin/nvattest',
    })
    for (const wrong of ['nvattest', '/usr/bin/nv attest', '']) {
      const config = await file(wrong)
      expect(await refusalOf(() => loadConfig({ config }))).toContain('an absolute path')
    }
  })

  test('refuses an upstream by name: the host could answer for it', async () => {
    const options: ServeOptions = { upstream: ['http://vllm:8000'] }
    expect(await refusalOf(() => loadConfig(options))).toContain('--allow-remote-upstream')
  })

  test.each([
    'http://8.8.8.8:8000',
    'http://10.0.2.2:8000',
    'http://192.168.1.1:8000',
    'http://172.17.0.1:8000',
    'http://[fd00::2]:8000',
    'http://[::ffff:127.0.0.1]:8000',
    'http://128.0.0.1:8000',
    'http://localhost:8000',
    'http://[2001:db8::1]:8000',
    'http://0.0.0.0:8000',
    'http://169.254.169.254',
    'http://[fe80::1]:8000',
    'http://[::ffff:10.0.0.1]:8000',
    'http://172.32.0.1:8000',
    'http://0x8.8.8.8:8000',
  ])('refuses %s, at which the host or somebody beyond it could answer', async (url) => {
    expect(await refusalOf(() => loadConfig({ upstream: [url] }))).toContain(
      `upstream: ${new URL(url).origin} is neither a unix socket nor a loopback address`,
    )
  })

  test.each([
    'https://127.0.0.1:8000',
    'http://127.0.0.1:8000/admin',
    'http://user:pass@127.0.0.1:8000',
    'http://127.0.0.1:8000/?x=1',
    'ftp://127.0.0.1',
    'nonsense',
    'unix:relative.sock',
    'unix://host/path.sock',
    'unix:/',
    `unix:/${'x'.repeat(107)}`,
  ])('refuses %s, which is not a plain origin', async (url) => {
    const text = await refusalOf(() => loadConfig({ upstream: [url] }))
    expect(text).toContain('upstream: write unix:/path.sock')
    expect(text).not.toContain('pass')
    expect(text.includes(`got ${url}`)).toBe(!/[@?]/.test(url))
  })

  test.each([
    'unix:/run/vllm.sock',
    'http://127.0.0.1:8000',
    'http://127.5.0.1:8000/v1',
    'http://[::1]:8000',
  ])('takes %s', async (url) => {
    const config = await loadConfig({ upstream: [`main=${url}`] })
    expect(config.upstreams).toEqual([{ name: 'main', urls: [url], models: [], health: '/health' }])
  })

  test('takes flags of one name, or of none, as addresses of one upstream', async () => {
    const config = await loadConfig({
      upstream: ['http://127.0.0.1', 'a=unix:/a', 'http://127.0.0.2', 'a=unix:/b'],
      config: await configFile('{}'),
    }).catch((error: unknown) => error)
    expect(String(config)).toContain('both take any model')
    const two = await loadConfig({ upstream: ['http://127.0.0.1', 'http://127.0.0.2'] })
    expect(two.upstreams).toEqual([
      {
        name: 'upstream',
        urls: ['http://127.0.0.1', 'http://127.0.0.2'],
        models: [],
        health: '/health',
      },
    ])
  })

  test.each([
    ['[{"name":"a"}]', 'write url or urls'],
    ['[{"name":"a","url":"unix:/a","urls":["unix:/b"]}]', 'write url or urls'],
    ['[{"name":"a","urls":[]}]', 'upstreams.0.urls'],
    ['[{"name":"a","urls":["unix:/a","unix:/a"]}]', 'an address stands twice'],
    [
      '[{"name":"a","urls":["http://127.0.0.1","http://127.0.0.1:80/v1"]}]',
      'an address stands twice',
    ],
    ['[{"name":"a","urls":["unix:/a","http://vllm:8000"]}]', '--allow-remote-upstream'],
    [
      '[{"name":"a","url":"unix:/a","models":["m"]},{"name":"a","url":"unix:/b"}]',
      'two upstreams are called a',
    ],
    ['[{"name":"a","url":"unix:/a","models":["m","m"]}]', 'a model is listed twice'],
    [
      '[{"name":"a","url":"unix:/a","models":["m"]},{"name":"b","url":"unix:/b","models":["m"]}]',
      'a model is listed twice',
    ],
    ['[{"name":"a","url":"unix:/a"},{"name":"b","url":"unix:/b"}]', 'both take any model'],
    ['[{"name":"a","url":"unix:/a","health":"//evil/x y"}]', 'upstreams.0.health'],
    ['[{"name":"a","url":"unix:/a","weight":1}]', 'weight'],
  ])('refuses the upstreams %s: %s', async (upstreams, problem) => {
    const config = await configFile(`{"upstreams":${upstreams}}`)
    expect(await refusalOf(() => loadConfig({ config }))).toContain(problem)
  })

  test('takes a name only where it is told to, and shows it in the configuration', async () => {
    const config = await loadConfig({ upstream: ['http://vllm:8000'], allowRemoteUpstream: true })
    expect(config.allow_remote_upstream).toBe(true)
    const near = await loadConfig({ upstream: ['http://10.0.2.2:8000'], allowRemoteUpstream: true })
    expect(near.allow_remote_upstream).toBe(true)
  })

  test('refuses unknown members of the configuration, and names them', async () => {
    const config = await configFile('{"upstreams":[{"name":"a","url":"unix:/a"}],"limit":{}}')
    expect(await refusalOf(() => loadConfig({ config }))).toContain('limit')
  })

  test('refuses a configuration that names a member twice', async () => {
    const config = await configFile('{"upstreams":[],"upstreams":[]}')
    expect(await refusalOf(() => loadConfig({ config }))).toContain('duplicate_member')
  })

  test('flags stand above the file', async () => {
    const config = await configFile(
      '{"upstreams":[{"name":"a","url":"unix:/a"}],"listen":{"host":"127.0.0.1","port":1}}',
    )
    const loaded = await loadConfig({ config, listen: '0.0.0.0:9000', requireGpu: '8' })
    expect(loaded.listen).toEqual({ host: '0.0.0.0', port: 9000 })
    expect(loaded.gpu).toEqual({ required: 8, nvswitches: 0 })
  })

  test('the flags about GPUs stand beside one another, and above those of the file', async () => {
    const config = await configFile(
      '{"upstreams":[{"name":"a","url":"unix:/a"}],"gpu":{"required":1,"nvattest":"/opt/nvattest"}}',
    )
    const gpu = { required: 8, nvswitches: 4, nvattest: '/opt/nvattest' }
    const counts = { requireGpu: '8', requireNvswitches: '4' }
    expect((await loadConfig({ config, ...counts })).gpu).toEqual(gpu)
    const upstream = ['unix:/a']
    expect((await loadConfig({ upstream, ...counts, nvattest: '/usr/bin/nvattest' })).gpu).toEqual({
      ...gpu,
      nvattest: '/usr/bin/nvattest',
    })
    expect(await refusalOf(() => loadConfig({ upstream, ...counts }))).toContain('nvattest')
    const relative = { upstream, ...counts, nvattest: 'nvattest' }
    expect(await refusalOf(() => loadConfig(relative))).toContain('an absolute path')
  })

  test.each([
    '',
    'alice',
    'alice:short',
    `Alice:${TOKEN}`,
    `alice:${TOKEN}:owner`,
    `alice:${TOKEN}:relay:x`,
  ])('refuses the tokens %j without repeating them', async (text) => {
    const message = await refusalOf(() => loadTokens({ COUNTERSIGN_TOKENS: text }))
    expect(message).toContain('COUNTERSIGN_TOKENS')
    expect(message).not.toContain(TOKEN)
  })

  test('keeps of a token nothing but its hash', () => {
    const principals = loadTokens({ COUNTERSIGN_TOKENS: `alice:${TOKEN},broker:${TOKEN}x:relay` })
    expect(principals.map(({ name, relay }) => ({ name, relay }))).toEqual([
      { name: 'alice', relay: false },
      { name: 'broker', relay: true },
    ])
    expect(JSON.stringify(principals)).not.toContain(TOKEN)
  })
})
