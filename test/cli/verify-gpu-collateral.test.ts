/** `countersign verify` with NVIDIA's collateral: from a file, from its services, and from the folder that was kept. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { toHex } from '../../attestation/protocol/hex.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import {
  answerOcsp,
  createGpuCollateral,
  revocableOfDevices,
  revocableOfRims,
} from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { startNvidiaServer } from '../collateral/nvidia-server.helpers.ts'
import type { NvidiaServer } from '../collateral/nvidia-server.helpers.ts'

const now = new Date()
const at = Math.floor(now.getTime() / 1000)
const devices = createNvidiaPki({ now, gpus: 8, switches: 4 })
const rims = createRimPki({ now })
const nonce = 'cd'.repeat(32)
const collateral = createGpuCollateral(devices, rims, at)
const subjects = [...revocableOfDevices(devices), ...revocableOfRims(rims)]
const STATED = ['rim_driver', 'rim_vbios', 'measurements', 'ocsp', 'rim_ocsp']

let folder = ''
let list = ''
let judged: VerifyOptions = {}
let server: NvidiaServer
let service: VerifyOptions = {}

async function save(name: string, content: unknown): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  list = await save('gpus.json', collectSimulatedGpuEvidence(devices, Buffer.from(nonce, 'hex')))
  const roots = await save('roots.json', {
    sgx: '00'.repeat(32),
    nvidia: toHex(devices.rootSha256),
    rim: toHex(rims.rootSha256),
  })
  judged = { nonce, roots, allowSimulated: true, gpus: '8' }
  server = await startNvidiaServer()
  for (const { id, rim } of collateral.rims) server.rims.set(id, Buffer.from(rim, 'base64'))
  server.ocsp = (request) => {
    const asked = Buffer.from(request)
    const subject = subjects.find(({ serial }) => asked.includes(Buffer.from(serial)))
    return subject === undefined ? null : answerOcsp(subject, { at })
  }
  const tlsCa = await save('ca.pem', server.transport.tlsCa ?? '')
  const { rim, ocsp } = server.services
  service = { fetchCollateral: true, rimUrl: rim, ocspUrl: ocsp, proxy: 'none', tlsCa }
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

async function run(
  options: VerifyOptions,
  base = judged,
): Promise<{ code: number; out: string; err: string }> {
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
    return { code: await verify(list, { ...base, ...options }), ...text }
  } finally {
    out.mockRestore()
    err.mockRestore()
  }
}

/** Every check of firmware and revocation of all twelve devices passed. */
function expectChecked(out: string): void {
  for (const step of STATED) expect(out).toMatch(new RegExp(`pass  gpu\\.0-7\\.${step} `))
  for (const step of STATED.slice(1))
    expect(out).toMatch(new RegExp(`pass  switch\\.0-3\\.${step} `))
  expect(out).toMatch(/pass {2}gpu\.topology/)
  expect(out).not.toMatch(/^ {2}skip {2}(?:gpu|switch)\.[\d,-]+\./m)
}

describe('GPU collateral on the command line', () => {
  test('from a file: firmware and revocation of eight GPUs and four switches are judged', async () => {
    const { code, out } = await run({ gpuCollateral: await save('set.json', collateral) })
    expectChecked(out)
    expect(out).toMatch(/NVSwitch 3 /)
    expect(code).toBe(0)
  })

  test('where any simulation will do its RIMs bring their root along', async () => {
    const { roots, ...any } = judged
    expect(roots).toBeDefined()
    const { code, out } = await run({ gpuCollateral: await save('set.json', collateral) }, any)
    expectChecked(out)
    expect(code).toBe(0)
  })

  test('without any the checks are open, and it is said what to give', async () => {
    const { out } = await run({})
    expect(out).toMatch(/skip {2}gpu\.0-7\.rim_driver +collateral_not_given/)
    const required = await run({ require: ['gpu.*.measurements'] })
    expect(required.code).toBe(10)
  })

  test('a revoked GPU is refused', async () => {
    const [first] = revocableOfDevices(devices)
    if (first === undefined) throw new Error('no device')
    const revoked = answerOcsp(first, { at, status: { kind: 'revoked', at: now, reason: 1 } })
    const ocsp = [Buffer.from(revoked).toString('base64'), ...collateral.ocsp.slice(1)]
    const { code, out } = await run({
      gpuCollateral: await save('revoked.json', { ...collateral, ocsp }),
    })
    expect(out).toMatch(/FAIL {2}gpu\.[\d,-]+\.ocsp/)
    expect(code).toBe(10)
  })

  test('from the services, and then from the folder without asking anybody', async () => {
    const kept = join(folder, 'kept')
    await mkdir(kept)
    const fetched = await run({ ...service, gpuCollateral: kept })
    expect(fetched.err).toBe('')
    expectChecked(fetched.out)
    expect(fetched.code).toBe(0)
    const asked = server.requests.length
    const offline = await run({ gpuCollateral: kept })
    expectChecked(offline.out)
    expect(offline.err).toBe('')
    expect(server.requests).toHaveLength(asked)
  })

  test('an empty folder is named piece by piece, and nothing passes for want of it', async () => {
    const empty = join(folder, 'empty')
    await mkdir(empty)
    const { out, err } = await run({ gpuCollateral: empty })
    expect(err).toMatch(/^collateral_not_found: RIM NV_GPU_DRIVER\S+: none is kept$/m)
    expect(out).toMatch(/skip {2}gpu\.0-7\.measurements +collateral_not_given/)
  })

  test('NVIDIA is not asked about a simulation', async () => {
    const { err, out } = await run({ fetchCollateral: true })
    expect(err).toBe('')
    expect(out).toMatch(/skip {2}gpu\.0-7\.rim_driver +collateral_not_given/)
  })

  test('what contradicts or says nothing is refused', async () => {
    const gpuCollateral = await save('set.json', collateral)
    await expect(run({ ...service, gpuCollateral })).rejects.toThrow(/names a file/)
    await expect(run({ rimUrl: 'https://rim.example' })).rejects.toThrow(/--rim-url says nothing/)
    await expect(run({ ...service, ocspUrl: 'http://x' })).rejects.toThrow(Refusal)
  })
})
