/** `countersign verify gpu.json`: GPU evidence alone, recorded by NVIDIA's tools and simulated, through the command line. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parseSpdmReport } from '../../attestation/appraiser/gpu/parse-spdm-report.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { AT, element, fixtureText, haveFixtures, recordedReport } from '../appraiser/gpu.helpers.ts'

const EVIDENCE = 'nvidia/evidence'
const NONCE_550 = '931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb'
const NONCE_580 = '5bb22e377702d4e1e8215a903ba094826b9ac7f731dee1fe8102958bf2840aca'
const NONCE_590 = 'e97b23a1718095a0e9e35edca810768c70a6a5a389b705e753b197912bc11576'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function save(name: string, content: unknown): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

async function run(path: string, options: VerifyOptions): Promise<{ code: number; out: string }> {
  let out = ''
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  try {
    return { code: await verify(path, options), out }
  } finally {
    stdout.mockRestore()
  }
}

const lastLine = (out: string): string => out.trimEnd().split('\n').at(-1) ?? ''
/** The row of one device, white space collapsed. */
const rowOf = (out: string, name: string): string | undefined =>
  out
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .find((line) => line.startsWith(`${name} `))

describe('countersign verify gpu.json', () => {
  const now = new Date(AT * 1000)
  const pki = createNvidiaPki({ now, gpus: 2 })
  const nonce = 'ab'.repeat(32)
  const list = collectSimulatedGpuEvidence(pki, Buffer.from(nonce, 'hex'))
  const simulated: VerifyOptions = { allowSimulated: true, at: String(AT), nonce }

  test('shows each GPU on a row and how far the evidence reaches', async () => {
    const { code, out } = await run(await save('list.json', list), simulated)
    expect(code).toBe(0)
    for (const index of [0, 1]) {
      expect(rowOf(out, `GPU ${index}`)).toMatch(
        /GH100 .* 580\.159\.03 96\.00\.9F\.00\.01 single-pass-through vendor-signed$/,
      )
    }
    expect(out).toContain('GPU evidence, rung reached: vendor-signed')
    expect(out).toContain('Not proved: ')
    expect(lastLine(out)).toMatch(/^Accepted as of the time given as a SIMULATION/)
  })

  test('gives the same as one JSON document', async () => {
    const { out } = await run(await save('list.json', list), { ...simulated, json: true })
    const report = JSON.parse(out) as Record<string, unknown>
    expect(report).toMatchObject({ layout: 'gpu', verdict: 'accepted-as-of', receipt: null })
    expect(report['binding']).toMatchObject({ rung: 'vendor-signed' })
    expect(report['devices']).toHaveLength(2)
  })

  test('says what to give where something is missing', async () => {
    const path = await save('list.json', list)
    const none = { allowSimulated: true, at: String(AT) }
    await expect(verify(path, none)).rejects.toThrow(/give it with --nonce/)
    await expect(verify(path, { ...simulated, gpus: 'two' })).rejects.toThrow(Refusal)
    const bad = await save('collateral.json', { rims: [] })
    await expect(verify(path, { ...simulated, gpuCollateral: bad })).rejects.toThrow(
      /exactly rims and ocsp.*countersign collateral gpu/,
    )
    // A number that nothing reads may have been meant as a condition.
    const document = await save('document.json', { api_version: 'countersign/1' })
    await expect(verify(document, { ...simulated, gpus: '2' })).rejects.toThrow(/--gpus/)
  })

  test('holds the number of GPUs against what was asked for', async () => {
    const path = await save('list.json', list)
    expect((await run(path, { ...simulated, gpus: '2' })).code).toBe(0)
    const { code, out } = await run(path, { ...simulated, gpus: '8' })
    expect(code).toBe(10)
    expect(lastLine(out)).toMatch(/^Rejected: gpu\.count/)
  })

  test('describes no device that nobody vouches for', async () => {
    const [first, second] = list
    const forged = [{ ...first, certificate: second?.certificate }, second]
    const { code, out } = await run(await save('forged.json', forged), simulated)
    expect(code).toBe(10)
    expect(rowOf(out, 'GPU 0')).toBe('GPU 0 - - - - none')
  })

  test('reads a file under the layout that is told', async () => {
    const path = await save('odd.json', { evidences: 1 })
    const { code } = await run(path, { ...simulated, layout: 'gpu' })
    expect(code).toBe(10)
    await expect(verify(path, { ...simulated, layout: 'gpus' })).rejects.toThrow(/takes .*gpu/)
  })
})

