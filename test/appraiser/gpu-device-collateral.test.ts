import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { DEFAULT_GPU_POLICY } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import type { GpuPolicy } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import { verifyGpuEvidence } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import type { GpuListOptions } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { parseGpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import {
  collectSimulatedGpuEvidence,
  simulatedReportTemplate,
  toGpuEvidence,
} from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import {
  answerOcsp,
  createGpuCollateral,
  revocableOfDevices,
  revocableOfRims,
  switchRim,
  vbiosRim,
} from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import type { SimulatedGpu } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import { SIMULATED_GPU_FIRMWARE } from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import { AT, failures, PORTS, realOptions, summary } from './gpu.helpers.ts'

const now = new Date(AT * 1000)
const nonce = Uint8Array.from(randomBytes(32))
const rims = createRimPki({ now })
const pki = createNvidiaPki({ now, gpus: 1 })
const gpu = pki.gpus[0] as SimulatedGpu
const list = collectSimulatedGpuEvidence(pki, nonce)
const collateral: GpuCollateral = createGpuCollateral(pki, rims, AT)
const DRIVER = 'NV_GPU_DRIVER_GH100_580.159.03'
const VBIOS = 'NV_GPU_VBIOS_1010_0200_882_96009F0001'

const policyOf = (changes: Partial<GpuPolicy> = {}): GpuPolicy => ({
  ...DEFAULT_GPU_POLICY,
  rimRoots: [toHex(rims.rootSha256)],
  ...changes,
})

function judge(changes: Partial<GpuListOptions> = {}, evidence: unknown = list) {
  return verifyGpuEvidence(
    evidence,
    realOptions(nonce, {
      rootSha256: [pki.rootSha256],
      allowSimulated: true,
      policy: policyOf(),
      collateral,
      ...changes,
    }),
  )
}

const withRims = (
  change: (rim: GpuCollateral['rims'][number]) => string | null,
): GpuCollateral => ({
  ...collateral,
  rims: collateral.rims.flatMap((rim) => {
    const bytes = change(rim)
    return bytes === null ? [] : [{ id: rim.id, rim: bytes }]
  }),
})

const rimOf = (id: string): string => collateral.rims.find((rim) => rim.id === id)?.rim ?? ''

/** A single GPU with one measurement made otherwise. */
function measuring(index: number): unknown {
  const template = simulatedReportTemplate(gpu, nonce)
  const measurements = template.measurements.map((value, i) =>
    i === index ? new Uint8Array(48).fill(7) : value,
  )
  return [toGpuEvidence(gpu, buildSpdmReport({ ...template, measurements }))]
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

describe('one GPU with its collateral', () => {
  test.each(PORTS)('passes every check with the %s crypto port', (_name, crypto) => {
    expect(parseGpuCollateral(Buffer.from(JSON.stringify(collateral)))).toMatchObject({ ok: true })
    const checks = judge({ crypto })
    expect(checks.filter(({ status }) => status !== 'pass')).toEqual([])
    expect(checks).toHaveLength(3 + 15)
  })

  test('says for each check what it is about', () => {
    const detail = (id: string) => judge().find((check) => check.id === id)?.detail
    expect(detail('gpu.0.rim_driver')).toBe(DRIVER)
    expect(detail('gpu.0.rim_vbios')).toBe(VBIOS)
    expect(detail('gpu.0.measurements')).toMatch(/^\d+ of \d+ measurements match$/)
    expect(detail('gpu.0.ocsp')).toBe('3 certificates')
  })

  test('has nothing passed that was not given', () => {
    const empty = summary(judge({ collateral: { rims: [], ocsp: [] } }))
    for (const step of ['rim_driver', 'rim_vbios', 'measurements', 'ocsp', 'rim_ocsp']) {
      expect(empty[`gpu.0.${step}`]).toBe('skip collateral_not_given')
    }
  })

  test.each([
    [DRIVER, 'rim_driver'],
    [VBIOS, 'rim_vbios'],
  ])('is not measured in full without %s', (missing, step) => {
    const given = withRims(({ id, rim }) => (id === missing ? null : rim))
    expect(failures(judge({ collateral: given }))).toEqual([])
    expect(summary(judge({ collateral: given }))).toMatchObject({
      [`gpu.0.${step}`]: 'skip collateral_not_given',
      'gpu.0.measurements': 'skip collateral_not_given',
      'gpu.0.rim_ocsp': 'skip collateral_not_given',
    })
  })

  test('is refused for other VBIOS firmware although its driver RIM is missing', () => {
    const given = withRims(({ id, rim }) => (id === DRIVER ? null : rim))
    expect(failures(judge({ collateral: given }, measuring(1)))).toEqual([
      'gpu.0.measurements rim_measurement_mismatch',
    ])
  })

  test.each([
    ['VBIOS', 1],
    ['driver', 25],
  ])('is refused for other %s firmware, unless the policy lets that index differ', (_n, index) => {
    const changed = measuring(index)
    expect(failures(judge({}, changed))).toEqual(['gpu.0.measurements rim_measurement_mismatch'])
    const allowed = { policy: policyOf({ allowedMismatches: [index] }) }
    expect(failures(judge(allowed, changed))).toEqual([])
    const other = { policy: policyOf({ allowedMismatches: [index + 1] }) }
    expect(failures(judge(other, changed))).toEqual(['gpu.0.measurements rim_measurement_mismatch'])
  })

  test('is refused with the RIM of one kind under the name of the other', () => {
    const given = withRims(({ id }) => rimOf(id === DRIVER ? VBIOS : DRIVER))
    const checks = judge({ collateral: given })
    expect(failures(checks)).toEqual([
      'gpu.0.rim_driver rim_kind_mismatch',
      'gpu.0.rim_vbios rim_kind_mismatch',
    ])
    expect(summary(checks)).toMatchObject({
      'gpu.0.measurements': 'skip depends_on_failed',
      'gpu.0.rim_ocsp': 'skip depends_on_failed',
    })
  })

  test('is refused with the RIM of another version, or of a switch, under the name of its own', () => {
    const older = { ...SIMULATED_GPU_FIRMWARE, vbios: '96.00.9E.00.01' }
    const other = base64(vbiosRim(rims, older).bytes)
    const version = withRims(({ id, rim }) => (id === VBIOS ? other : rim))
    expect(failures(judge({ collateral: version }))).toEqual([
      'gpu.0.rim_vbios rim_version_mismatch',
    ])
    const ofSwitch = base64(switchRim(rims).bytes)
    const kind = withRims(({ id, rim }) => (id === VBIOS ? ofSwitch : rim))
    expect(failures(judge({ collateral: kind }))).toEqual(['gpu.0.rim_vbios rim_kind_mismatch'])
  })

  test('is refused with RIMs under another root, and with simulated ones where none is allowed', () => {
    const rimRoots = DEFAULT_GPU_POLICY.rimRoots
    expect(failures(judge({ policy: policyOf({ rimRoots }) }))).toEqual([
      'gpu.0.rim_driver rim_chain_untrusted_root',
      'gpu.0.rim_vbios rim_chain_untrusted_root',
    ])
  })

  test('is refused with RIMs whose signer has expired, unless within the grace of the policy', () => {
    const at = AT + 900 * 86_400
    const answers = createGpuCollateral(pki, rims, at).ocsp
    const late = { at, collateral: { ...collateral, ocsp: answers } }
    expect(failures(judge(late))).toEqual([
      'gpu.0.rim_driver rim_chain_time',
      'gpu.0.rim_vbios rim_chain_time',
    ])
    const graced = { ...late, policy: policyOf({ rimGraceS: 400 * 86_400 }) }
    expect(failures(judge(graced))).toEqual([])
  })

  test('is refused where its report does not say which board it is of', () => {
    const template = simulatedReportTemplate(gpu, nonce)
    const opaque = template.opaque.filter(([type]) => type !== 17)
    const evidence = [toGpuEvidence(gpu, buildSpdmReport({ ...template, opaque }))]
    expect(failures(judge({}, evidence))).toEqual([
      'gpu.0.rim_driver gpu_rim_unnamed',
      'gpu.0.rim_vbios gpu_rim_unnamed',
    ])
  })
})

describe('revocation', () => {
  const devices = revocableOfDevices(pki)
  const signers = revocableOfRims(rims)
  type Status = NonNullable<Parameters<typeof answerOcsp>[1]['status']>
  const revoked: Status = { kind: 'revoked', at: new Date((AT - 3600) * 1000), reason: 1 }
  const held: Status = { kind: 'revoked', at: new Date((AT - 3600) * 1000), reason: 6 }

  /** Good answers on all but one certificate. */
  function answering(on: number, status: Status): GpuCollateral {
    const ocsp = [...devices, ...signers].map((subject, index) =>
      base64(answerOcsp(subject, { at: AT, ...(index === on ? { status } : {}) })),
    )
    return { ...collateral, ocsp }
  }

  test.each([
    ['a device identity', 0, 'gpu.0.ocsp'],
    ['a provisioner', 1, 'gpu.0.ocsp'],
    ['the product', 2, 'gpu.0.ocsp'],
    ['the signer of the RIMs', 3, 'gpu.0.rim_ocsp'],
    ['the CA of the RIMs', 5, 'gpu.0.rim_ocsp'],
  ])('of %s is said, and a hold passes only where the policy allows it', (_name, on, id) => {
    expect(failures(judge({ collateral: answering(on, revoked) }))).toEqual([`${id} ocsp_revoked`])
    const holding = answering(on, held)
    expect(failures(judge({ collateral: holding }))).toEqual([`${id} ocsp_hold`])
    const allowing = judge({ collateral: holding, policy: policyOf({ allowHold: true }) })
    expect(failures(allowing)).toEqual([])
    expect(allowing.find((check) => check.id === id)?.detail).toContain('on hold')
  })

  test('is open where an answer is missing, and stale ones count only within the grace', () => {
    const without = { ...collateral, ocsp: collateral.ocsp.slice(1) }
    expect(summary(judge({ collateral: without }))['gpu.0.ocsp']).toBe('skip collateral_not_given')
    const at = AT + 2 * 86_400
    expect(failures(judge({ at }))).toEqual(['gpu.0.ocsp ocsp_stale', 'gpu.0.rim_ocsp ocsp_stale'])
    expect(failures(judge({ at, policy: policyOf({ ocspGraceS: 2 * 86_400 }) }))).toEqual([])
  })

  test('answers count no longer than the policy says', () => {
    const at = AT + 7200
    expect(failures(judge({ at }))).toEqual([])
    expect(failures(judge({ at, policy: policyOf({ maxOcspAgeS: 7200 }) }))).toEqual([])
    expect(failures(judge({ at, policy: policyOf({ maxOcspAgeS: 7199 }) }))).toEqual([
      'gpu.0.ocsp ocsp_stale',
      'gpu.0.rim_ocsp ocsp_stale',
    ])
  })
})

describe('a board of eight GPUs and four switches with its collateral', () => {
  const board = createNvidiaPki({ now, gpus: 8, switches: 4 })
  const evidence = collectSimulatedGpuEvidence(board, nonce)
  const given = createGpuCollateral(board, rims, AT)
  const options = {
    rootSha256: [board.rootSha256],
    expectedCount: 8,
    policy: policyOf({ switches: 4 }),
    collateral: given,
  }

  test('passes every check', () => {
    const checks = judge(options, evidence)
    expect(checks.filter(({ status }) => status !== 'pass')).toEqual([])
    expect(checks).toHaveLength(5 + 8 * 15 + 4 * 12)
  })

  test('verifies each RIM, certificate and answer once for all devices', () => {
    let verifications = 0
    const counting: CryptoPort = {
      ...nodeCrypto,
      verifyEcdsa: (...args) => {
        verifications++
        return nodeCrypto.verifyEcdsa(...args)
      },
    }
    expect(failures(judge({ ...options, crypto: counting }, evidence))).toEqual([])
    // Leaf, identity and report of twelve devices, three certificates above them; document and chain of three RIMs; answer
    // and responder for each certificate that can be revoked.
    const answers = 2 * given.ocsp.length
    expect(verifications).toBeLessThanOrEqual(12 * 3 + 3 + 3 * 4 + answers)
  })

  test('is refused for other firmware in one of its switches', () => {
    const file = base64(switchRim(rims, { vbios: '96.10.73.00.02' }).bytes)
    const id = given.rims.at(-1)?.id ?? ''
    const wrong = { ...given, rims: [...given.rims.slice(0, -1), { id, rim: file }] }
    expect(failures(judge({ ...options, collateral: wrong }, evidence))).toEqual(
      [0, 1, 2, 3].map((i) => `switch.${i}.rim_vbios rim_version_mismatch`),
    )
  })
})
