/** One case for each fault of TAPP, as the doctor names it. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createSimulatedTapp } from '../../attestation/simulator/tapp/create-simulated-tapp.ts'
import type { TappFaults } from '../../attestation/simulator/tapp/start-tapp-service.ts'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/config.ts'
import { examineTapp } from '../../src/doctor/examine-tapp.ts'
import type { TappInput } from '../../src/doctor/examine-tapp.ts'
import { examineNetwork } from '../../src/doctor/examine-network.ts'
import { APP_ID, COMPOSE, createTapp, serveTapp } from '../e2e/tapp.helpers.ts'
import type { TappOnWire, WireFaults } from '../e2e/tapp.helpers.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-tapp-'))
const socketPath = join(folder, 'tapp.sock')
const tapp = createTapp()
const notStarted = createTapp({ started: false })
const now = new Date()
const otherText = createSimulatedTapp({ appId: APP_ID, composeText: 'services: {}\n', now })
const faults: TappFaults & WireFaults = {}
let wire: TappOnWire

beforeAll(async () => {
  wire = await serveTapp(tapp, socketPath, faults, faults)
})
afterEach(() => {
  for (const name of Object.keys(faults)) Reflect.deleteProperty(faults, name)
})
afterAll(async () => {
  await wire.close()
  rmSync(folder, { recursive: true })
})

function config(members: object): Config {
  const parsed = parseConfig({ upstreams: [{ name: 'u', url: 'http://127.0.0.1:1' }], ...members })
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  return parsed.config
}

const EPHEMERAL = config({ address_key: 'ephemeral' })

/** Codes by check. */
async function codes(input: Partial<TappInput> = {}): Promise<Record<string, string>> {
  const given = { socketPath, appId: APP_ID, config: EPHEMERAL, deadlineMs: 2_000, ...input }
  const { rows } = await examineTapp(given)
  return Object.fromEntries(rows.map(({ check, code }) => [check, code]))
}

const WELL = {
  'tapp.socket': 'ok',
  'tapp.version': 'ok',
  'tapp.app': 'ok',
  'tapp.evidence': 'ok',
  'tapp.measured': 'ok',
  'key.provider': 'key_provider_none',
  'key.address': 'address_ephemeral',
}
const unasked = (socket: string) => ({
  ...WELL,
  'tapp.socket': socket,
  ...Object.fromEntries(
    ['version', 'app', 'evidence', 'measured'].map((name) => [`tapp.${name}`, 'not_reached']),
  ),
})

describe('the doctor on a machine of TAPP', () => {
  test('where all is well has the text that is measured, and a quote that stands for nothing', async () => {
    expect(await codes()).toEqual(WELL)
    const found = await examineTapp({ socketPath, appId: APP_ID, config: EPHEMERAL })
    expect(found.info).toEqual({ platform: 'tapp', appCompose: COMPOSE, vmConfig: '' })
    expect(found.quote).toBeInstanceOf(Uint8Array)
    expect(found.address).toBeNull()
    const network = { sources: null, quote: null, evidence: null, info: found.info }
    const clock = (await examineNetwork(network)).find(({ check }) => check === 'clock.source')
    expect(clock?.code).toBe('clock_unstated')
  })

  test('without a socket, or with one that it may not use, asks nobody', async () => {
    expect(await codes({ socketPath: null })).toEqual(unasked('tapp_socket_absent'))
    expect(await codes({ socketPath: join(folder, 'no.sock') })).toEqual(
      unasked('tapp_socket_absent'),
    )
    expect(await codes({ mayUse: () => false })).toEqual(unasked('tapp_socket_denied'))
    chmodSync(socketPath, 0o600)
    const { rows } = await examineTapp({ socketPath, appId: APP_ID, config: null })
    expect(rows[0]?.seen).toBe(`${socketPath}, mode 0600`)
  })

  test.each([
    ['an old TAPP', { version: '0.3.9' }, { 'tapp.version': 'tapp_too_old' }],
    [
      'an app that TAPP does not know',
      { notStarted: true },
      { 'tapp.app': 'tapp_refused', 'tapp.measured': 'not_reached' },
    ],
    [
      'an ignored nonce',
      { evidence: () => tapp.evidenceJson(new Uint8Array(64)) },
      { 'tapp.evidence': 'tapp_nonce_ignored', 'tapp.measured': 'not_reached' },
    ],
    [
      'no start in the log',
      { evidence: notStarted.evidenceJson },
      { 'tapp.measured': 'tapp_start_unmeasured' },
    ],
    [
      'a start of other software',
      { evidence: otherText.evidenceJson },
      { 'tapp.measured': 'tapp_other_app' },
    ],
    [
      'nobody who speaks gRPC',
      { speaksHttp1: true },
      {
        'tapp.version': 'tapp_unreachable',
        'tapp.app': 'tapp_unreachable',
        'tapp.evidence': 'tapp_unreachable',
        'tapp.measured': 'not_reached',
      },
    ],
  ] as readonly (readonly [string, TappFaults & WireFaults, Record<string, string>])[])(
    'names %s, and finds nothing else wrong',
    async (_, fault, expected) => {
      Object.assign(faults, fault)
      expect(await codes()).toEqual({ ...WELL, ...expected })
    },
  )

  test('says which address is impossible, and that one has to be named', async () => {
    for (const source of ['derived', 'sealed'] as const) {
      expect(await codes({ config: config({ address_key: source }) })).toEqual({
        ...WELL,
        'key.address': 'address_impossible',
      })
    }
    expect((await codes({ config: config({}) }))['key.address']).toBe('address_unnamed')
  })
})
