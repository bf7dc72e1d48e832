import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { parseConfig } from '../../src/config/config.ts'
import { readTokens } from '../../src/config/read-tokens.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import type { DemoModel } from '../../src/demo/model/start-demo-model.ts'
import { SILENT_LOG } from '../../src/operations/open-log.ts'
import { createGate } from '../../src/service/gate.ts'
import { openSimulation } from '../../src/service/open-simulation.ts'
import type { Simulation } from '../../src/service/open-simulation.ts'
import { startService } from '../../src/service/start-service.ts'
import type { Service } from '../../src/service/service.ts'
import { startIntelServer } from '../collateral/intel-server.helpers.ts'
import type { IntelServer } from '../collateral/intel-server.helpers.ts'

describe('countersign verify with collateral', () => {
  let folder = ''
  let model: DemoModel
  let simulation: Simulation
  let service: Service
  let intel: IntelServer
  let options: VerifyOptions = {}
  let network: VerifyOptions = {}

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
    model = await startDemoModel()
    simulation = await openSimulation({ composeText: '{}', gpus: 1, addressKey: 'ephemeral' })
    intel = await startIntelServer(simulation.guest.pki.collateral)
    const config = parseConfig({
      listen: { port: 0 },
      upstreams: [{ name: 'demo', url: model.url }],
      metrics: null,
    })
    const tokens = readTokens('alice:0123456789abcdef')
    if (!config.ok || !tokens.ok) throw new Error('the test configures itself')
    service = await startService({
      config: config.config,
      principals: tokens.principals,
      cpu: simulation.cpu,
      gpu: simulation.gpu,
      gpuRequired: 1,
      address: simulation.address,
      simulated: true,
      weights: null,
      log: SILENT_LOG,
      gate: createGate(simulation.roots),
    })
    await service.ready
    const tlsCa = join(folder, 'ca.pem')
    await writeFile(tlsCa, intel.tlsCa)
    options = {
      allowSimulated: true,
      require: ['quote.crl', 'quote.tcb_status'],
      collateral: join(folder, 'cache'),
    }
    network = { pccs: intel.pccs.api, proxy: 'none', tlsCa, fetchCollateral: true }
  })
  afterEach(async () => {
    intel.requests.length = 0
    intel.serve = () => simulation.guest.pki.collateral
    await rm(join(folder, 'cache'), { recursive: true, force: true })
  })
  afterAll(async () => {
    await service.close()
    await simulation.close()
    await model.close()
    await intel.close()
    await rm(folder, { recursive: true })
  })

  async function run(more: VerifyOptions): Promise<{ code: number; out: string }> {
    let out = ''
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text)
      return true
    })
    try {
      return { code: await verify(service.url, { ...options, ...more }), out }
    } finally {
      stdout.mockRestore()
    }
  }

  test('--fetch-collateral asks the service and judges by what it says; offline it is found again', async () => {
    const fetched = await run(network)
    expect(fetched.code, fetched.out).toBe(0)
    expect(fetched.out).toMatch(/pass {2}quote\.tcb_status +UpToDate/)
    expect(intel.requests).toHaveLength(4)
    expect((await run({})).code).toBe(0)
    expect(intel.requests).toHaveLength(4)
  })

  test('collateral signed by another key is refused, however it was fetched', async () => {
    const stranger = createIntelPki({ now: new Date() }).collateral
    intel.serve = () => ({
      ...simulation.guest.pki.collateral,
      tcb_info_signature: stranger.tcb_info_signature,
    })
    const { code, out } = await run(network)
    expect(code).toBe(10)
    expect(out).toContain('tcb_info_signature_invalid')
  })

  test('a set of another PKI in a file is refused', async () => {
    const { code, out } = await run({
      collateral: await save('other.json', createIntelPki({ now: new Date() }).collateral),
    })
    expect(code).toBe(10)
    expect(out).toContain('collateral_chain_untrusted_root')
  })

  test.each([
    [{ pccs: 'https://pccs.example' }, '--pccs'],
    [{ proxy: 'none' }, '--proxy'],
    [{ tlsCa: '/ca.pem' }, '--tls-ca'],
    [{ channel: 'early', collateral: '/absent.json' }, '--channel'],
  ])('a setting that nothing reads is refused: %j', async (more, flag) => {
    await expect(run(more)).rejects.toThrow(flag)
  })

  test('a service that does not answer stops the command before any verdict', async () => {
    intel.serve = () => null
    await expect(run(network)).rejects.toThrow(Refusal)
  })

  async function save(name: string, value: unknown): Promise<string> {
    const path = join(folder, name)
    await writeFile(path, JSON.stringify(value))
    return path
  }
})
