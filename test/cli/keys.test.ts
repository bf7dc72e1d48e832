import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { findGuestAgent } from '../../attestation/attester/dstack/find-guest-agent.ts'
import type { AgentReleaseName } from '../../attestation/simulator/dstack/agent-releases.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import type { KeyProviderName } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type { RunningGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import { openSealedKey } from '../../enclave/keys/sealed/sealed-key-folder.ts'
import { keysRotate, keysShow, REHEARSAL_NOTICE } from '../../src/cli/keys.ts'
import type { KeysOptions } from '../../src/cli/keys.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { serve } from '../../src/cli/serve.ts'
import { deriveSealingKey } from '../../src/service/open-address-key.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'

const top = mkdtempSync(join(tmpdir(), 'countersign-keys-'))
let folder = ''
let socketPath = ''
let agents: RunningGuestAgent[] = []

beforeEach(() => {
  folder = mkdtempSync(join(top, 'f-'))
  socketPath = join(mkdtempSync(join(top, 's-')), 'dstack.sock')
  vi.stubEnv('COUNTERSIGN_AGENT_SOCKET', socketPath)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const agent of agents) await agent.close()
  agents = []
})
afterAll(() => rmSync(top, { recursive: true }))

async function guestOf(keyProvider: KeyProviderName, release?: AgentReleaseName): Promise<void> {
  const guest = createSimulatedGuest({
    composeText: '{}',
    now: new Date(),
    keyProvider,
    ...(release === undefined ? {} : { release }),
  })
  agents.push(await startGuestAgent(guest, { socketPath }))
}

async function printed(act: () => Promise<unknown>): Promise<string> {
  let out = ''
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    out += String(chunk)
    return true
  })
  try {
    await act()
  } finally {
    spy.mockRestore()
  }
  return out
}

async function refusalOf(act: () => Promise<unknown>): Promise<string> {
  let message = ''
  const out = await printed(async () => {
    const error: unknown = await act().catch((reason: unknown) => reason)
    if (!(error instanceof Refusal)) throw new Error('it was not refused', { cause: error })
    message = error.message
  })
  // No address, nor anything else, before a refusal.
  expect(out).toBe('')
  return message
}

const sealed = (): KeysOptions => ({
  simulate: true,
  addressKey: 'sealed',
  addressKeyDir: folder,
})

const shownSchema = z.strictObject({
  source: z.string(),
  generation: z.number(),
  address: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/)
    .nullable(),
  key_provider: z.strictObject({ measured: z.string().nullable(), counts_as: z.string() }),
  agent: z.strictObject({ family: z.string(), version: z.string().nullable() }),
  survives: z.strictObject({ restart: z.boolean(), upgrade: z.boolean(), recreation: z.boolean() }),
})

async function shown(options: KeysOptions): Promise<z.infer<typeof shownSchema>> {
  const text = await printed(() => keysShow({ ...options, json: true }))
  return shownSchema.parse(JSON.parse(text))
}

/** As the service does at its first start. */
async function firstStart(): Promise<void> {
  const sealingKey = await deriveSealingKey(connectGuestAgent(socketPath))
  const { release } = await openSealedKey(folder, sealingKey)
  release()
}

describe('keys show', () => {
  test('says source, address, provider and what is survived, in words and in JSON', async () => {
    await guestOf('kms')
    const facts = await shown({ simulate: true })
    expect(facts).toMatchObject({
      source: 'derived',
      generation: 0,
      key_provider: { measured: 'kms', counts_as: 'kms' },
      agent: { family: '0.5.7 to 0.5.11', version: '0.5.11' },
      survives: { restart: true, upgrade: true, recreation: true },
    })
    expect(await printed(() => keysShow({ simulate: true }))).toBe(
      [
        `address       ${facts.address ?? ''}`,
        'source        derived',
        'key provider  kms (measured)',
        'guest agent   dstack 0.5.11',
        'survives      restart: yes, upgrade: yes, re-creation: yes',
        '',
      ].join('\n'),
    )
  })

  test('makes no sealed key, and shows the one that the service made', async () => {
    await guestOf('local-sgx', '0.5.3')
    expect((await shown(sealed())).address).toBeNull()
    expect(readdirSync(folder)).toEqual([])
    await firstStart()
    const facts = await shown(sealed())
    expect(facts).toMatchObject({
      source: 'sealed',
      generation: 1,
      survives: { restart: true, upgrade: false, recreation: false },
      agent: { family: '0.4.2 to 0.5.5', version: null },
    })
    expect(facts.address).not.toBeNull()
  })

  test('takes source and folder from the configuration of the service', async () => {
    await guestOf('kms')
    await firstStart()
    const config = join(folder, 'config.json')
    writeFileSync(
      config,
      JSON.stringify({ address_key: 'sealed', address_key_dir: folder, upstreams: [] }),
    )
    expect((await shown({ simulate: true, config })).generation).toBe(1)
  })

  test.each([
    ['none', 'derived', /cannot be derived: the measured key provider none gives new keys/],
    ['none', 'sealed', /cannot be sealed/],
    ['tpm', undefined, /measured key provider is tpm.*Choose in words.*derived, sealed, ephemeral/],
  ] as const)('under %s refuses %s before an address is printed', async (provider, source, why) => {
    await guestOf(provider)
    const options = { ...sealed(), ...(source === undefined ? {} : { addressKey: source }) }
    if (source === undefined) Reflect.deleteProperty(options, 'addressKey')
    expect(await refusalOf(() => keysShow(options))).toMatch(why)
    expect(readdirSync(folder)).toEqual([])
  })

  test('says what is wrong with agent and file, in one sentence with the next action', async () => {
    expect(await refusalOf(() => keysShow(sealed()))).toMatch(
      /^Version: guest agent unreachable.*Nobody answers at .* names/,
    )
    await guestOf('kms')
    await firstStart()
    await agents.pop()?.close()
    await guestOf('kms')
    expect(await refusalOf(() => keysShow(sealed()))).toMatch(/^sealed_not_opened: .*another app/)
  })
})

