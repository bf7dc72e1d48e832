/** The shared store as it is configured: by flags, by the file, and its password by neither. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { loadSharedStore } from '../../src/cli/load-shared-store.ts'
import { loadConfig, serve } from '../../src/cli/serve.ts'
import type { ServeOptions } from '../../src/cli/serve.ts'
import { STORE_FAULTS } from '../../src/cli/store-faults.ts'
import { attestedConfig } from '../../src/config/attested-config.ts'
import { parseConfig } from '../../src/config/config.ts'
import { StoreError } from '../../enclave/store/store-error.ts'
import { ephemeralStoreKey } from '../../src/service/derive-store-key.ts'
import { storeOpener } from '../../src/service/store-opener.ts'
import { newFolder } from '../store/store.helpers.ts'
import { targetOf } from '../store/redis.helpers.ts'

const UPSTREAM = ['unix:/run/vllm.sock']
const VARIABLE = 'COUNTERSIGN_SHARED_STORE_PASSWORD'
const PEM = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n'

function file(name: string, text: string): string {
  const path = join(newFolder(), name)
  writeFileSync(path, text)
  return path
}

const problemsOf = (shared: unknown) => {
  const parsed = parseConfig({
    upstreams: [{ name: 'a', url: UPSTREAM[0] }],
    store: { path: '/data', shared },
  })
  return parsed.ok ? [] : parsed.problems
}

const configOf = (flags: ServeOptions) => loadConfig({ upstream: UPSTREAM, ...flags })

describe('flags', () => {
  test('stand above the file, member by member', async () => {
    const config = file(
      'config.json',
      JSON.stringify({
        store: {
          path: '/data/x',
          durability: 'async',
          shared: { url: 'rediss://old', ca: '/old' },
        },
      }),
    )
    expect((await configOf({ config, sharedStore: 'rediss://new' })).store).toMatchObject({
      path: '/data/x',
      durability: 'async',
      shared: { url: 'rediss://new', ca: '/old', allow_plaintext: false, password_file: null },
    })
    expect((await configOf({ store: '/data/y' })).store?.shared).toBeNull()
  })

  test('without a store of its own there is none to share', async () => {
    await expect(configOf({ sharedStore: 'rediss://redis' })).rejects.toThrow(
      /^--shared-store stands beside --store\b.*store\.path/,
    )
    await expect(configOf({ store: '/data', sharedStoreCa: '/ca.pem' })).rejects.toThrow(/url/)
  })
})

test.each([
  ['a password for all to read', { url: 'rediss://a:b@host' }, /without a password/],
  ['plain TCP beyond this machine', { url: 'redis://10.0.0.1' }, /allow_plaintext/],
  ['a name that somebody resolves', { url: 'redis://localhost' }, /allow_plaintext/],
  ['an authority where no certificate is', { url: 'unix:/r.sock', ca: '/ca.pem' }, /rediss/],
  ['what nobody knows', { url: 'rediss://host', db: 1 }, /db/],
])('%s is refused', (_name, shared, problem) => {
  expect(problemsOf(shared).join()).toMatch(problem)
})

test('plain TCP that was asked for is let through, and attested; a password never is', async () => {
  expect(problemsOf({ url: 'redis://10.0.0.1', allow_plaintext: true })).toEqual([])
  expect(problemsOf({ url: 'redis://127.0.0.1' })).toEqual([])
  const password = file('password', 'a-password-of-no-use\n')
  const config = await configOf({
    config: file(
      'config.json',
      JSON.stringify({
        store: {
          path: '/data',
          shared: { url: 'redis://u@10.0.0.1', allow_plaintext: true, password_file: password },
        },
      }),
    ),
  })
  const target = await loadSharedStore(config, {})
  expect(target).toMatchObject({
    password: 'a-password-of-no-use',
    url: { kind: 'plain', user: 'u' },
  })
  const attested = attestedConfig(config, {
    version: '0',
    simulated: false,
    platform: 'dstack',
    addressKeySource: 'derived',
    addressKeyGeneration: 0,
    gpuRequired: 0,
    stapled: false,
    principals: [],
    weights: null,
  })
  expect(attested['store']).toMatchObject({
    shared: { url: 'redis://u@10.0.0.1', allow_plaintext: true },
  })
  expect(JSON.stringify(attested)).not.toContain('a-password')
})

describe('what is read beside it', () => {
  const shared = async (more: object = {}, url = 'rediss://host') =>
    configOf({
      config: file(
        'c.json',
        JSON.stringify({ store: { path: '/data', shared: { url, ...more } } }),
      ),
    })

  test('password from the environment, authority from its file', async () => {
    const ca = file('ca.pem', PEM)
    const target = await loadSharedStore(await shared({ ca }, 'rediss://u@host'), {
      [VARIABLE]: 'pw',
    })
    expect(target).toEqual({ url: targetOf('rediss://u@host').url, ca: PEM, password: 'pw' })
    expect(await loadSharedStore(await shared(), {})).toMatchObject({ ca: null, password: null })
  })

  test.each<readonly [string, () => Promise<unknown>]>([
    [
      'two ways to say the same',
      async () =>
        loadSharedStore(await shared({ password_file: file('p', 'x') }), { [VARIABLE]: 'y' }),
    ],
    [
      'a user without a password',
      async () => loadSharedStore(await shared({}, 'rediss://u@h'), {}),
    ],
    ['a password with spaces', async () => loadSharedStore(await shared(), { [VARIABLE]: 'a b' })],
    [
      'an empty file',
      async () => loadSharedStore(await shared({ password_file: file('p', '') }), {}),
    ],
    ['no such file', async () => loadSharedStore(await shared({ password_file: '/nowhere' }), {})],
    ['no certificate', async () => loadSharedStore(await shared({ ca: file('ca', 'x') }), {})],
    [
      'a password for no store',
      async () => loadSharedStore(await configOf({ store: '/data' }), { [VARIABLE]: 'y' }),
    ],
  ])('%s is refused, and not repeated', async (_name, load) => {
    await expect(load()).rejects.toMatchObject({ name: 'Refusal' })
    await expect(load()).rejects.not.toThrow(/a b|\by\b/)
  })
})

test('a key that ends with the process is not shared: no replica could read what it seals', async () => {
  const { store } = await configOf({ store: newFolder(), sharedStore: 'unix:/r.sock' })
  const open = storeOpener(
    store,
    () => Promise.resolve(ephemeralStoreKey()),
    targetOf('unix:/r.sock'),
  )
  await expect(open).rejects.toThrow(StoreError)
  await expect(open).rejects.toMatchObject({ code: 'shared_without_key' })
})

test('a shared store that cannot be is said before the weights are read', async () => {
  const config = file(
    'config.json',
    JSON.stringify({ listen: { port: 0 }, metrics: null, gpu: { required: 0 } }),
  )
  vi.stubEnv('COUNTERSIGN_TOKENS', 'alice:alice-token-0123456789')
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
  onTestFinished(() => {
    vi.unstubAllEnvs()
    stdout.mockRestore()
  })
  // There is no such folder, which would be found first by whoever read the weights first.
  const weights = join(newFolder(), 'none')
  const flags = { simulate: true, config, upstream: UPSTREAM, store: newFolder(), weights }
  await expect(serve({ ...flags, sharedStore: 'unix:/redis.sock' })).rejects.toThrow(
    STORE_FAULTS.shared_without_key,
  )
  await expect(serve(flags)).rejects.not.toThrow(STORE_FAULTS.shared_without_key)
})
