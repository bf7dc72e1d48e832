import { describe, expect, test } from 'vitest'
import {
  MAX_GPU_COLLATERAL_BYTES,
  MAX_OCSP_BYTES,
  MAX_OCSP_RESPONSES,
  MAX_RIM_BYTES,
  MAX_RIMS,
  parseGpuCollateral,
  readGpuCollateral,
} from '../../attestation/protocol/gpu-collateral.ts'
import type { JsonValue } from '../../attestation/protocol/json.ts'

const base64 = (bytes: number, fill = 1): string => Buffer.alloc(bytes, fill).toString('base64')
const RIM = { id: 'NV_GPU_DRIVER_GH100_550.144.03', rim: base64(9) }
const GOOD = { rims: [RIM, { id: 'NV_GPU_VBIOS_1', rim: base64(9) }], ocsp: [base64(5)] }
const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => base64(2, index))

describe('GPU collateral', () => {
  test('is read into a frozen copy', () => {
    const result = readGpuCollateral(GOOD)
    expect(result).toEqual({ ok: true, collateral: GOOD })
    if (!result.ok) throw new Error(result.detail)
    const { collateral } = result
    expect(Object.isFrozen(collateral) && Object.isFrozen(collateral.rims[0])).toBe(true)
    expect(Object.isFrozen(collateral.rims) && Object.isFrozen(collateral.ocsp)).toBe(true)
    expect(collateral.rims).not.toBe(GOOD.rims)
  })

  test('may be empty, and as large as its bounds', () => {
    expect(readGpuCollateral({ rims: [], ocsp: [] }).ok).toBe(true)
    const rims = numbered(MAX_RIMS).map((rim, index) => ({ id: `R${index}`, rim }))
    expect(readGpuCollateral({ rims, ocsp: numbered(MAX_OCSP_RESPONSES) }).ok).toBe(true)
    const large = {
      rims: [{ id: 'R', rim: base64(MAX_RIM_BYTES) }],
      ocsp: [base64(MAX_OCSP_BYTES)],
    }
    expect(readGpuCollateral(large).ok).toBe(true)
  })

  test.each<[string, JsonValue]>([
    ['nothing', null],
    ['a list', []],
    ['a missing list', { rims: [] }],
    ['an unknown member', { ...GOOD, crl: [] }],
    ['RIMs by name', { rims: { R: base64(1) }, ocsp: [] }],
    ['a RIM with more', { rims: [{ ...RIM, sha256: '' }], ocsp: [] }],
    ['a RIM without a name', { rims: [{ rim: RIM.rim }], ocsp: [] }],
    ['a name that is a path', { rims: [{ ...RIM, id: '../NV_GPU' }], ocsp: [] }],
    ['a name in lower case', { rims: [{ ...RIM, id: 'nv_gpu' }], ocsp: [] }],
    ['a name that is too long', { rims: [{ ...RIM, id: 'A'.repeat(129) }], ocsp: [] }],
    ['one name twice', { rims: [RIM, { ...RIM, rim: base64(3) }], ocsp: [] }],
    [
      'too many RIMs',
      { rims: numbered(MAX_RIMS + 1).map((rim, i) => ({ id: `R${i}`, rim })), ocsp: [] },
    ],
    ['an empty RIM', { rims: [{ ...RIM, rim: '' }], ocsp: [] }],
    ['a RIM that is too long', { rims: [{ ...RIM, rim: base64(MAX_RIM_BYTES + 1) }], ocsp: [] }],
    ['a RIM that is no base64', { rims: [{ ...RIM, rim: 'A' }], ocsp: [] }],
    ['a second spelling of base64', { rims: [], ocsp: ['AB=='] }],
    ['a response that is too long', { rims: [], ocsp: [base64(MAX_OCSP_BYTES + 1)] }],
    ['a response that is no text', { rims: [], ocsp: [null] }],
    ['one response twice', { rims: [], ocsp: [base64(2), base64(2)] }],
    ['too many responses', { rims: [], ocsp: numbered(MAX_OCSP_RESPONSES + 1) }],
  ])('with %s is refused', (_name, value) => {
    expect(readGpuCollateral(value).ok).toBe(false)
  })

  test('is read from a file within its bound, strictly', () => {
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
    expect(parseGpuCollateral(bytes(JSON.stringify(GOOD)))).toEqual({ ok: true, collateral: GOOD })
    expect(parseGpuCollateral(bytes('{"rims":[],"rims":[],"ocsp":[]}')).ok).toBe(false)
    expect(parseGpuCollateral(bytes('{')).ok).toBe(false)
    expect(parseGpuCollateral(new Uint8Array(MAX_GPU_COLLATERAL_BYTES + 1)).ok).toBe(false)
  })
})
