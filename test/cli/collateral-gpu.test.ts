import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parseGpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import {
  answerOcsp,
  createGpuCollateral,
  revocableOfDevices,
} from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import { collateralGpu } from '../../src/cli/collateral-gpu.ts'
import type { CollateralGpuOptions } from '../../src/cli/collateral-gpu.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { startNvidiaServer } from '../collateral/nvidia-server.helpers.ts'
import type { NvidiaServer } from '../collateral/nvidia-server.helpers.ts'

const now = new Date()
const at = Math.floor(now.getTime() / 1000)
const devices = createNvidiaPki({ now, gpus: 1 })
const rims = createRimPki({ now })
const evidence = collectSimulatedGpuEvidence(devices, new Uint8Array(32))

let server: NvidiaServer
let folder = ''
let options: CollateralGpuOptions = {}
beforeAll(async () => {
  server = await startNvidiaServer()
  for (const { id, rim } of createGpuCollateral(devices, rims, at).rims) {
    server.rims.set(id, Buffer.from(rim, 'base64'))
  }
  const subjects = revocableOfDevices(devices)
  server.ocsp = (request) => {
    const subject = subjects.find(({ serial }) =>
      Buffer.from(request).includes(Buffer.from(serial)),
    )
    return subject === undefined ? null : answerOcsp(subject, { at })
  }
  folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  const tlsCa = join(folder, 'ca.pem')
  await writeFile(tlsCa, server.transport.tlsCa ?? '')
  const { rim, ocsp } = server.services
  options = { dir: join(folder, 'cache'), rimUrl: rim, ocspUrl: ocsp, proxy: 'none', tlsCa }
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

async function run(file: string, more: CollateralGpuOptions = {}) {
  const text = { out: '', err: '' }
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text.out += String(chunk)
    return true
  })
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    text.err += String(chunk)
    return true
  })
  try {
    return { code: await collateralGpu(file, { ...options, ...more }), ...text }
  } finally {
    out.mockRestore()
    err.mockRestore()
  }
}

describe('countersign collateral gpu', () => {
  test('prints a file that the verifier takes, and names what is missing', async () => {
    const file = join(folder, 'gpu.json')
    await writeFile(file, JSON.stringify(evidence))
    const first = await run(file)
    const parsed = parseGpuCollateral(Buffer.from(first.out))
    expect(parsed.ok && parsed.collateral.rims).toHaveLength(2)
    expect(parsed.ok && parsed.collateral.ocsp).toHaveLength(3)
    // The simulated RIM root is not one whose chains NVIDIA is asked about.
    expect(first.err).toMatch(/^collateral_malformed: OCSP of RIM NV_GPU_\w/m)
    expect(first.code).toBe(1)
    const asked = server.requests.length
    expect((await run(file)).out).toBe(first.out)
    expect(server.requests).toHaveLength(asked)
  })

  test('prints no empty file where nothing could be had: it would pass for collateral that was given', async () => {
    const file = join(folder, 'offline.json')
    await writeFile(file, JSON.stringify(evidence))
    const nobody = 'https://127.0.0.1:9/'
    await expect(
      run(file, { dir: join(folder, 'empty-cache'), rimUrl: nobody, ocspUrl: nobody }),
    ).rejects.toThrow('no file is printed')
  })

  test('refuses what is no GPU evidence, and a service that is no https URL', async () => {
    const file = join(folder, 'other.json')
    await writeFile(file, '{"a":1}')
    await expect(run(file)).rejects.toThrow(Refusal)
    await expect(run(file, { rimUrl: 'http://rim.example' })).rejects.toThrow('--rim-url')
    await expect(run(file, { ocspUrl: 'https://a:b@c.example' })).rejects.toThrow('--ocsp-url')
  })
})
