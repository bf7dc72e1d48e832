import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { toHex } from '../../attestation/protocol/hex.ts'
import { verify } from '../../src/cli/verify.ts'
import { SILENT_LOG } from '../../src/operations/open-log.ts'
import { parseConfig } from '../../src/config/config.ts'
import { readTokens } from '../../src/config/read-tokens.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import type { DemoModel } from '../../src/demo/model/start-demo-model.ts'
import { createGate } from '../../src/service/gate.ts'
import { openSimulatedStapler } from '../../src/service/open-stapler.ts'
import { openSimulation } from '../../src/service/open-simulation.ts'
import type { Simulation } from '../../src/service/open-simulation.ts'
import { startService } from '../../src/service/start-service.ts'
import type { Service } from '../../src/service/service.ts'

describe('a service that staples', () => {
  let folder = ''
  let model: DemoModel
  let simulation: Simulation
  let service: Service

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
    model = await startDemoModel()
    simulation = await openSimulation({ composeText: '{}', gpus: 2, addressKey: 'ephemeral' })
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
      gpuRequired: 2,
      address: simulation.address,
      simulated: true,
      log: SILENT_LOG,
      gate: createGate(simulation.roots),
      stapler: openSimulatedStapler(simulation, config.config),
      weights: null,
    })
    await service.ready
  })
  afterAll(async () => {
    await service.close()
    await simulation.close()
    await model.close()
    await rm(folder, { recursive: true })
  })

  test('has every check of quote and GPUs passed by a verifier with no network but the service', async () => {
    const roots = join(folder, 'roots.json')
    await writeFile(roots, JSON.stringify(simulation.roots))
    let out = ''
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text)
      return true
    })
    let code: number
    try {
      code = await verify(service.url, {
        allowSimulated: true,
        roots,
        policy: 'relying-party',
        require: [
          'quote.crl',
          'quote.tcb_status',
          'gpu.*.measurements',
          'gpu.*.ocsp',
          'gpu.*.rim_ocsp',
        ],
      })
    } finally {
      stdout.mockRestore()
    }
    expect(code, out).toBe(0)
    for (const id of [
      'quote.collateral',
      'gpu.collateral',
      'quote.tcb_info',
      'quote.qe_identity',
    ]) {
      expect(out).toMatch(new RegExp(`pass {2}${id.replace('.', '\\.')}\\s`))
    }
    for (const id of ['rim_driver', 'rim_vbios', 'measurements', 'ocsp', 'rim_ocsp']) {
      expect(out).toMatch(new RegExp(`pass {2}gpu\\.0-1\\.${id}\\s`))
    }
    expect(out).not.toContain('collateral_not_given')
    expect(service.config['collateral']).toMatchObject({ stapled: true })
  })

  test('lets nobody take the collateral out, or put another in', async () => {
    const nonce = toHex(Uint8Array.from(randomBytes(32)))
    const answer = await fetch(`${service.url}/attestation?nonce=${nonce}`)
    const text = await answer.text()
    const without = text.replace(
      /"collateral":\[\{.*\}\],"key_custody"/,
      '"collateral":[],"key_custody"',
    )
    expect(without.length).toBeLessThan(text.length / 2)
    const file = join(folder, 'document.json')
    await writeFile(file, without)
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
    try {
      expect(await verify(file, { allowSimulated: true, acceptUnchecked: true, nonce })).toBe(10)
      await writeFile(file, text)
      expect(await verify(file, { allowSimulated: true, acceptUnchecked: true, nonce })).toBe(0)
    } finally {
      stdout.mockRestore()
    }
  })
})
