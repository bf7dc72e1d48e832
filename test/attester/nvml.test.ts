import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parseGpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { NVML_LIBRARIES } from '../../attestation/attester/nvml/find-nvml-library.ts'
import { NvmlError } from '../../attestation/attester/nvml/nvml-error.ts'
import type { NvmlErrorCode } from '../../attestation/attester/nvml/nvml-error.ts'
import { startNvmlProcess } from '../../attestation/attester/nvml/nvml-client.ts'
import { openNvml } from '../../attestation/attester/nvml/open-nvml.ts'
import type { NvmlOptions, NvmlSource } from '../../attestation/attester/nvml/open-nvml.ts'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import { simulatedReportTemplate } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { NO_STUB, startNvmlStub } from '../harness/nvml-stub.ts'
import type { NvmlStub } from '../harness/nvml-stub.ts'
import { transpile } from '../harness/transpile.ts'
import type { Transpiled } from '../harness/transpile.ts'

const GPUS = 8
const WAIT_MS = 10_000
const TIMING = { initMs: 5_000, callMs: 2_000 }
const REPORT = 'nvmlDeviceGetConfComputeGpuAttestationReport'
const CERTIFICATE = 'nvmlDeviceGetConfComputeGpuCertificate'

type Settings = Readonly<Record<string, number>>

function nonce32(): Uint8Array {
  return Uint8Array.from(randomBytes(32))
}

async function failureOf(work: Promise<unknown>): Promise<NvmlError> {
  const outcome = await work.then(
    () => null,
    (error: unknown) => error,
  )
  if (outcome instanceof NvmlError) return outcome
  throw new Error('it did not fail as NVML does', { cause: outcome })
}

/** Processes that this one started and that still run the script. */
function childrenOf(script: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(script)
      } catch {
        return false
      }
    })
}

