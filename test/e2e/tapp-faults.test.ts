/**
 * The service as a process, on a simulated TAPP outside of it that goes wrong: at start it does not listen until the cause is
 * gone, later it gives no evidence until then.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createSimulatedTapp } from '../../attestation/simulator/tapp/create-simulated-tapp.ts'
import type { TappFaults } from '../../attestation/simulator/tapp/start-tapp-service.ts'
import { openMachine } from '../../src/cli/open-machine.ts'
import { parseConfig } from '../../src/config/config.ts'
import { jsonObject } from '../harness/chat.ts'
import { buildServe } from '../harness/serve-process.ts'
import { startSidecar as startProcess } from '../harness/sidecar-process.ts'
import type { Sidecar } from '../harness/sidecar-process.ts'
import type { Transpiled } from '../harness/transpile.ts'
import { APP_ID, COMPOSE, createTapp, serveTapp } from './tapp.helpers.ts'
import type { TappOnWire, WireFaults } from './tapp.helpers.ts'

const top = mkdtempSync(join(tmpdir(), 'countersign-tapp-'))
const tapp = createTapp()
const now = new Date()
/** Genuine and over the nonce, of a machine that started something else. */
const otherApp = createSimulatedTapp({ appId: 'sim-other', composeText: COMPOSE, now })
const otherText = createSimulatedTapp({ appId: APP_ID, composeText: 'services: {}\n', now })
const faults: TappFaults & WireFaults = {}
let built: Transpiled
let socketPath = ''
let service: TappOnWire | null = null
let running: Sidecar[] = []

beforeAll(async () => {
  built = await buildServe()
}, 180_000)
beforeEach(() => {
  socketPath = join(mkdtempSync(join(top, 's-')), 'tapp.sock')
})
afterEach(async () => {
  mend()
  await Promise.all(running.map((one) => one.end('SIGKILL')))
  running = []
  await service?.close()
  service = null
})
afterAll(async () => {
  await built.remove()
  rmSync(top, { recursive: true })
})

function mend(): void {
  for (const name of Object.keys(faults)) Reflect.deleteProperty(faults, name)
}
async function startTapp(machine = tapp): Promise<void> {
  service = await serveTapp(machine, socketPath, faults, faults)
}
const place = () =>
  ({ kind: 'simulator', socketPath, namedBy: '--tapp-socket', tappAppId: APP_ID }) as const
async function startSidecar(): Promise<Sidecar> {
  const options = { socketPath, addressKey: 'ephemeral', folder: top, tappAppId: APP_ID } as const
  const sidecar = await startProcess(built, options)
  running.push(sidecar)
  return sidecar
}

const parsed = parseConfig({
  upstreams: [{ name: 'none', url: 'unix:/nowhere.sock' }],
  address_key: 'ephemeral',
  gpu: { required: 0 },
})
if (!parsed.ok) throw new Error(parsed.problems.join('; '))
const CONFIG = parsed.config

const SERVING = 'attested to itself; serving'
const fresh = () => `/attestation?nonce=${randomBytes(32).toString('hex')}`

