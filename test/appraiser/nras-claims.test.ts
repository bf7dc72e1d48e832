import { describe, expect, test } from 'vitest'
import { isAtLeast } from '../../attestation/appraiser/gpu/nras/judge-device-claims.ts'
import {
  DEFAULT_NRAS_POLICY,
  readNrasPolicy,
  requireNrasPolicy,
} from '../../attestation/appraiser/gpu/nras/nras-policy.ts'
import type { NrasPolicy } from '../../attestation/appraiser/gpu/nras/nras-policy.ts'
import {
  GPU_CLAIMS,
  GPU_CLAIMS_2,
  SWITCH_CLAIMS,
  answer,
  device,
  policyOf,
  refusals,
} from './nras.helpers.ts'
import type { Claims } from './nras.helpers.ts'

/** Codes that the claims of one device are refused with. */
async function verdict(changes: Claims, policy: Partial<NrasPolicy> = {}): Promise<string[]> {
  const devices = { 'GPU-0': device(changes) }
  const ids = await refusals(answer({ devices }), { policy: policyOf(policy) })
  return ids.map((text) => text.replace('nras.0.claims ', ''))
}

const isTrue = (claims: Claims) => Object.keys(claims).filter((name) => claims[name] === true)
const areChains = (claims: Claims) => Object.keys(claims).filter((name) => name.endsWith('-chain'))

