import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { NvmlError } from '../../attestation/attester/nvml/nvml-error.ts'
import type { NvmlErrorCode } from '../../attestation/attester/nvml/nvml-error.ts'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import { simulatedReportTemplate } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { GPU_PLACES } from '../../src/doctor/examine-gpus.ts'
import { NO_STUB } from '../harness/nvml-stub.ts'
import { GPUS, rowOf, startNode } from './doctor.helpers.ts'
import type { DoctorNode } from './doctor.helpers.ts'

describe.skipIf(NO_STUB !== null)('doctor: GPUs', () => {
  let node: DoctorNode
  beforeAll(async () => {
    node = await startNode()
  })
  afterAll(() => node.close())
  afterEach(async () => {
    node.stub.answers.report = undefined
    await node.stub.set()
  })
  const failing = (code: NvmlErrorCode) => {
    const error = new NvmlError({ code, detail: 'NVML' })
    return { facts: () => Promise.reject(error), collect: () => Promise.reject(error) }
  }
  /** Codes of some checks with the driver set so. */
  const codes = async (settings: Readonly<Record<string, number>>, checks: readonly string[]) => {
    await node.stub.set(settings)
    const rows = await node.run()
    return checks.map((check) => rowOf(rows, check).code)
  }

  test.each([
    'nvml_library_absent',
    'nvml_library_unloadable',
    'nvml_binding_missing',
    'nvml_function_missing',
  ] as const)('gpu.library: %s, and all that the driver says is unknown', async (code) => {
    const rows = await node.run({ nvml: failing(code) })
    expect(rowOf(rows, 'gpu.library')).toMatchObject({ status: 'fail', code })
    for (const check of ['gpu.driver', 'gpu.cc', 'gpu.devtools', 'gpu.ready', 'gpu.count']) {
      expect(rowOf(rows, check)).toMatchObject({ status: 'unknown', seen: code })
    }
    expect(rowOf(rows, 'gpu.evidence')).toMatchObject({ status: 'fail', code })
  })

  test('gpu.driver: library and kernel driver of different versions (18), and a driver that is not there (9)', async () => {
    for (const [returned, code] of [
      [18, 'nvml_driver_mismatch'],
      [9, 'nvml_driver_not_loaded'],
      [4, 'nvml_no_permission'],
    ] as const) {
      await node.stub.set({ 'return.nvmlInit_v2': returned })
      const rows = await node.run({ nvml: node.nvmlAnew() })
      expect(rowOf(rows, 'gpu.library').status).toBe('ok')
      expect(rowOf(rows, 'gpu.driver')).toMatchObject({ status: 'fail', code })
      expect(rowOf(rows, 'gpu.cc').code).toBe('not_reached')
    }
  })

  test('gpu.driver: the version is shown, or why there is none', async () => {
    expect(rowOf(await node.run(), 'gpu.driver')).toMatchObject({
      status: 'ok',
      seen: '580.159.03',
    })
    expect(await codes({ 'return.nvmlSystemGetDriverVersion': 999 }, ['gpu.driver'])).toEqual([
      'nvml_failed',
    ])
  })

  test('gpu.cc and gpu.devtools: each by itself, and both at once', async () => {
    const checks = ['gpu.cc', 'gpu.devtools']
    expect(await codes({}, checks)).toEqual(['ok', 'ok'])
    expect(await codes({ ccFeature: 0 }, checks)).toEqual(['nvml_cc_off', 'ok'])
    expect(await codes({ devToolsMode: 1 }, checks)).toEqual(['ok', 'nvml_devtools_on'])
    expect(await codes({ ccFeature: 0, devToolsMode: 1 }, checks)).toEqual([
      'nvml_cc_off',
      'nvml_devtools_on',
    ])
    expect(await codes({ ccFeature: 0, multiGpuMode: 1 }, checks)).toEqual(['ok', 'ok'])
    expect(await codes({ environment: 1 }, checks)).toEqual(['nvml_simulated_environment', 'ok'])
    expect(await codes({ 'return.nvmlSystemGetConfComputeState': 999 }, checks)).toEqual([
      'nvml_failed',
      'nvml_failed',
    ])
  })

  test('gpu.ready: the GPUs accept no work', async () => {
    expect(await codes({ ready: 0 }, ['gpu.ready'])).toEqual(['gpu_not_ready'])
  })

  test('gpu.count: one of eight missing, one lost, one that the count cannot be asked of', async () => {
    expect(await codes({ count: 7 }, ['gpu.count', 'gpu.evidence'])).toEqual([
      'nvml_count_mismatch',
      'nvml_count_mismatch',
    ])
    expect(await codes({ 'return.nvmlDeviceGetHandleByIndex_v2.3': 15 }, ['gpu.count'])).toEqual([
      'nvml_gpu_lost',
    ])
    expect(await codes({ 'return.nvmlDeviceGetCount_v2': 999 }, ['gpu.count'])).toEqual([
      'nvml_failed',
    ])
  })

  test('gpu.evidence: a GPU that answers another nonce', async () => {
    node.stub.answers.report = (gpu) =>
      buildSpdmReport(simulatedReportTemplate(gpu, new Uint8Array(32)))
    expect(rowOf(await node.run(), 'gpu.evidence')).toMatchObject({
      status: 'fail',
      code: 'nvml_nonce_mismatch',
    })
  })

  test('gpu.evidence: nvattest where the configuration names it, and it is not there', async () => {
    const config = node.config({ gpu: { required: GPUS, nvattest: `${node.folder}/nvattest` } })
    const rows = await node.run({ configuration: { ok: true, config } })
    expect(rowOf(rows, 'gpu.evidence')).toMatchObject({ status: 'fail' })
    expect(rowOf(rows, 'gpu.evidence').code).toMatch(/^nvattest_/)
  })

  test('gpu.nodes: no folder, no control node, fewer than required, not for this user', async () => {
    const row = async (devices: string, mayUse?: (path: string) => boolean) => {
      const gpus = { ...GPU_PLACES, devices }
      const places = { gpus, ...(mayUse === undefined ? {} : { mayUse }) }
      return rowOf(await node.run({ places, socketPath: null }), 'gpu.nodes')
    }
    expect((await row(join(node.folder, 'no'))).code).toBe('gpu_nodes_absent')
    const folder = join(node.folder, 'dev-few')
    await mkdir(folder)
    await writeFile(join(folder, 'nvidia0'), '')
    expect((await row(folder)).code).toBe('gpu_nodes_absent')
    await writeFile(join(folder, 'nvidiactl'), '')
    expect(await row(folder)).toMatchObject({
      code: 'gpu_nodes_missing',
      seen: '1 where 8 are required',
    })
    const all = join(node.folder, 'dev')
    expect(await row(all, (path) => !path.endsWith('nvidia5'))).toMatchObject({
      code: 'gpu_nodes_denied',
      seen: 'nvidia5',
    })
    await rm(folder, { recursive: true })
  })

  test('gpu.persistence and gpu.fabric: no sign of the daemons; the fabric manager only with eight GPUs', async () => {
    const gpus = { ...GPU_PLACES, persistence: ['/nowhere/a'], fabric: ['/nowhere/b'] }
    const rows = await node.run({ places: { gpus } })
    expect(rowOf(rows, 'gpu.persistence')).toMatchObject({
      status: 'warn',
      code: 'gpu_persistence_unseen',
    })
    expect(rowOf(rows, 'gpu.fabric')).toMatchObject({ status: 'warn', code: 'gpu_fabric_unseen' })
    const one = node.config({ gpu: { required: 1 } })
    const few = await node.run({ configuration: { ok: true, config: one }, places: { gpus } })
    expect(few.some(({ check }) => check === 'gpu.fabric')).toBe(false)
  })

  test('gpu.required: a configuration that requires none is named as such, and no driver is asked', async () => {
    const config = node.config({ gpu: { required: 0 } })
    const rows = await node.run({
      configuration: { ok: true, config },
      nvml: failing('nvml_library_absent'),
    })
    expect(rowOf(rows, 'gpu.required')).toMatchObject({ status: 'warn', code: 'gpu_none_required' })
    expect(rows.some(({ check }) => check === 'gpu.library')).toBe(false)
    // The measured text still requires eight.
    expect(rowOf(rows, 'gpu.compose').code).toBe('gpu_compose_mismatch')
  })
})
