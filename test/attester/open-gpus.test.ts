import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toHex } from '../../attestation/protocol/hex.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { parseConfig } from '../../src/config/config.ts'
import { openGpus } from '../../src/service/open-gpus.ts'

const PKI = createNvidiaPki({ now: new Date(), gpus: 8, switches: 4 })

describe('GPUs and NVSwitches of a machine in protected-PCIe mode', () => {
  let folder = ''
  let path = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-gpus-'))
    path = join(folder, 'nvattest')
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  /** A program that prints what there is of the device it is asked for. */
  const install = async (nonce: Uint8Array, switches: number): Promise<void> => {
    const all = collectSimulatedGpuEvidence(PKI, nonce).map((one) => ({
      ...one,
      nonce: toHex(nonce),
    }))
    const document = (arch: string, count: number) => ({
      result_code: 0,
      result_message: 'Ok',
      evidences: all.filter((one) => one.arch === arch).slice(0, count),
    })
    const answers = { gpu: document('HOPPER', 8), nvswitch: document('LS10', switches) }
    await writeFile(
      path,
      `#!${process.execPath}
const answers = ${JSON.stringify(answers)}
process.stdout.write(JSON.stringify(answers[process.argv[process.argv.indexOf('--device') + 1]]))
`,
    )
    await chmod(path, 0o755)
  }

  test('stand in one list, GPUs first, under one nonce; a switch that is missing fails the collection', async () => {
    const nonce = Uint8Array.from(randomBytes(32))
    const { source } = openGpus({ required: 8, nvswitches: 4, nvattest: path })
    await install(nonce, 4)
    const list = await source?.collect(nonce)
    expect(list?.map(({ arch }) => arch)).toEqual([
      ...Array<string>(8).fill('HOPPER'),
      ...Array<string>(4).fill('LS10'),
    ])
    await install(nonce, 3)
    await expect(source?.collect(nonce)).rejects.toMatchObject({ code: 'nvattest_count_mismatch' })
  })

  test('need nvattest and GPUs in the configuration', () => {
    const upstreams = [{ name: 'demo', url: 'http://127.0.0.1:9' }]
    const parse = (gpu: object) => parseConfig({ upstreams, gpu })
    expect(parse({ required: 8, nvswitches: 4 })).toMatchObject({
      ok: false,
      problems: ['gpu: NVSwitches attest through nvattest: give its path'],
    })
    expect(parse({ required: 8, nvswitches: 4, nvattest: '/usr/bin/nvattest' }).ok).toBe(true)
    // Nobody would collect them, and the document would promise them.
    expect(parse({ required: 0, nvswitches: 4, nvattest: '/usr/bin/nvattest' })).toMatchObject({
      ok: false,
      problems: ['gpu: NVSwitches attest beside GPUs: say how many are required'],
    })
    expect(parse({ required: 8 })).toMatchObject({ ok: true, config: { gpu: { nvswitches: 0 } } })
  })
})
