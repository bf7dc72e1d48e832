/**
 * The service as a process, on a simulated guest agent outside of it that goes wrong: at start it does not listen until the
 * cause is gone, later it gives no evidence until then, and its address stays what it was.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type {
  AgentFaults,
  RunningGuestAgent,
} from '../../attestation/simulator/dstack/start-guest-agent.ts'
import { openAddressKey } from '../../src/service/open-address-key.ts'
import { buildServe } from '../harness/serve-process.ts'
import { startSidecar as startProcess } from '../harness/sidecar-process.ts'
import type { Sidecar } from '../harness/sidecar-process.ts'
import type { Transpiled } from '../harness/transpile.ts'
import { jsonObject } from '../harness/chat.ts'

const top = mkdtempSync(join(tmpdir(), 'countersign-faults-'))
const composeText = '{"name":"faults"}'
const guest = createSimulatedGuest({ composeText, now: new Date() })
const otherGuest = createSimulatedGuest({ composeText, now: new Date() })
const faults: AgentFaults = {}
let built: Transpiled
let socketPath = ''
let folder = ''
let agent: RunningGuestAgent | null = null
let running: Sidecar[] = []

beforeAll(async () => {
  built = await buildServe()
}, 180_000)
beforeEach(() => {
  socketPath = join(mkdtempSync(join(top, 's-')), 'dstack.sock')
  folder = mkdtempSync(join(top, 'f-'))
})
afterEach(async () => {
  for (const name of Object.keys(faults)) Reflect.deleteProperty(faults, name)
  await Promise.all(running.map((one) => one.end('SIGKILL')))
  running = []
  await agent?.close()
  agent = null
})
afterAll(async () => {
  await built.remove()
  rmSync(top, { recursive: true })
})

async function startAgent(): Promise<void> {
  agent = await startGuestAgent(guest, { socketPath, faults })
}

async function startSidecar(addressKey: 'derived' | 'sealed' = 'sealed'): Promise<Sidecar> {
  const sidecar = await startProcess(built, { socketPath, addressKey, folder })
  running.push(sidecar)
  return sidecar
}

const SERVING = 'attested to itself; serving'
const nonce = () => randomBytes(32).toString('hex')

/** As the document of a fresh round names it. */
async function attestedAddress(sidecar: Sidecar): Promise<string> {
  const { status, body } = await sidecar.get(`/v1/attestation/report?nonce=${nonce()}`)
  expect(status).toBe(200)
  return String(jsonObject(body)['signing_address'])
}

