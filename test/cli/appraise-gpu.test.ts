import { describe, expect, test } from 'vitest'
import { MAX_GPU_INPUT_BYTES } from '../../attestation/appraiser/gpu/appraise-gpu-input.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { appraiseGpuCommand } from '../../src/cli/appraise-gpu.ts'
import { runInput } from './run-input.helpers.ts'

const NOW = new Date('2026-11-26T12:00:00Z')
const pki = createNvidiaPki({ now: NOW, gpus: 2 })
const nonce = Buffer.alloc(32, 7)
const list = collectSimulatedGpuEvidence(pki, nonce)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const POLICY = { allowSimulated: true, nvidiaRoots: [hex(pki.rootSha256)] }
const INPUT = {
  evidence: list,
  nonce: hex(nonce),
  at: NOW.getTime() / 1000,
  gpus: 2,
  policy: POLICY,
}
const OTHER = 'ab'.repeat(32)
const items = list.map(({ certificate, evidence }) => ({ certificate, evidence }))
const collected = list.map((item) => ({ ...item, nonce: INPUT.nonce }))
const run = (input: unknown) => runInput(appraiseGpuCommand, input)

describe('countersign appraise-gpu', () => {
  test('accepts genuine evidence, as of the time given, and describes each GPU', async () => {
    const { printed, ...result } = await run(INPUT)
    expect(result).toEqual({ exit: 0, verdict: 'accepted-as-of', code: 'ok' })
    // The nonce is the caller's own, so nothing ties it to a keyset.
    expect(printed['rung']).toBe('vendor-signed')
    expect(printed['devices']).toEqual(
      [0, 1].map((index) => ({
        kind: 'gpu',
        index,
        model: expect.stringMatching(/^GH100 /) as unknown,
        serial: `41${hex(pki.gpus[index]?.pdi ?? new Uint8Array())}`,
        leafSerial: expect.stringMatching(/^[4-7][0-9a-f]{39}$/) as unknown,
        driver: '580.159.03',
        vbios: '96.00.9F.00.01',
        mode: 'single-pass-through',
        rung: 'vendor-signed',
      })),
    )
  })

  test.each<readonly [string, unknown]>([
    ['a request to NVIDIA’s service', { nonce: INPUT.nonce, arch: 'HOPPER', evidence_list: items }],
    ['a list that names no architecture', items],
    ['a list with the nonce', collected],
    ['what nvattest prints', { result_code: 0, result_message: 'Ok', evidences: collected }],
  ])('reads %s alike', async (_, evidence) => {
    expect(await run({ ...INPUT, evidence })).toMatchObject({ exit: 0, code: 'ok' })
  })

  test.each<readonly [string, object, number, string]>([
    ['a simulation that nobody allowed', { policy: {} }, 10, 'simulation_not_allowed'],
    ['another nonce', { nonce: OTHER }, 10, 'gpu_nonce_mismatch'],
    [
      'a file of another round',
      { evidence: [{ ...collected[0], nonce: OTHER }, collected[1]] },
      10,
      'gpu_stated_nonce_mismatch',
    ],
    ['one GPU of two', { evidence: list.slice(1) }, 10, 'gpu_count_mismatch'],
    ['one GPU twice', { evidence: [list[0], list[0]] }, 10, 'gpu_duplicate'],
    ['no GPU at all', { evidence: [], gpus: null }, 10, 'not_met'],
    [
      'a collector that failed',
      { evidence: { result_code: 2, result_message: 'no device', evidences: collected } },
      10,
      'gpu_collection_failed',
    ],
    [
      'a collector that does not say whether it succeeded',
      { evidence: { evidences: collected } },
      10,
      'gpu_collection_failed',
    ],
    [
      'a collector whose result is a text without end',
      { evidence: { result_code: 'x'.repeat(1_000_000), evidences: collected } },
      10,
      'gpu_collection_failed',
    ],
    [
      'two readings of one file',
      { evidence: { result_code: 0, evidences: collected, evidence_list: items } },
      30,
      'gpu_file_malformed',
    ],
    ['an element with more', { evidence: [{ ...list[0], ueid: '1' }] }, 30, 'gpu_file_malformed'],
    ['a nonce that is none', { evidence: [{ ...list[0], nonce: '' }] }, 30, 'gpu_file_malformed'],
    ['evidence that is text', { evidence: 'eyJ' }, 30, 'gpu_file_malformed'],
    ['collateral that is none', { collateral: { rims: {}, ocsp: [] } }, 30, 'report_malformed'],
    ['a policy that is misspelt', { policy: { gpu: { modus: [] } } }, 30, 'report_malformed'],
    ['half a GPU', { gpus: 0.5 }, 30, 'report_malformed'],
    ['an unknown member', { clock: 1 }, 30, 'report_malformed'],
    ['no time', { at: null }, 30, 'report_malformed'],
  ])('with %s is refused', async (_, change, exit, code) => {
    expect(await run({ ...INPUT, ...change })).toMatchObject({ exit, code })
  })

  test('refuses what is no JSON, has a name twice or is too long', async () => {
    expect(await run('{')).toMatchObject({ exit: 30, code: 'report_malformed' })
    expect(await run('{"at":1,"at":2}')).toMatchObject({ exit: 30, code: 'report_malformed' })
    const long = ' '.repeat(MAX_GPU_INPUT_BYTES + 1)
    expect(await run(long)).toMatchObject({ exit: 30, code: 'report_malformed' })
  })
})