test('the provider is the one that was measured, not the one that the agent names', async () => {
  const measured = createSimulatedGuest({ composeText: '{}', now: new Date(), keyProvider: 'none' })
  const claimed = { ...measured, keyProvider: { name: 'kms', id: 'ab' } as const }
  agents.push(await startGuestAgent(claimed, { socketPath }))
  expect(await refusalOf(() => keysShow({ simulate: true }))).toMatch(/provider is none/)
  expect(await refusalOf(() => keysShow({ simulate: true, addressKey: 'derived' }))).toMatch(
    /cannot be derived/,
  )
})

test('--print-config names the generation and takes neither key nor lock', async () => {
  await guestOf('kms')
  vi.stubEnv('COUNTERSIGN_TOKENS', 'alice:0123456789abcdef')
  const options = {
    ...sealed(),
    printConfig: true,
    upstream: ['unix:/run/vllm.sock'],
    requireGpu: '0',
  }
  const generation = async () =>
    z
      .object({ config: z.object({ address_key: z.object({ generation: z.number() }) }) })
      .parse(JSON.parse(await printed(() => serve(options)))).config.address_key.generation
  expect(await generation()).toBe(1)
  expect(readdirSync(folder)).toEqual([])
  await firstStart()
  await printed(() => keysRotate(sealed()))
  const service = await openSealedKey(folder, await deriveSealingKey(connectGuestAgent(socketPath)))
  expect(await generation()).toBe(2)
  service.release()
})

describe('keys rotate', () => {
  test('names both addresses and what the change means for the registration', async () => {
    await guestOf('kms')
    await firstStart()
    const before = await shown(sealed())
    const text = await printed(() => keysRotate(sealed()))
    const after = await shown(sealed())
    expect(after.generation).toBe(2)
    expect(after.address).not.toBe(before.address)
    expect(text).toContain(`generation 1: ${before.address ?? ''}`)
    expect(text).toContain(`generation 2: ${after.address ?? ''}`)
    expect(text).toMatch(/targetTeeAddress[^]*resets teeSignerAcknowledged/)
    expect(readdirSync(folder).toSorted()).toEqual([
      'address-key.generation-1.json',
      'address-key.generation-2.json',
      'address-key.json',
    ])
  })

  test.each(['derived', 'ephemeral'])('refuses a key that is %s', async (addressKey) => {
    await guestOf('kms')
    expect(await refusalOf(() => keysRotate({ ...sealed(), addressKey }))).toMatch(
      /no next one|nothing to rotate/,
    )
  })

  test('is refused while a service holds the folder', async () => {
    await guestOf('kms')
    const sealingKey = await deriveSealingKey(connectGuestAgent(socketPath))
    const service = await openSealedKey(folder, sealingKey)
    expect(await refusalOf(() => keysRotate(sealed()))).toMatch(/^sealed_locked/)
    expect((await shown(sealed())).generation).toBe(1)
    service.release()
  })
})

describe('another socket of the agent', () => {
  test.each(['COUNTERSIGN_AGENT_SOCKET', 'DSTACK_SIMULATOR_ENDPOINT', 'TAPPD_SIMULATOR_ENDPOINT'])(
    '%s is refused without --simulate, by serve and by keys',
    async (name) => {
      vi.unstubAllEnvs()
      vi.stubEnv('COUNTERSIGN_TOKENS', 'alice:0123456789abcdef')
      vi.stubEnv(name, socketPath)
      const upstream = ['unix:/run/vllm.sock']
      expect(await refusalOf(() => serve({ upstream }))).toContain(`${name} is set`)
      expect(await refusalOf(() => keysShow({}))).toContain('--simulate alone')
    },
  )

  test('two that differ, and one that is no socket path, are refused', async () => {
    vi.stubEnv('DSTACK_SIMULATOR_ENDPOINT', '/other.sock')
    expect(await refusalOf(() => keysShow({ simulate: true }))).toContain('different sockets')
    vi.unstubAllEnvs()
    vi.stubEnv('DSTACK_SIMULATOR_ENDPOINT', 'http://127.0.0.1:8090')
    expect(await refusalOf(() => keysShow({ simulate: true }))).toContain('absolute path')
  })

  test('without one a guest is made up for a rehearsal, and that is said; it seals nothing', async (context) => {
    if (findGuestAgent() !== null) context.skip('SKIPPED: this machine has a guest agent')
    vi.unstubAllEnvs()
    let said = ''
    const spy = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
      said += String(chunk)
      return true
    })
    expect(await shown({ simulate: true })).toMatchObject({ source: 'derived', generation: 0 })
    spy.mockRestore()
    expect(said).toBe(`${REHEARSAL_NOTICE}\n`)
    expect(await refusalOf(() => keysShow(sealed()))).toContain('forgets its keys')
    expect(await refusalOf(() => keysRotate({ simulate: true }))).toContain('no next one')
  })

  test('a folder without a key has nothing to rotate, and that is what is said', async () => {
    await guestOf('kms')
    expect(await refusalOf(() => keysRotate(sealed()))).toMatch(
      /^sealed_none: The folder holds no sealed address key yet/,
    )
  })
})
