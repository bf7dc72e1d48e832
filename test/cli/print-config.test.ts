/** `--print-config` prints what will be attested, and a running service attests what it printed. */
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { afterEach, expect, test, vi } from 'vitest'
import { findGuestAgent } from '../../attestation/attester/dstack/find-guest-agent.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { printConfig } from '../../src/cli/print-config.ts'
import { checkEnvironment } from '../../src/cli/read-environment.ts'
import { serve } from '../../src/cli/serve.ts'
import { unknownVariables } from '../../src/config/check-environment.ts'
import { parseConfig } from '../../src/config/config.ts'
import { VERSION } from '../../src/version.ts'
import { chat, chatBody, get, jsonObject } from '../harness/chat.ts'
import { TOKENS, startTestService } from '../harness/service.ts'

const TOKEN = 'print-config-token-0123'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

/** What `serve` writes to standard output before it returns. */
async function printed(options: Parameters<typeof serve>[0]): Promise<string> {
  let out = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk: unknown) => {
    out += String(chunk)
    return true
  })
  await serve({ printConfig: true, ...options })
  vi.restoreAllMocks()
  return out
}

test('needs no machine where the configuration says it all, and shows no token', async () => {
  vi.stubEnv('COUNTERSIGN_TOKENS', `alice:${TOKEN},broker:${TOKEN}x:relay`)
  const text = await printed({
    upstream: ['main=unix:/run/vllm.sock'],
    addressKey: 'derived',
    requireGpu: '8',
  })
  const { config } = jsonObject(text)
  if (!isJsonObject(config)) throw new Error('no configuration')
  expect(config).toMatchObject({
    version: VERSION,
    simulation: false,
    address_key: { source: 'derived', generation: 0 },
    gpu: { required: 8 },
    principals: [
      { name: 'alice', relay: false },
      { name: 'broker', relay: true },
    ],
    logging: { content: false, requests: 'errors' },
    metrics: { host: '127.0.0.1', port: 9464 },
  })
  expect(text).not.toContain(TOKEN)
  expect(text).not.toContain(createHash('sha256').update(TOKEN).digest('hex'))
})

test('says what it must be told where there is no machine to ask', async (context) => {
  if (findGuestAgent() !== null) context.skip('SKIPPED: this machine has a dstack guest agent')
  vi.stubEnv('COUNTERSIGN_TOKENS', `alice:${TOKEN}`)
  await expect(
    serve({ printConfig: true, upstream: ['unix:/run/vllm.sock'], requireGpu: '8' }),
  ).rejects.toThrow(/--print-config .*--address-key and --require-gpu/)
})

test('of a sealed address key is asked of the machine that keeps it, which a simulated guest is not', async (context) => {
  if (findGuestAgent() !== null) context.skip('SKIPPED: this machine has a dstack guest agent')
  vi.stubEnv('COUNTERSIGN_TOKENS', `alice:${TOKEN}`)
  const sealed = {
    ...{ printConfig: true, upstream: ['unix:/run/vllm.sock'], requireGpu: '8' },
    addressKey: 'sealed',
  }
  await expect(serve(sealed)).rejects.toThrow(/only the machine that keeps it knows it/)
  await expect(serve({ ...sealed, simulate: true })).rejects.toThrow(
    /^A guest that is simulated in this process forgets its keys .*derived or ephemeral/,
  )
})

test('with --simulate says that it simulates', async () => {
  vi.stubEnv('COUNTERSIGN_TOKENS', `alice:${TOKEN}`)
  const text = await printed({ upstream: ['unix:/run/vllm.sock'], simulate: true, metrics: false })
  expect(jsonObject(text)['config']).toMatchObject({ simulation: true, metrics: null })
})

test('a running service attests what was printed, and its receipts carry the digest', async () => {
  const at = await startTestService()
  const parsed = parseConfig({
    listen: { port: 0 },
    upstreams: [{ name: 'demo', url: at.model.url, health: null }],
    metrics: null,
  })
  if (!parsed.ok) throw new Error('the test configures itself')
  const document = jsonObject(
    printConfig(parsed.config, {
      version: VERSION,
      simulated: false,
      platform: 'dstack',
      addressKeySource: 'ephemeral',
      addressKeyGeneration: 0,
      gpuRequired: 0,
      stapled: false,
      principals: Object.keys(TOKENS).map((name) => ({
        name,
        relay: name === 'broker',
        tokenHash: new Uint8Array(32),
      })),
      weights: null,
    }),
  )
  expect(document['config']).toEqual(jsonObject((await get(at, '/attestation')).body)['config'])
  const jcs = canonicalize(document['config']) ?? ''
  const digest = `sha256:${createHash('sha256').update(jcs).digest('hex')}`
  expect(document['config_digest']).toBe(digest)
  await chat(at, chatBody('x'))
  expect(at.receipts[0]?.record.config_digest).toBe(digest)
  await at.close()
})

test('a variable with our prefix that nothing reads is refused by name, not by value', () => {
  expect(unknownVariables({ COUNTERSIGN_TOKENS: '', PATH: '', COUNTERSIGN_TOKEN: 'x' })).toEqual([
    'COUNTERSIGN_TOKEN',
  ])
  expect(() => checkEnvironment({ COUNTERSIGN_TOKEN: TOKEN, countersign_x: '1' })).toThrow(
    /^The environment sets COUNTERSIGN_TOKEN, countersign_x, which nothing here reads\.$/,
  )
  expect(() => checkEnvironment({ COUNTERSIGN_TOKENS: TOKEN })).not.toThrow()
})
