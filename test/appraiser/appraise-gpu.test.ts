import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { appraiseGpu } from '../../attestation/appraiser/gpu/appraise-gpu.ts'
import type { AppraiseGpuOptions } from '../../attestation/appraiser/gpu/appraise-gpu.ts'
import { createGpuCache } from '../../attestation/appraiser/gpu/gpu-cache.ts'
import { parseGpuFile, isGpuFile } from '../../attestation/appraiser/gpu/parse-gpu-file.ts'
import { nrasPolicyOf } from '../../attestation/appraiser/gpu/nras/nras-policy-of.ts'
import { DEFAULT_NRAS_POLICY } from '../../attestation/appraiser/gpu/nras/nras-policy.ts'
import { DEFAULT_GPU_POLICY } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import { toHex, toHex32 } from '../../attestation/protocol/hex.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createGpuCollateral } from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import { createDeviceMaker } from './gpu-device.helpers.ts'
import { AT, PORTS } from './gpu.helpers.ts'

const now = new Date(AT * 1000)
const pki = createNvidiaPki({ now, gpus: 8, switches: 4 })
const rims = createRimPki({ now })
const nonce = new Uint8Array(32).fill(9)
const list = collectSimulatedGpuEvidence(pki, nonce)
const collateral = createGpuCollateral(pki, rims, AT)
const [, node] = PORTS[0]

function policyOf(changes: object = {}): AppraisalPolicy {
  const read = parsePolicy({
    allowSimulated: true,
    nvidiaRoots: [toHex(pki.rootSha256)],
    gpu: { rimRoots: [toHex(rims.rootSha256)] },
    ...changes,
  })
  if (!read.ok) throw new Error(read.detail)
  return read.policy
}

const OPTIONS: AppraiseGpuOptions = {
  crypto: node,
  at: AT,
  nonce: toHex32(nonce),
  gpus: 8,
  policy: policyOf({ require: ['gpu.*.measurements', 'switch.*.measurements', 'gpu.topology'] }),
  collateral,
}

describe('real devices where a simulation would be accepted', () => {
  const { device, root } = createDeviceMaker(nonce)
  const real = [device()]
  const one = createNvidiaPki({ now, gpus: 1 })
  const files = createGpuCollateral(one, rims, AT)
  const judge = (changes: object) =>
    appraiseGpu(real, {
      ...OPTIONS,
      gpus: 1,
      collateral: files,
      policy: policyOf({
        nvidiaRoots: [toHex(node.sha256(root))],
        acceptUnchecked: ['gpu.*.*'],
        ...changes,
      }),
    }).verdict

  test('have no golden values by RIM files that anybody can make', () => {
    // The files name exactly the firmware that the device measured: nothing but their root speaks against them.
    expect(
      appraiseGpu(collectSimulatedGpuEvidence(one, nonce), {
        ...OPTIONS,
        gpus: 1,
        collateral: files,
        policy: policyOf({ simulatedRoots: 'any', gpu: {} }),
      }).verdict.sentence,
    ).toMatch(/^Accepted as a SIMULATION/)
    for (const [policy, code] of [
      [{ simulatedRoots: 'any', gpu: {} }, 'rim_chain_untrusted_root'],
      [{}, 'rim_simulated'],
    ] as const) {
      const { verdict, checks } = judge(policy)
      expect(verdict).toBe('rejected')
      const ofRims = checks.filter(({ id }) => /rim_(?:driver|vbios)$/.test(id))
      expect(ofRims.map((check) => check.code)).toEqual([code, code])
    }
  })

  test('are accepted as real without such files', () => {
    const { sentence } = appraiseGpu(real, {
      ...OPTIONS,
      gpus: 1,
      collateral: null,
      policy: policyOf({
        nvidiaRoots: [toHex(node.sha256(root))],
        acceptUnchecked: ['gpu.*.*'],
      }),
    }).verdict
    expect(sentence).toMatch(/^Accepted, without the checks .*genuine GPUs/)
  })
})