async function expectShut(sidecar: Sidecar, cause: string): Promise<void> {
  await sidecar.logged(`"cause":"${cause}"`)
  expect((await sidecar.get('/attestation')).status).toBe(0)
  expect(sidecar.log()).not.toMatch(/0x[0-9a-fA-F]{40}/)
  expect(sidecar.log()).toMatch(/"advice":"[A-Z]/)
}

const replayed = new Uint8Array(64).fill(7)
const swapped = (nonce: Uint8Array): Uint8Array => {
  const made = jsonObject(Buffer.from(tapp.evidenceJson(nonce)).toString())
  const quote = Buffer.from(tapp.quote(new Uint8Array(64))).toString('base64')
  return Buffer.from(JSON.stringify({ ...made, quote }))
}
/** The quote of this machine beside the log of another. */
const crossed = (nonce: Uint8Array): Uint8Array => {
  const { cc_eventlog } = jsonObject(otherApp.evidenceJson(nonce))
  return Buffer.from(JSON.stringify({ ...jsonObject(tapp.evidenceJson(nonce)), cc_eventlog }))
}
const FAULTS: readonly (readonly [string, TappFaults & WireFaults, string])[] = [
  ['busy', { failNext: 1_000_000 }, 'tapp_refused'],
  ['dying in the middle of an answer', { cutAfter: 600 }, 'tapp_unreachable'],
  ['answering garbage', { garbage: true }, 'tapp_malformed'],
  ['ignoring the nonce', { evidence: () => tapp.evidenceJson(replayed) }, 'tapp_nonce_ignored'],
  ['quoting something else', { evidence: swapped }, 'tapp_wrong_report_data'],
  ["giving another machine's log", { evidence: crossed }, 'tapp_other_machine'],
  ["giving another app's evidence", { evidence: otherApp.evidenceJson }, 'tapp_start_unmeasured'],
  ['giving another text', { evidence: otherText.evidenceJson }, 'tapp_other_app'],
]
/** What is asked for at start alone. */
const START_FAULTS: typeof FAULTS = [
  ['no TAPP at all', { speaksHttp1: true }, 'tapp_unreachable'],
  ['still starting the app', { notStarted: true }, 'tapp_refused'],
  ["naming another app's text", { otherApp: 'sim-other' }, 'tapp_other_app'],
]

describe('TAPP that at start is', () => {
  test('absent, and comes later: nothing listens before, then it serves', async () => {
    const sidecar = await startSidecar()
    await expectShut(sidecar, 'tapp_unreachable')
    await startTapp()
    await sidecar.logged(SERVING)
    expect((await sidecar.get(fresh())).status).toBe(200)
  }, 60_000)

  test('one that has not measured the start of the app yet is waited for', async () => {
    const early = createTapp({ started: false })
    await startTapp(early)
    const sidecar = await startSidecar()
    await expectShut(sidecar, 'tapp_start_unmeasured')
    // Meanwhile slow, which is waited for.
    faults.delayMs = 300
    early.startApp()
    await sidecar.logged(SERVING)
  }, 60_000)

  test.each([...FAULTS, ...START_FAULTS])(
    '%s is not opened, and is once it is itself again',
    async (_, fault, cause) => {
      await startTapp()
      Object.assign(faults, fault)
      const open = () => openMachine(place(), CONFIG, {})
      await expect(open()).rejects.toMatchObject({ name: 'TappError', code: cause })
      mend()
      await (await open()).close()
    },
  )

  test('too old: the service ends with the sentence, and waits for nothing', async () => {
    await startTapp()
    faults.version = '0.3.9'
    const sidecar = await startSidecar()
    await expect(sidecar.logged('never')).rejects.toThrow('0.3.9: This TAPP is older than 0.4')
  }, 60_000)
})

test('while it serves, each fault of TAPP costs fresh evidence and nothing else', async () => {
  await startTapp()
  const sidecar = await startSidecar()
  await sidecar.logged(SERVING)
  const address = sidecar.address()
  for (const [name, fault] of FAULTS) {
    if (fault.cutAfter !== undefined) continue
    Object.assign(faults, fault)
    const { status, body } = await sidecar.get(fresh())
    expect([status, JSON.stringify(jsonObject(body)['error'])], name).toEqual([
      503,
      expect.stringContaining('attestation_unavailable'),
    ])
    mend()
    expect((await sidecar.get(fresh())).status, name).toBe(200)
  }
  await service?.close()
  expect((await sidecar.get(fresh())).status).toBe(503)
  await startTapp()
  await expect.poll(async () => (await sidecar.get(fresh())).status, { timeout: 30_000 }).toBe(200)
  expect(sidecar.address()).toBe(address)
}, 90_000)

test('a restart gives another address, and each start says that it is its own', async () => {
  await startTapp()
  const first = await startSidecar()
  await first.logged(SERVING)
  await first.end('SIGTERM')
  const second = await startSidecar()
  await second.logged(SERVING)
  expect(second.address()).not.toBe(first.address())
  for (const one of [first, second])
    expect(one.log()).toContain('this address ends with this start')
  const config = jsonObject((await second.get('/attestation')).body)['config']
  expect(config).toMatchObject({
    platform: 'tapp',
    simulation: true,
    address_key: { source: 'ephemeral', generation: 0 },
    doors: ['legacy-signature'],
  })
}, 60_000)