describe.skipIf(!haveFixtures)(
  'a recorded answer of NVIDIA’s service through the command line',
  () => {
    const at = '1749602000'
    const answer = haveFixtures ? fixtureText('nvidia/nras/h100-detached-eat.json') : ''
    const keys = haveFixtures
      ? fixtureText('nvidia/nras/recovered-keys.jsonl')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as unknown)
      : []
    const evidence = haveFixtures
      ? [
          element(
            recordedReport('h100-550.90.07.report.hex'),
            fixtureText(`${EVIDENCE}/h100-550.90.07.chain.pem`),
          ),
        ]
      : []
    const options = async (): Promise<VerifyOptions> => ({
      at,
      nonce: NONCE_550,
      jwks: await save('jwks.json', { keys }),
    })

    test('is accepted at its time for its nonce, and for no other', async () => {
      const path = await save('answer.json', answer)
      const { code, out } = await run(path, await options())
      expect(lastLine(out)).toMatch(/^Accepted as of the time given: NVIDIA’s service says/)
      expect(code).toBe(0)
      const later = await run(path, { ...(await options()), at: '1749605519' })
      expect([later.code, lastLine(later.out)]).toEqual([10, expect.stringMatching(/nras\.time/)])
      const other = await run(path, { ...(await options()), nonce: 'ab'.repeat(32) })
      expect([other.code, lastLine(other.out)]).toEqual([10, expect.stringMatching(/nras\.nonce/)])
      const eight = await run(path, { ...(await options()), gpus: '8' })
      expect(eight.code).toBe(10)
    })

    test('is held against the evidence that it is about', async () => {
      const nras = await save('answer.json', answer)
      const path = await save('evidence.json', evidence)
      const given = { ...(await options()), nras, acceptUnchecked: true }
      const { code, out } = await run(path, given)
      expect(out).toMatch(/pass\s+nras\.0\.same_device/)
      expect(code).toBe(0)
      const forged = await save('forged-answer.json', answer.replace(/"eyJ/, '"eyK'))
      expect((await run(path, { ...given, nras: forged })).code).not.toBe(0)
      // The same nonce, another GPU: NVIDIA judged that one, not the one at hand.
      const stranger = await save(
        'stranger.json',
        fixtureText(`${EVIDENCE}/h100-570.86.10-cert-hold.json`),
      )
      const strange = await run(stranger, given)
      expect(strange.out).toMatch(/FAIL\s+nras\.0\.same_device\s+nras_device_mismatch/)
      expect(strange.code).toBe(10)
    })

    test('says what to give where something is missing', async () => {
      const path = await save('answer.json', answer)
      const { jwks, ...none } = await options()
      await expect(verify(path, none)).rejects.toThrow(/--jwks/)
      await expect(verify(path, { at, jwks: jwks ?? '' })).rejects.toThrow(/--nonce/)
      const list = await save('evidence.json', evidence)
      await expect(verify(list, await options())).rejects.toThrow(/--jwks says nothing/)
      await expect(verify(path, { ...(await options()), nras: path })).rejects.toThrow(
        /--nras is for/,
      )
    })
  },
)

describe.skipIf(!haveFixtures)('recorded evidence through the command line', () => {
  const judged: VerifyOptions = { at: String(AT), acceptUnchecked: true }
  const recorded = (name: string): string => fixtureText(`${EVIDENCE}/${name}`)
  const paired = (report: string, chain: string): unknown => [
    element(recordedReport(report), recorded(chain)),
  ]
  const nvattest = (items: string): unknown => ({
    result_code: 0,
    result_message: 'Ok',
    evidences: JSON.parse(items) as unknown,
  })

  test.each<[string, string, () => unknown, RegExp]>([
    [
      'an H100 with driver 590.12 in protected PCIe mode',
      NONCE_590,
      () => recorded('h100-590.12-ppcie.json'),
      /GH100 A01 GSP BROM 590\.12 96\.00\.A5\.00\.01 protected-pcie vendor-signed$/,
    ],
    [
      'the same as nvattest prints it',
      NONCE_590,
      () => nvattest(recorded('h100-590.12-ppcie.json')),
      /protected-pcie vendor-signed$/,
    ],
    [
      'an H100 whose certificate is on hold, of which nothing offline speaks',
      NONCE_550,
      () => recorded('h100-570.86.10-cert-hold.json'),
      /GH100 A01 GSP BROM 570\.86\.10 \S+ \S+ vendor-signed$/,
    ],
    [
      'an H100 with driver 580.159.03',
      NONCE_580,
      () => paired('h100-580.report.hex', 'h100-580.chain.pem'),
      /GH100 A01 GSP BROM 580\.159\.03 96\.00\.74\.00\.20 single-pass-through vendor-signed$/,
    ],
    [
      'an H100 with driver 550.90.07',
      NONCE_550,
      () => paired('h100-550.90.07.report.hex', 'h100-550.90.07.chain.pem'),
      /GH100 A01 GSP BROM 550\.90\.07 96\.00\.9F\.00\.01 unstated vendor-signed$/,
    ],
  ])('%s is accepted without its collateral only on request', async (name, nonce, file, row) => {
    const path = await save(`${name.replace(/\W/g, '-')}.json`, file())
    const { code, out } = await run(path, { ...judged, nonce })
    expect(lastLine(out)).toMatch(/^Accepted as of the time given, without the checks gpu\.0\./)
    // No word of firmware that nobody compared.
    expect(lastLine(out)).toMatch(
      /: genuine GPUs signed this nonce, with firmware that was not compared/,
    )
    expect(code).toBe(0)
    expect(rowOf(out, 'GPU 0')).toMatch(row)
    // Nothing of firmware and revocation is known: not accepted unless somebody says that this will do.
    const strict = await run(path, { at: String(AT), nonce })
    expect(strict.code).toBe(20)
    const other = await run(path, { ...judged, nonce: 'ab'.repeat(32) })
    expect(other.code).toBe(10)
  })

  test('a switch alone is described, and is not taken for evidence of a GPU', async () => {
    const path = await save('switch.json', recorded('nvswitch-ls10.json'))
    const { code, out } = await run(path, { ...judged, nonce: NONCE_550 })
    expect(out).not.toMatch(/FAIL/)
    expect(out).toMatch(/pass\s+switch\.0\.signature/)
    expect(rowOf(out, 'NVSwitch 0')).toBe(
      'NVSwitch 0 LS_10 A01 FSP BROM - 96.10.55.00.01 - vendor-signed',
    )
    expect(lastLine(out)).toBe(
      'Rejected: gpu.*.structure is required, and the evidence holds nothing to check for it.',
    )
    expect(code).toBe(10)
  })

  test('a report of driver 535 is refused for the firmware identity that it lacks', async () => {
    const report = recordedReport('h100-535.86.09.txt')
    const parsed = parseSpdmReport(report)
    if (!parsed.ok) throw new Error(parsed.detail)
    const nonce = toHex(parsed.report.requestNonce)
    const file = [element(report, recorded('h100-550.90.07.chain.pem'))]
    const { code, out } = await run(await save('535.json', file), { ...judged, nonce })
    expect(code).toBe(10)
    expect(out).toMatch(/FAIL\s+gpu\.0\.fwid\s+gpu_fwid_missing/)
  })

  test('a report with an invalid signature is refused and not described', async () => {
    const file = paired('h100-invalid-signature.txt', 'h100-550.90.07.chain.pem')
    const path = await save('invalid.json', file)
    const { code, out } = await run(path, { ...judged, nonce: NONCE_550 })
    expect(code).toBe(10)
    expect(out).toMatch(/FAIL\s+gpu\.0\.signature\s+gpu_signature_invalid/)
    expect(rowOf(out, 'GPU 0')).toBe('GPU 0 - - - - none')
  })
})