describe('every statement of the service has to hold', () => {
  const statements = isTrue(GPU_CLAIMS).filter((name) => name !== 'secboot')
  test('and there are sixteen of GPUs in version 3.0', () => {
    expect(statements).toHaveLength(16)
  })

  test.each(statements)('%s', async (name) => {
    for (const value of [false, 'true', 1, null, undefined, {}]) {
      expect(await verdict({ [name]: value }), JSON.stringify(value)).toEqual([
        'nras_claim_refused',
      ])
    }
  })

  const statements2 = isTrue(GPU_CLAIMS_2).filter((name) => name !== 'secboot')
  test.each(statements2)('%s, in version 2.0', async (name) => {
    const policy = policyOf({ claimsVersions: ['2.0'] })
    const overall = { 'x-nvidia-ver': '2.0' }
    for (const value of [false, 'true', undefined]) {
      const devices = { 'GPU-0': device({ [name]: value }, GPU_CLAIMS_2) }
      expect(await refusals(answer({ devices, overall }), { policy })).toEqual([
        'nras.0.claims nras_claim_refused',
      ])
    }
  })

  const ofSwitch = isTrue(SWITCH_CLAIMS).filter((name) => name !== 'secboot')
  test.each(ofSwitch)('%s, of a switch', async (name) => {
    for (const value of [false, 'true', undefined]) {
      const devices = { 'SWITCH-0': device({ [name]: value }, SWITCH_CLAIMS) }
      expect(await refusals(answer({ devices }), { kind: 'switch' })).toEqual([
        'nras_switch.0.claims nras_claim_refused',
      ])
    }
  })

  test.each(areChains(GPU_CLAIMS))('%s is valid and good', async (name) => {
    const good = GPU_CLAIMS[name] as Claims
    for (const value of [
      undefined,
      null,
      true,
      {},
      { ...good, 'x-nvidia-cert-status': 'expired' },
      { ...good, 'x-nvidia-cert-status': 'VALID' },
      { ...good, 'x-nvidia-cert-status': undefined },
      { ...good, 'x-nvidia-cert-ocsp-status': 'revoked' },
      { ...good, 'x-nvidia-cert-ocsp-status': 'unknown' },
      { ...good, 'x-nvidia-cert-ocsp-status': undefined },
      { ...good, 'x-nvidia-cert-revocation-reason': 'certificateHold' },
      { ...good, 'x-nvidia-cert-ocsp-nonce-matches': false },
      { ...good, 'x-nvidia-cert-ocsp-response-valid': false },
    ]) {
      expect(await verdict({ [name]: value }), JSON.stringify(value)).toEqual([
        'nras_certificate_refused',
      ])
    }
    const more = {
      'x-nvidia-cert-ocsp-nonce-matches': true,
      'x-nvidia-cert-ocsp-response-valid': true,
    }
    expect(await verdict({ [name]: { ...good, ...more } })).toEqual([])
  })

  test('measurements are the golden ones', async () => {
    for (const measres of ['fail', 'not-run', 'absent', 'Success', true, null, undefined]) {
      expect(await verdict({ measres })).toEqual(['nras_measurements_mismatch'])
    }
    const name = 'x-nvidia-mismatch-measurement-records'
    expect(await verdict({ [name]: null })).toEqual([])
    expect(await verdict({ [name]: [] })).toEqual([])
    const record = { index: 9, goldenValue: 'aa', runtimeValue: 'bb', measurementSource: 'vbios' }
    for (const records of [[record], record, 'none', {}]) {
      expect(await verdict({ [name]: records })).toEqual(['nras_measurements_mismatch'])
    }
    expect(await verdict({ 'x-nvidia-mismatch-opaque-data-records': [record] })).toEqual([
      'nras_measurements_mismatch',
    ])
  })

  test('debugging is disabled', async () => {
    for (const dbgstat of ['enabled', 'disabled-since-boot', false, null, undefined]) {
      expect(await verdict({ dbgstat })).toEqual(['nras_debug_enabled'])
    }
  })

  test('the device booted securely', async () => {
    for (const secboot of [false, 'true', 1, null, undefined]) {
      expect(await verdict({ secboot })).toEqual(['nras_secure_boot_off'])
    }
  })

  test('there is no warning', async () => {
    expect(await verdict({ 'x-nvidia-attestation-warning': 'cert hold' })).toEqual(['nras_warning'])
    expect(await verdict({ 'x-nvidia-attestation-warning': undefined })).toEqual([])
  })

  test('the device is NVIDIA’s, with an identity, and of the kind asked for', async () => {
    for (const oemid of ['5704', 5703, undefined]) {
      expect(await verdict({ oemid })).toEqual(['nras_claim_refused'])
    }
    for (const ueid of ['', '0', '012', '1e3', `9${'0'.repeat(49)}`]) {
      expect(await verdict({ ueid })).toEqual(['nras_claim_refused'])
    }
    for (const ueid of [7, undefined]) {
      expect(await verdict({ ueid })).toEqual([
        'nras.unique nras_claim_refused',
        'nras_claim_refused',
      ])
    }
    expect(await verdict({ 'x-nvidia-device-type': 'gpu' })).toEqual([])
    expect(await verdict({ 'x-nvidia-device-type': 'nvswitch' })).toEqual(['nras_claim_refused'])
    expect(await verdict({ 'x-nvidia-gpu-claims-version': '3.0' })).toEqual([])
    expect(await verdict({ 'x-nvidia-gpu-claims-version': '2.0' })).toEqual(['nras_claim_refused'])
  })

  test('claims of 2.0 do not pass for claims of 3.0', async () => {
    const devices = { 'GPU-0': device({}, GPU_CLAIMS_2) }
    expect(await refusals(answer({ devices }))).toEqual(['nras.0.claims nras_claim_refused'])
  })

  test('unknown claims are tolerated where they cannot say anything bad', async () => {
    expect(await verdict({ 'x-nvidia-attester-claims': { svn: 3 }, other: false })).toEqual([])
    expect(await verdict({ 'x-nvidia-gpu-something-new': true })).toEqual([])
    expect(await verdict({ 'x-nvidia-gpu-something-new': false })).toEqual(['nras_claim_refused'])
    const chain = { 'x-nvidia-cert-status': 'revoked', 'x-nvidia-cert-ocsp-status': 'revoked' }
    expect(await verdict({ 'x-nvidia-gpu-fsp-rim-cert-chain': chain })).toEqual([
      'nras_certificate_refused',
    ])
  })

  test('of the overall token too', async () => {
    const overall = async (changes: Claims) => refusals(answer({ overall: changes }))
    for (const result of [false, 'true', 1, null, undefined]) {
      expect(await overall({ 'x-nvidia-overall-att-result': result })).toEqual([
        'nras.overall.claims nras_result_false',
      ])
    }
    expect(await overall({ sub: 'NVIDIA-GPU-ATTESTATION' })).toEqual([
      'nras.overall.claims nras_claim_refused',
    ])
    expect(await overall({ 'x-nvidia-ver': undefined })).toEqual([
      'nras.0.claims nras_claims_unsupported',
      'nras.overall.claims nras_claims_unsupported',
    ])
  })
})