/** What must be so while a cause at start lasts. */
async function expectShut(sidecar: Sidecar, cause: string): Promise<void> {
  await sidecar.logged(`"cause":"${cause}"`)
  expect((await sidecar.get('/attestation')).status).toBe(0)
  expect(sidecar.log()).not.toMatch(/0x[0-9a-fA-F]{40}/)
  expect(sidecar.log()).toMatch(/"advice":"[A-Z]/)
}

const AGENT_FAULTS: readonly (readonly [string, AgentFaults, string])[] = [
  ['busy', { failNext: 1_000_000 }, 'agent_refused'],
  ['dying in the middle of an answer', { closeMidAnswer: true }, 'agent_unreachable'],
  ['switching the protocol', { switchProtocol: true }, 'agent_malformed'],
  ['answering garbage', { garbage: true }, 'agent_malformed'],
  ['quoting something else', { reportData: new Uint8Array(64) }, 'agent_wrong_report_data'],
  ["another app's", { otherGuest }, 'sealed_not_opened'],
]

/** The key that was there before anything went wrong. */
async function settledAddress(): Promise<string> {
  await startAgent()
  const { address, close } = await openAddressKey(
    connectGuestAgent(socketPath),
    guest,
    'sealed',
    folder,
  )
  close()
  return address.address
}

describe('a guest agent that at start is', () => {
  test('absent, and comes later: nothing listens before, then it serves', async () => {
    const address = await settledAddress()
    await agent?.close()
    agent = null
    const sidecar = await startSidecar()
    await expectShut(sidecar, 'agent_unreachable')
    // Of the socket that was named, not of the one that a real machine would have.
    expect(sidecar.log()).toContain(
      `Nobody answers at ${socketPath}, which COUNTERSIGN_AGENT_SOCKET names.`,
    )
    expect(sidecar.log()).not.toContain('/var/run/dstack.sock')
    await startAgent()
    await sidecar.logged(SERVING)
    expect([sidecar.address(), await attestedAddress(sidecar)]).toEqual([address, address])
  }, 60_000)

  test('slow is waited for', async () => {
    const address = await settledAddress()
    faults.delayMs = 400
    const sidecar = await startSidecar()
    await sidecar.logged(SERVING)
    expect(sidecar.address()).toBe(address)
  }, 60_000)

  test.each(AGENT_FAULTS)(
    '%s: nothing listens until it is itself again',
    async (_, fault, cause) => {
      const address = await settledAddress()
      Object.assign(faults, fault)
      const sidecar = await startSidecar()
      await expectShut(sidecar, cause)
      for (const name of Object.keys(faults)) Reflect.deleteProperty(faults, name)
      await sidecar.logged(SERVING)
      expect([sidecar.address(), await attestedAddress(sidecar)]).toEqual([address, address])
    },
    60_000,
  )

  test('hanging: SIGTERM ends the service before the deadline of the call', async () => {
    await startAgent()
    let asked = false
    Object.defineProperty(faults, 'delayMs', {
      configurable: true,
      enumerable: true,
      get: () => {
        asked = true
        return 25_000
      },
    })
    const sidecar = await startSidecar()
    await expect.poll(() => asked, { timeout: 30_000 }).toBe(true)
    const began = performance.now()
    await sidecar.end('SIGTERM')
    expect(performance.now() - began).toBeLessThan(15_000)
    expect(sidecar.log()).not.toContain('listening')
  }, 60_000)

  test('gone for good: SIGTERM ends the waiting', async () => {
    const sidecar = await startSidecar()
    await sidecar.logged('"cause":"agent_unreachable"')
    await sidecar.end('SIGTERM')
    expect(sidecar.log()).not.toContain('listening')
  }, 60_000)
})

test('while it serves, each fault of the agent costs fresh evidence and nothing else', async () => {
  const address = await settledAddress()
  const sidecar = await startSidecar()
  await sidecar.logged(SERVING)
  for (const [name, fault] of AGENT_FAULTS) {
    Object.assign(faults, fault)
    const { status, body } = await sidecar.get(`/attestation?nonce=${nonce()}`)
    expect([status, JSON.stringify(jsonObject(body)['error'])], name).toEqual([
      503,
      expect.stringContaining('attestation_unavailable'),
    ])
    for (const one of Object.keys(faults)) Reflect.deleteProperty(faults, one)
    expect(await attestedAddress(sidecar), name).toBe(address)
  }
  await agent?.close()
  expect((await sidecar.get(`/attestation?nonce=${nonce()}`)).status).toBe(503)
  await startAgent()
  expect(await attestedAddress(sidecar)).toBe(address)
}, 60_000)

describe('the volume of a sealed key', () => {
  test('that is not mounted yet is waited for', async () => {
    const address = await settledAddress()
    renameSync(folder, `${folder}-away`)
    const sidecar = await startSidecar()
    await expectShut(sidecar, 'sealed_folder_missing')
    renameSync(`${folder}-away`, folder)
    await sidecar.logged(SERVING)
    expect(sidecar.address()).toBe(address)
  }, 60_000)

  test('whose file was cut is left alone, and served from when the file is back', async () => {
    const address = await settledAddress()
    const file = join(folder, 'address-key.json')
    const bytes = readFileSync(file)
    truncateSync(file, 100)
    const sidecar = await startSidecar()
    await expectShut(sidecar, 'sealed_malformed')
    expect(readFileSync(file)).toEqual(bytes.subarray(0, 100))
    writeFileSync(file, bytes)
    await sidecar.logged(SERVING)
    expect(sidecar.address()).toBe(address)
  }, 60_000)

  test('that another service uses is refused to the second until the first is killed', async () => {
    await startAgent()
    const first = await startSidecar()
    await first.logged(SERVING)
    const second = await startSidecar()
    await expectShut(second, 'sealed_locked')
    await first.end('SIGKILL')
    await second.logged(SERVING)
    expect(second.address()).toBe(first.address())
  }, 60_000)
})

test('a derived address is the same after a kill, and its generation is attested as 0', async () => {
  await startAgent()
  const first = await startSidecar('derived')
  await first.logged(SERVING)
  await first.end('SIGKILL')
  const second = await startSidecar('derived')
  await second.logged(SERVING)
  expect(second.address()).toBe(first.address())
  const config = jsonObject((await second.get('/attestation')).body)['config']
  expect(config).toMatchObject({ address_key: { source: 'derived', generation: 0 } })
}, 60_000)

test('a sealed generation is attested', async () => {
  await startAgent()
  const sidecar = await startSidecar()
  await sidecar.logged(SERVING)
  const config = jsonObject((await sidecar.get('/attestation')).body)['config']
  expect(config).toMatchObject({
    address_key: { source: 'sealed', generation: 1 },
    simulation: true,
  })
}, 60_000)
