import { randomBytes } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openNvattest } from '../../attestation/attester/nvattest/open-nvattest.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { examineNvswitches } from '../../src/doctor/examine-nvswitches.ts'
import { NO_STUB } from '../harness/nvml-stub.ts'
import { GPUS, rowOf, startNode } from './doctor.helpers.ts'
import type { DoctorNode } from './doctor.helpers.ts'

const SWITCHES = 4
const PKI = createNvidiaPki({ now: new Date(), gpus: GPUS, switches: SWITCHES })

describe.skipIf(NO_STUB !== null)('doctor: NVSwitches', () => {
  let node: DoctorNode
  beforeAll(async () => {
    node = await startNode()
  })
  afterAll(() => node.close())

  /** A program that has so many switches, and the rows of a machine that says it has `stated`. */
  const examine = async (there: number, stated: number | undefined) => {
    const nonce = Uint8Array.from(randomBytes(32))
    const evidences = collectSimulatedGpuEvidence(PKI, nonce)
      .filter(({ arch }) => arch === 'LS10')
      .slice(0, there)
      .map((one) => ({ ...one, nonce: toHex(nonce) }))
    const path = join(node.folder, 'nvattest-switches')
    const document = JSON.stringify({ result_code: 0, result_message: 'Ok', evidences })
    await writeFile(
      path,
      `#!${process.execPath}\nprocess.stdout.write(${JSON.stringify(document)})\n`,
    )
    await chmod(path, 0o755)
    const info = await connectGuestAgent(node.socketPath).info()
    return examineNvswitches(
      {
        required: SWITCHES,
        source: openNvattest({ device: 'nvswitch', required: SWITCHES, path }),
      },
      {
        gpus: GPUS,
        protectedPcie: true,
        info: { ...info, platform: 'dstack', vmConfig: JSON.stringify({ num_nvswitches: stated }) },
        nonce,
      },
    )
  }

  test('four of four: their number, and evidence of each for whoever asks about them next', async () => {
    const { rows, evidence } = await examine(SWITCHES, SWITCHES)
    expect(rows.map(({ check, status }) => [check, status])).toEqual([
      ['gpu.nvswitches', 'ok'],
      ['gpu.nvswitch_evidence', 'ok'],
    ])
    expect(evidence.map(({ arch }) => arch)).toEqual(Array<string>(SWITCHES).fill('LS10'))
    expect(rowOf((await examine(SWITCHES, undefined)).rows, 'gpu.nvswitches').seen).toBe(
      '4 required',
    )
  })

  test('one that is missing, and a machine that was created with none', async () => {
    const { rows, evidence } = await examine(SWITCHES - 1, 0)
    expect(rowOf(rows, 'gpu.nvswitches')).toMatchObject({
      status: 'fail',
      code: 'gpu_nvswitches_vm_config',
      seen: '0 where 4 are configured',
    })
    expect(rowOf(rows, 'gpu.nvswitch_evidence')).toMatchObject({
      status: 'fail',
      code: 'nvattest_count_mismatch',
    })
    expect(evidence).toEqual([])
  })

  test('a configuration that requires them, and no program that could ask them', async () => {
    const nvattest = `${node.folder}/nowhere`
    const config = node.config({ gpu: { required: GPUS, nvswitches: SWITCHES, nvattest } })
    const rows = await node.run({ configuration: { ok: true, config } })
    for (const check of ['gpu.evidence', 'gpu.nvswitch_evidence']) {
      expect(rowOf(rows, check)).toMatchObject({ status: 'fail', code: 'nvattest_absent' })
    }
    // The simulated machine has none.
    expect(rowOf(rows, 'gpu.nvswitches').code).toBe('gpu_nvswitches_vm_config')
  })

  test('eight GPUs in protected-PCIe mode with none required; no row where nothing asks for switches', async () => {
    await node.stub.set({ multiGpuMode: 1 })
    expect(rowOf(await node.run(), 'gpu.nvswitches')).toMatchObject({
      status: 'fail',
      code: 'gpu_nvswitches_unrequired',
    })
    await node.stub.set()
    const rows = await node.run()
    expect(rows.filter(({ check }) => check.startsWith('gpu.nvswitch'))).toEqual([])
  })
})
