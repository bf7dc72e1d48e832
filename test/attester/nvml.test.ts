import { randomBytes } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parseGpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { openNvml } from '../../attestation/attester/nvml/open-nvml.ts'
import type { NvmlOptions, NvmlSource } from '../../attestation/attester/nvml/open-nvml.ts'
import { NO_STUB, startNvmlStub } from '../harness/nvml-stub.ts'
import type { NvmlStub } from '../harness/nvml-stub.ts'
import { transpile } from '../harness/transpile.ts'
import type { Transpiled } from '../harness/transpile.ts'

const GPUS = 8
const TIMING = { initMs: 5_000, callMs: 400 }

describe.skipIf(NO_STUB !== null)('GPUs through NVML', () => {
  let stub: NvmlStub
  let built: Transpiled
  const open: NvmlSource[] = []
  const source = (options: Partial<NvmlOptions> = {}): NvmlSource => {
    const made = openNvml({
      required: GPUS,
      library: stub.library,
      script: new URL(built.url),
      timing: TIMING,
      retryPauseMs: 0,
      ...options,
    })
    open.push(made)
    return made
  }
  beforeAll(async () => {
    stub = await startNvmlStub(GPUS)
    built = await transpile('attestation/attester/nvml/nvml-process.ts')
  })
  afterAll(async () => {
    await stub.close()
    await built.remove()
  })
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()))
    stub.answers.report = undefined
    stub.answers.chain = undefined
    await stub.set()
  })

  test('asks every GPU for the one nonce, and takes report and attestation chain whole', async () => {
    const before = stub.nonces.length
    const nonce = Uint8Array.from(randomBytes(32))
    const evidence = await source().collect(nonce)
    expect(stub.nonces.slice(before)).toEqual(Array.from({ length: GPUS }, () => nonce))
    expect(evidence).toHaveLength(GPUS)
    for (const [index, one] of evidence.entries()) {
      expect(one.arch).toBe('HOPPER')
      expect(Buffer.from(one.certificate, 'base64').toString()).toBe(stub.pki.gpus[index]?.chainPem)
      const parsed = parseGpuEvidence(one)
      expect(parsed.ok && parsed.evidence.report.requestNonce).toEqual(nonce)
    }
  })

  test('reads the facts', async () => {
    await stub.set({ ready: 0 })
    const facts = await source().facts()
    expect(facts).toMatchObject({
      library: stub.library,
      driverVersion: { ok: true, value: '580.159.03' },
      count: { value: GPUS },
      ccState: { value: { environment: 2, ccFeature: 1, devToolsMode: 0 } },
      ccSettings: { value: { environment: 2, ccFeature: 1, devToolsMode: 0, multiGpuMode: 0 } },
      readyState: { ok: true, value: 0 },
    })
    expect(facts.devices).toHaveLength(GPUS)
    expect(facts.devices[7]).toEqual({
      index: 7,
      architecture: { ok: true, value: 9 },
      architectureName: 'HOPPER',
      vbios: { ok: true, value: '96.00.9F.00.01' },
      uuid: { ok: true, value: 'GPU-00000000-0000-0000-0000-000000000007' },
    })
  })
  void readFileSync
  void readdirSync
})
