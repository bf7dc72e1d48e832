/** A host that wipes or replaces the volume of the address key, against a service that was told which address it has. */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type { RunningGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import { loadConfig, serve } from '../../src/cli/serve.ts'
import { parseConfig } from '../../src/config/config.ts'
import { openAddressKey } from '../../src/service/open-address-key.ts'
import { jsonObject } from '../harness/chat.ts'
import { buildServe } from '../harness/serve-process.ts'
import { startSidecar } from '../harness/sidecar-process.ts'
import type { Sidecar, SidecarOptions } from '../harness/sidecar-process.ts'
import type { Transpiled } from '../harness/transpile.ts'

const SERVING = 'attested to itself; serving'
const CURRENT = 'address-key.json'
const OTHER = `0x${'ab'.repeat(20)}`

const top = mkdtempSync(join(tmpdir(), 'countersign-expect-'))
const guest = createSimulatedGuest({ composeText: '{"name":"expect"}', now: new Date() })
const socketPath = join(top, 'dstack.sock')
let agent: RunningGuestAgent
let built: Transpiled
const running: Sidecar[] = []
beforeAll(async () => {
  agent = await startGuestAgent(guest, { socketPath, faults: {} })
  built = await buildServe()
}, 180_000)
afterEach(() => Promise.all(running.splice(0).map((one) => one.end('SIGKILL'))))
afterAll(async () => {
  await agent.close()
  await built.remove()
  rmSync(top, { recursive: true })
})

const newFolder = () => mkdtempSync(join(top, 'keys-'))
const openKey = (source: 'derived' | 'sealed', folder: string, expected: string | null = null) =>
  openAddressKey(connectGuestAgent(socketPath), guest, source, folder, expected)

/** The address of the key that is made in a folder, or derived. */
async function settle(source: 'derived' | 'sealed', folder: string): Promise<string> {
  const { address, close } = await openKey(source, folder)
  close()
  return address.address
}

async function start(options: Omit<SidecarOptions, 'socketPath'>): Promise<Sidecar> {
  const sidecar = await startSidecar(built, { socketPath, ...options })
  running.push(sidecar)
  return sidecar
}

test('a wiped volume: nothing is served and no key is made, until the volume is back', async () => {
  const folder = newFolder()
  const expected = await settle('sealed', folder)
  const kept = join(newFolder(), CURRENT)
  copyFileSync(join(folder, CURRENT), kept)
  // Both names of the key, and whatever else lies there.
  for (const name of readdirSync(folder)) rmSync(join(folder, name))

  const sidecar = await start({ addressKey: 'sealed', folder, expected })
  await sidecar.logged('"cause":"sealed_absent"')
  expect((await sidecar.get('/attestation')).status).toBe(0)
  expect(readdirSync(folder).filter((name) => name.startsWith('address-key'))).toEqual([])

  copyFileSync(kept, join(folder, CURRENT))
  await sidecar.logged(SERVING)
  expect(sidecar.address()).toBe(expected)
  const { body } = await sidecar.get('/attestation')
  expect(jsonObject(body)['config']).toMatchObject({
    address_key: { source: 'sealed', generation: 1, expected: expected.toLowerCase() },
  })
}, 60_000)

test('a wiped volume on which somebody let a new key be made: refused, and the file is left as it is', async () => {
  const folder = newFolder()
  const found = await settle('sealed', folder)
  const before = readFileSync(join(folder, CURRENT), 'utf8')
  const sidecar = await start({ addressKey: 'sealed', folder, expected: OTHER })
  await sidecar.logged('"cause":"address_unexpected"')
  expect(sidecar.log()).toContain(`${found} in the place of ${OTHER}`)
  expect((await sidecar.get('/attestation')).status).toBe(0)
  expect(readFileSync(join(folder, CURRENT), 'utf8')).toBe(before)
  // The folder is free for who mends it.
  await expect(openKey('sealed', folder)).resolves.toMatchObject({ address: { address: found } })
}, 60_000)

test('a derived address of another app or key provider is refused, the right one served', async () => {
  const folder = newFolder()
  const derived = await settle('derived', folder)
  await expect(openKey('derived', folder, OTHER)).rejects.toMatchObject({
    code: 'address_unexpected',
  })
  // In any spelling of its digits.
  const expected = `0x${derived.slice(2).toUpperCase()}`
  const sidecar = await start({ addressKey: 'derived', folder, expected })
  await sidecar.logged(SERVING)
  expect(sidecar.address()).toBe(derived)
}, 60_000)

test('without the flag a first start cannot be told from a wiped volume, and makes a key', async () => {
  const folder = newFolder()
  expect(await settle('sealed', folder)).not.toBe(await settle('sealed', newFolder()))
})

test.each([
  ['no address', 'alice'],
  ['an address cut short', `0x${'ab'.repeat(19)}`],
  ['without its 0x', 'ab'.repeat(20)],
  ['two', `${OTHER},${OTHER}`],
])('--expect-address with %s is refused', async (_what, expectAddress) => {
  const upstream = ['unix:/run/vllm.sock']
  await expect(loadConfig({ upstream, expectAddress })).rejects.toThrow(
    'expect_address: an address',
  )
})

test('an ephemeral address, and that of a guest simulated in the process, cannot be expected', async () => {
  const upstreams = [{ name: 'main', url: 'unix:/run/vllm.sock' }]
  const config = { upstreams, expect_address: OTHER }
  expect(parseConfig({ ...config, address_key: 'sealed' }).ok).toBe(true)
  expect(parseConfig({ ...config, address_key: 'ephemeral' })).toMatchObject({ ok: false })
  process.env['COUNTERSIGN_TOKENS'] = 'alice:expect-token-0123456789'
  try {
    const upstream = ['unix:/run/vllm.sock']
    await expect(serve({ upstream, expectAddress: OTHER, simulate: true })).rejects.toThrow(
      'another address each time',
    )
  } finally {
    Reflect.deleteProperty(process.env, 'COUNTERSIGN_TOKENS')
  }
})