describe('the policy', () => {
  test('says which models are accepted', async () => {
    expect(await verdict({ hwmodel: 'GB100 A01 GSP BROM' })).toEqual(['nras_model_refused'])
    const hardwareModels = ['GB100 A01 GSP BROM']
    expect(await verdict({ hwmodel: 'GB100 A01 GSP BROM' }, { hardwareModels })).toEqual([])
    expect(await verdict({}, { hardwareModels })).toEqual(['nras_model_refused'])
    expect(await verdict({ hwmodel: undefined })).toEqual(['nras_model_refused'])
  })

  test('sets floors and lists of drivers and VBIOSes', async () => {
    expect(await verdict({}, { minDriver: '550.90.07', minVbios: '96.00.9F.00.01' })).toEqual([])
    expect(await verdict({}, { minDriver: '550.100' })).toEqual(['nras_version_refused'])
    expect(await verdict({}, { minVbios: '96.00.A0' })).toEqual(['nras_version_refused'])
    expect(await verdict({}, { drivers: ['550.90.07'], vbioses: ['96.00.9F.00.01'] })).toEqual([])
    expect(await verdict({}, { drivers: [] })).toEqual(['nras_version_refused'])
    expect(await verdict({}, { vbioses: ['96.00.9F.00.02'] })).toEqual(['nras_version_refused'])
    for (const odd of ['550.90.07 ', '550', '', 'latest', 550.9, undefined]) {
      expect(await verdict({ 'x-nvidia-gpu-driver-version': odd })).toEqual(['nras_claim_refused'])
    }
    for (const odd of ['96.00.9f.00.01', '96.00.9F.00', '', undefined]) {
      expect(await verdict({ 'x-nvidia-gpu-vbios-version': odd })).toEqual(['nras_claim_refused'])
    }
    const switches = { 'SWITCH-0': device({}, SWITCH_CLAIMS) }
    for (const changes of [{ minSwitchBios: '96.10.56' }, { switchBioses: [] }]) {
      const changed = { kind: 'switch', policy: policyOf(changes) } as const
      expect(await refusals(answer({ devices: switches }), changed)).toEqual([
        'nras_switch.0.claims nras_version_refused',
      ])
    }
  })

  test('compares versions by number', () => {
    expect(isAtLeast('550.90.07', '550.100', 10)).toBe(false)
    expect(isAtLeast('550.100', '550.90.07', 10)).toBe(true)
    expect(isAtLeast('550.90', '550.90.0', 10)).toBe(true)
    expect(isAtLeast('96.00.A5.00.01', '96.00.9F.00.01', 16)).toBe(true)
    expect(isAtLeast('96.00.9F', '96.00.9F.00.01', 16)).toBe(false)
  })

  test('says whether protected PCIe is required or refused', async () => {
    const pdis = { 'x-nvidia-gpu-switch-pdis': ['0000000000000000', '5a1f0c3e77d201b4'] }
    const none = { 'x-nvidia-gpu-switch-pdis': ['0000000000000000'] }
    expect(await verdict(pdis)).toEqual([])
    expect(await verdict(pdis, { protectedPcie: 'required' })).toEqual([])
    expect(await verdict(pdis, { protectedPcie: 'refused' })).toEqual(['nras_mode_refused'])
    expect(await verdict(none, { protectedPcie: 'refused' })).toEqual([])
    expect(await verdict(none, { protectedPcie: 'required' })).toEqual(['nras_mode_refused'])
    expect(await verdict({}, { protectedPcie: 'required' })).toEqual(['nras_mode_refused'])
    expect(await verdict({ 'x-nvidia-gpu-switch-pdis': 'all' })).toEqual(['nras_claim_refused'])
    expect(await verdict({ 'x-nvidia-gpu-switch-pdis': [7] })).toEqual(['nras_claim_refused'])
  })

  test('is read strictly, with defaults for what is not given', () => {
    const read = readNrasPolicy({ minDriver: '550.54' })
    expect(read.ok && read.policy).toEqual({ ...DEFAULT_NRAS_POLICY, minDriver: '550.54' })
    for (const odd of [
      null,
      [],
      { unknown: 1 },
      { issuer: 'http://nras.attestation.nvidia.com' },
      { nrasRoots: ['AA'] },
      { clockSkewS: 301 },
      { clockSkewS: -1 },
      { claimsVersions: ['4.0'] },
      { hardwareModels: null },
      { minDriver: '550.x' },
      { vbioses: ['96.00.9f.00.01'] },
      { protectedPcie: true },
    ]) {
      expect(readNrasPolicy(odd).ok, JSON.stringify(odd)).toBe(false)
      expect(() => requireNrasPolicy(odd)).toThrow(TypeError)
    }
  })
})
