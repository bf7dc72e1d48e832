/** What `countersign verify` says to those who give it a file of GPUs with options of another, or half of one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { AT } from '../appraiser/gpu.helpers.ts'

describe('countersign verify gpu.json, wrongly used', () => {
  const nonce = 'ab'.repeat(32)
  const pki = createNvidiaPki({ now: new Date(AT * 1000), gpus: 1 })
  const list = collectSimulatedGpuEvidence(pki, Buffer.from(nonce, 'hex'))
  const simulated: VerifyOptions = { allowSimulated: true, at: String(AT), nonce }

  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  async function save(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(folder, name)
    await writeFile(path, content)
    return path
  }

  test.each<[string, VerifyOptions, RegExp]>([
    ['a file of Intel’s collateral', { collateral: 'intel.json' }, /--gpu-collateral/],
    ['a compose text', { compose: 'app-compose.json' }, /--compose .*ignored/],
    ['quoted bytes', { reportData: 'ab' }, /--report-data .*ignored/],
    [
      'GPU collateral for an answer',
      { layout: 'nras', gpuCollateral: 'x' },
      /--gpu-collateral .*ignored/,
    ],
  ])('refuses %s, which nothing would read', async (_, option, says) => {
    const path = await save('list.json', JSON.stringify(list))
    await expect(verify(path, { ...simulated, ...option })).rejects.toThrow(says)
  })

  test('says of a bare report what is missing around it', async () => {
    const report = Buffer.from(list[0]?.evidence ?? '', 'base64')
    for (const [name, content] of [
      ['report.hex', `${report.toString('hex')}\n`],
      ['report.bin', report],
    ] as const) {
      const told = verify(await save(name, content), simulated)
      await expect(told).rejects.toThrow(/bare report of a GPU.*certificate chain/)
      await expect(told).rejects.toMatchObject({ exit: 30 })
    }
  })
})