describe('appraiseGpu', () => {
  test.each(PORTS)(
    'accepts a board of eight GPUs and four switches whole, with %s',
    (_, crypto) => {
      const { verdict, devices, binding } = appraiseGpu(list, { ...OPTIONS, crypto })
      expect(verdict.sentence).toMatch(/^Accepted as a SIMULATION/)
      expect(verdict.checks.filter(({ status }) => status === 'fail')).toEqual([])
      expect(devices.map(({ kind, index }) => `${kind} ${index}`)).toEqual([
        ...Array.from({ length: 8 }, (__, index) => `gpu ${index}`),
        ...Array.from({ length: 4 }, (__, index) => `switch ${index}`),
      ])
      expect(devices[0]).toMatchObject({ mode: 'protected-pcie', rung: 'vendor-signed' })
      expect(devices[11]).toMatchObject({ mode: null, driver: null, rung: 'vendor-signed' })
      expect(binding.rung).toBe('vendor-signed')
    },
  )

  test('gives the same from a file, from a cache, and from the list', () => {
    const gpuCache = createGpuCache()
    const plain = appraiseGpu(list, OPTIONS)
    const file = toUtf8(JSON.stringify(list))
    for (let round = 0; round < 2; round++) {
      expect(appraiseGpu(file, { ...OPTIONS, gpuCache })).toEqual(plain)
    }
  })

  test('a switch that is no genuine one takes the rung from the whole machine', () => {
    const [first, ...others] = list.toReversed()
    const forged = [...others.toReversed(), { ...first, evidence: list[10]?.evidence }]
    const { verdict, binding, devices } = appraiseGpu(forged, OPTIONS)
    expect(verdict.verdict).toBe('rejected')
    expect(binding.rung).toBe('none')
    expect(devices[0]?.rung).toBe('vendor-signed')
    expect(devices[11]).toMatchObject({ model: null, rung: 'none' })
  })

  test.each<[string, object]>([
    ['no nonce', { nonce: null }],
    ['a nonce in upper case', { nonce: 'AB'.repeat(32) }],
    ['half a GPU', { gpus: 1.5 }],
    ['GPUs that are text', { gpus: '8' }],
    ['no time', { at: NaN }],
    ['a policy that is misspelt', { policy: { gpu: { modus: [] } } }],
  ])('throws for %s, which no evidence can cause', (_, change) => {
    expect(() => appraiseGpu(list, { ...OPTIONS, ...change } as AppraiseGpuOptions)).toThrow(
      TypeError,
    )
  })

  test('refuses a list that answers otherwise the second time', () => {
    const [good] = list
    const shifty = Object.defineProperty({ ...good }, 'evidence', {
      enumerable: true,
      get: () => good?.evidence,
    })
    expect(appraiseGpu([shifty], OPTIONS).verdict.verdict).toBe('malformed')
  })

  test('never throws on a file, and accepts none that it did not make', () => {
    const element = fc.record(
      {
        arch: fc.oneof(fc.constantFrom('HOPPER', 'LS10', 'BLACKWELL'), fc.jsonValue()),
        certificate: fc.oneof(fc.constantFrom(...list.map((one) => one.certificate)), fc.string()),
        evidence: fc.oneof(fc.base64String(), fc.jsonValue()),
        nonce: fc.oneof(fc.constant(toHex(nonce)), fc.jsonValue()),
      },
      { requiredKeys: [] },
    )
    const file = fc.oneof(
      fc.jsonValue(),
      fc.array(element, { maxLength: 20 }),
      fc.record({ result_code: fc.constantFrom(0, 1, '0', null), evidences: fc.array(element) }),
      fc.record({
        nonce: fc.constant(toHex(nonce)),
        arch: fc.string(),
        evidence_list: fc.array(element),
      }),
    )
    fc.assert(
      fc.property(file, (value) => {
        const { verdict } = appraiseGpu(toUtf8(JSON.stringify(value)), { ...OPTIONS, gpus: null })
        expect(VERDICT_EXIT_CODES[verdict.verdict]).not.toBe(0)
      }),
      { numRuns: 200 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(parseGpuFile(bytes).ok).toBe(false)
      }),
      { numRuns: 200 },
    )
  })

  test('tells its own files from others', () => {
    expect(isGpuFile(list.map((one) => ({ ...one })))).toBe(true)
    expect(isGpuFile({ evidence_list: [] })).toBe(true)
    expect(isGpuFile({ evidences: [] })).toBe(true)
    for (const other of [null, [], [1], {}, { evidence: '' }, 'evidence_list']) {
      expect(isGpuFile(other)).toBe(false)
    }
  })
})

describe('one GPU policy for evidence and for the service’s word', () => {
  test('asks by default what the service’s own policy asks', () => {
    expect(nrasPolicyOf(DEFAULT_GPU_POLICY)).toEqual(DEFAULT_NRAS_POLICY)
  })

  test.each([
    [['protected-pcie'], 'required'],
    [['single-pass-through', 'unstated'], 'refused'],
    [['protected-pcie', 'unstated'], 'any'],
  ] as const)('modes %j: protected PCIe is %s', (modes, protectedPcie) => {
    expect(nrasPolicyOf({ ...DEFAULT_GPU_POLICY, modes }).protectedPcie).toBe(protectedPcie)
  })
})