describe.skipIf(NO_STUB !== null)('GPUs through NVML', () => {
  let stub: NvmlStub
  let built: Transpiled
  const open: NvmlSource[] = []
  const scriptPath = () => fileURLToPath(built.url)
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
    const nonce = nonce32()
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
    await stub.set({ ready: 0, multiGpuMode: 1 })
    const facts = await source().facts()
    expect(facts).toMatchObject({
      library: stub.library,
      driverVersion: { ok: true, value: '580.159.03' },
      count: { value: GPUS },
      ccState: { value: { environment: 2, ccFeature: 1, devToolsMode: 0 } },
      ccSettings: { value: { environment: 2, ccFeature: 1, devToolsMode: 0, multiGpuMode: 1 } },
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

  test('facts say of each reading why there is none, and go on', async () => {
    await stub.set({
      'return.nvmlSystemGetConfComputeState': 3,
      'return.nvmlSystemGetConfComputeSettings': 25,
      'return.nvmlDeviceGetVbiosVersion.3': 15,
      'return.nvmlDeviceGetHandleByIndex_v2.7': 4,
      'text.unended': 1,
    })
    const facts = await source().facts()
    expect(facts.ccState).toEqual({ ok: true, value: null })
    expect(facts.ccSettings).toEqual({ ok: true, value: null })
    expect(facts.driverVersion).toMatchObject({ failure: { code: 'nvml_answer_malformed' } })
    expect(facts.devices[3]).toMatchObject({
      architecture: { ok: true },
      vbios: {
        failure: {
          code: 'nvml_gpu_lost',
          detail: 'nvmlDeviceGetVbiosVersion of GPU 3 returned 15',
        },
      },
    })
    expect(facts.devices[7]).toMatchObject({ uuid: { failure: { code: 'nvml_no_permission' } } })
  })

  test('eight GPUs in protected PCIe attest without the CC feature', async () => {
    await stub.set({ ccFeature: 0, multiGpuMode: 1 })
    expect(await source().collect(nonce32())).toHaveLength(GPUS)
  })

  test('clients at once are answered one after the other, each under its own nonce', async () => {
    const one = source()
    const nonces = [nonce32(), nonce32(), nonce32()]
    const before = stub.nonces.length
    await Promise.all(nonces.map((nonce) => one.collect(nonce)))
    expect(stub.nonces.slice(before)).toEqual(
      nonces.flatMap((nonce) => Array.from({ length: GPUS }, () => nonce)),
    )
  })

  test('keeps one process between collections, and none after it was closed', async () => {
    const one = source()
    await one.collect(nonce32())
    const first = childrenOf(scriptPath())
    expect(first).toHaveLength(1)
    await one.collect(nonce32())
    expect(childrenOf(scriptPath())).toEqual(first)
    await one.close()
    await expect.poll(() => childrenOf(scriptPath()), { timeout: WAIT_MS }).toEqual([])
    expect((await failureOf(one.collect(nonce32()))).code).toBe('nvml_process_died')
  })

  test('the process is given no environment: no token, no LD_LIBRARY_PATH, no NODE_OPTIONS', async () => {
    const before = { ...process.env }
    process.env['COUNTERSIGN_TOKENS'] = 'alice:alice-token-0123456789'
    process.env['LD_LIBRARY_PATH'] = '/somewhere/else'
    try {
      await source().collect(nonce32())
      const [pid] = childrenOf(scriptPath())
      expect(readFileSync(`/proc/${pid ?? 0}/environ`, 'utf8')).toBe('')
      const handles = readdirSync(`/proc/${pid ?? 0}/fd`).map(Number)
      expect(handles).toEqual(expect.arrayContaining([0, 1, 2, 3]))
    } finally {
      process.env = before
    }
  })

  const FAULTS: readonly (readonly [string, Settings, NvmlErrorCode])[] = [
    ['CC mode off', { ccFeature: 0 }, 'nvml_cc_off'],
    ['a driver without CC', { 'return.nvmlSystemGetConfComputeState': 3 }, 'nvml_cc_off'],
    ['developer tools on', { devToolsMode: 1 }, 'nvml_devtools_on'],
    [
      'developer tools that only the settings admit',
      { 'settings.devToolsMode': 1 },
      'nvml_devtools_on',
    ],
    [
      'developer tools under protected PCIe',
      { ccFeature: 0, multiGpuMode: 1, devToolsMode: 1 },
      'nvml_devtools_on',
    ],
    ['a simulated environment', { environment: 1 }, 'nvml_simulated_environment'],
    ['encrypted NVLink alone', { ccFeature: 0, multiGpuMode: 2 }, 'nvml_cc_off'],
    ['one of eight missing', { count: 7 }, 'nvml_count_mismatch'],
    ['one too many', { count: 9 }, 'nvml_count_mismatch'],
    ['no GPU', { count: 0 }, 'nvml_count_mismatch'],
    ['an architecture without a name', { architecture: 7 }, 'nvml_architecture_unknown'],
    ['a report of no bytes', { reportSize: 0 }, 'nvml_size_out_of_bounds'],
    ['a report longer than its buffer', { reportSize: 0x2001 }, 'nvml_size_out_of_bounds'],
    ['a report that states the size −1', { reportSize: -1 }, 'nvml_size_out_of_bounds'],
    ['a report cut short', { reportSize: 4_000 }, 'nvml_report_malformed'],
    ['a chain of no bytes', { certificateSize: 0 }, 'nvml_size_out_of_bounds'],
    ['a chain longer than its buffer', { certificateSize: 0x1401 }, 'nvml_size_out_of_bounds'],
    ['a certificate cut in its middle', { certificateSize: 1_000 }, 'nvml_chain_malformed'],
    ['a library and driver that differ', { 'return.nvmlInit_v2': 18 }, 'nvml_driver_mismatch'],
    ['no driver', { 'return.nvmlInit_v2': 9 }, 'nvml_driver_not_loaded'],
    ['no permission', { 'return.nvmlInit_v2': 4 }, 'nvml_no_permission'],
    [
      'a driver that cannot find its library',
      { 'return.nvmlInit_v2': 12 },
      'nvml_library_unloadable',
    ],
    ['a driver that starts', { 'return.nvmlDeviceGetCount_v2': 27 }, 'nvml_not_ready'],
    ['an unknown error', { 'return.nvmlDeviceGetCount_v2': 999 }, 'nvml_failed'],
    [
      'a function that says it is not there',
      { 'return.nvmlDeviceGetArchitecture': 13 },
      'nvml_function_missing',
    ],
    ['a GPU that cannot attest', { [`return.${REPORT}`]: 3 }, 'nvml_not_supported'],
    ['a nonce that the driver refuses', { [`return.${REPORT}`]: 2 }, 'nvml_failed'],
    [
      'a structure that the driver does not know',
      { [`return.${CERTIFICATE}`]: 25 },
      'nvml_struct_version',
    ],
    ['the sixth GPU lost on the way', { [`return.${REPORT}.5`]: 15 }, 'nvml_gpu_lost'],
    ['the last GPU waiting for a reset', { [`return.${CERTIFICATE}.7`]: 16 }, 'nvml_gpu_lost'],
    [
      'a GPU gone between count and handle',
      { 'return.nvmlDeviceGetHandleByIndex_v2.7': 6 },
      'nvml_gpu_lost',
    ],
    ['a time-out of the driver', { [`return.${REPORT}.7`]: 10 }, 'nvml_timeout'],
    ['a report that never comes', { [`hang.${REPORT}.6`]: 1 }, 'nvml_timeout'],
    [
      'a question for the state that never returns',
      { 'hang.nvmlSystemGetConfComputeState': 1 },
      'nvml_timeout',
    ],
    ['a crash in the library', { [`crash.${REPORT}.2`]: 1 }, 'nvml_process_died'],
    ['a crash at the start', { 'crash.nvmlInit_v2': 1 }, 'nvml_process_died'],
    ['a library that ends the process', { [`exit.${CERTIFICATE}.1`]: 1 }, 'nvml_process_died'],
    [
      'a library that writes answers itself',
      { 'garbage.nvmlDeviceGetCount_v2': 1 },
      'nvml_answer_malformed',
    ],
    [
      'a library that floods the channel',
      { 'flood.nvmlDeviceGetCount_v2': 1 },
      'nvml_answer_malformed',
    ],
  ]
  test.each(FAULTS)(
    '%s: refuses with its own code, and works again after',
    async (_what, settings, code) => {
      const one = source()
      await stub.set(settings)
      const failure = await failureOf(one.collect(nonce32()))
      expect(failure.code).toBe(code)
      expect(failure.message).toMatch(/^\S.+: [A-Z].{20,}\.$/)
      await stub.set()
      expect(await one.collect(nonce32())).toHaveLength(GPUS)
    },
  )

  test.each([
    ['a GPU lost', { [`return.${REPORT}.5`]: 15 }, 'nvml_gpu_lost'],
    ['a driver unloaded', { 'return.nvmlSystemGetConfComputeState': 1 }, 'nvml_failed'],
    ['CC mode switched to developer tools', { devToolsMode: 1 }, 'nvml_devtools_on'],
  ] as const)(
    '%s under a process that has served: refused, and works again after',
    async (_what, settings, code) => {
      const one = source()
      await one.collect(nonce32())
      await stub.set(settings)
      expect((await failureOf(one.collect(nonce32()))).code).toBe(code)
      await stub.set()
      expect(await one.collect(nonce32())).toHaveLength(GPUS)
    },
  )

  test.each([
    [
      'a report over another nonce',
      'nvml_nonce_mismatch',
      () => {
        stub.answers.report = (gpu, _nonce) =>
          buildSpdmReport(simulatedReportTemplate(gpu, nonce32()))
      },
    ],
    [
      'a report over zeros, as a library gives that ignores the nonce',
      'nvml_nonce_mismatch',
      () => {
        stub.answers.report = (gpu) =>
          buildSpdmReport(simulatedReportTemplate(gpu, new Uint8Array(32)))
      },
    ],
    [
      'a replayed report of the last GPU',
      'nvml_nonce_mismatch',
      () => {
        const old = new Map<number, Uint8Array>()
        stub.answers.report = (gpu, nonce, index) => {
          const report = buildSpdmReport(simulatedReportTemplate(gpu, nonce))
          if (index === GPUS - 1) old.set(index, old.get(index) ?? report)
          return old.get(index) ?? report
        }
      },
    ],
    [
      'a report in a format that is not judged here',
      'nvml_report_malformed',
      () => {
        stub.answers.report = () => randomBytes(8_000)
      },
    ],
    [
      'a chain with its last certificate gone astray in the middle',
      'nvml_chain_malformed',
      () => {
        stub.answers.chain = (gpu) => Buffer.from(gpu.chainPem.slice(0, -400))
      },
    ],
  ] as const)('%s: refused, and works again after', async (_what, code, break_) => {
    const one = source()
    break_()
    if (code === 'nvml_nonce_mismatch') await one.collect(nonce32()).catch(() => {})
    expect((await failureOf(one.collect(nonce32()))).code).toBe(code)
    stub.answers.report = undefined
    stub.answers.chain = undefined
    expect(await one.collect(nonce32())).toHaveLength(GPUS)
  })

  const present = NVML_LIBRARIES.find((path) => existsSync(path))
  test.skipIf(present !== undefined)(
    `no library${present === undefined ? '' : `, but ${present}`}: says where to get it`,
    async () => {
      const bare = openNvml({ required: GPUS, script: new URL(built.url), retryPauseMs: 0 })
      open.push(bare)
      const failure = await failureOf(bare.collect(nonce32()))
      expect(failure.code).toBe('nvml_library_absent')
      expect(failure.message).toContain('NVIDIA_DRIVER_CAPABILITIES=utility')
    },
  )

  test('a file that is no library is named', async () => {
    const failure = await failureOf(source({ library: '/etc/passwd' }).collect(nonce32()))
    expect(failure.code).toBe('nvml_library_unloadable')
    expect(failure.message).toContain('/etc/passwd')
  })

  test('after a failure nothing is started for a while, however many ask', async () => {
    const one = source({ retryPauseMs: 60_000 })
    await stub.set({ 'crash.nvmlInit_v2': 1 })
    await failureOf(one.collect(nonce32()))
    await stub.set()
    const started = Date.now()
    for (let i = 0; i < 50; i++) {
      expect((await failureOf(one.collect(nonce32()))).code).toBe('nvml_process_died')
    }
    expect(Date.now() - started).toBeLessThan(1_000)
    expect(childrenOf(scriptPath())).toEqual([])
  })

  test('closing while the driver hangs at its start waits for nothing and leaves nothing', async () => {
    const one = source({ timing: { initMs: 60_000, callMs: 60_000 } })
    await stub.set({ 'hang.nvmlInit_v2': 1 })
    const failure = failureOf(one.collect(nonce32()))
    await expect.poll(() => childrenOf(scriptPath()), { timeout: WAIT_MS }).toHaveLength(1)
    await one.close()
    expect((await failure).code).toBe('nvml_process_died')
    await expect.poll(() => childrenOf(scriptPath()), { timeout: WAIT_MS }).toEqual([])
  })

  test('a process that outlives its end is waited for: no second one is started beside it', async () => {
    let release: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let started = 0
    let ended: Promise<unknown> = held
    const one = source({
      killMs: 20,
      start(script) {
        started++
        const client = startNvmlProcess(script)
        const { open, device, call, kill } = client
        ended = client.gone
        const gone = Promise.all([client.gone, held]).then(() => {})
        return {
          open,
          device,
          call,
          kill,
          gone,
          get alive() {
            return client.alive
          },
        }
      },
    })
    await stub.set({ 'return.nvmlDeviceGetCount_v2': 999 })
    expect((await failureOf(one.collect(nonce32()))).code).toBe('nvml_failed')
    await stub.set()
    expect((await failureOf(one.collect(nonce32()))).code).toBe('nvml_process_stuck')
    expect(started).toBe(1)
    await ended
    release()
    expect(await one.collect(nonce32())).toHaveLength(GPUS)
  })

  test('without the optional binding: says that it is missing', async () => {
    const bare = await transpile('attestation/attester/nvml/nvml-process.ts')
    const script = new URL(bare.url)
    try {
      // A package without its binary, which is what npm leaves on a platform that it has none for.
      const packages = new URL('../../../node_modules', script)
      await rm(packages)
      await mkdir(`${packages.pathname}/koffi`, { recursive: true })
      await writeFile(`${packages.pathname}/koffi/index.js`, "throw new Error('no binary')")
      const failure = await failureOf(source({ script }).collect(nonce32()))
      expect(failure.code).toBe('nvml_binding_missing')
    } finally {
      await bare.remove()
    }
  })

  test('a nonce of another length is a bug of the caller', async () => {
    await expect(source().collect(new Uint8Array(31))).rejects.toThrow(RangeError)
  })
})

describe.skipIf(NO_STUB !== null)('old drivers', () => {
  test('one without the functions of today is named as too old', async () => {
    const stub = await startNvmlStub(1, ['OLDEST_DRIVER'])
    const built = await transpile('attestation/attester/nvml/nvml-process.ts')
    const one = openNvml({ required: 1, library: stub.library, script: new URL(built.url) })
    try {
      const failure = await failureOf(one.facts())
      expect(failure).toMatchObject({ code: 'nvml_function_missing', detail: 'nvmlInit_v2' })
    } finally {
      await one.close()
      await stub.close()
      await built.remove()
    }
  })

  test('one from before the settings call attests by the state alone', async () => {
    const stub = await startNvmlStub(1, ['OLD_DRIVER'])
    const built = await transpile('attestation/attester/nvml/nvml-process.ts')
    const one = openNvml({ required: 1, library: stub.library, script: new URL(built.url) })
    try {
      expect(await one.collect(nonce32())).toHaveLength(1)
      expect((await one.facts()).ccSettings).toEqual({ ok: true, value: null })
    } finally {
      await one.close()
      await stub.close()
      await built.remove()
    }
  })
})
