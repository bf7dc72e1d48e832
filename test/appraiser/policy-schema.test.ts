import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { POLICIES, POLICY_NAMES } from '../../attestation/appraiser/policies.ts'
import { DEFAULT_POLICY, parsePolicy } from '../../attestation/appraiser/policy.ts'
import { DEFAULT_GPU_POLICY } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import { DEFAULT_TAPP_POLICY } from '../../attestation/appraiser/tapp/tapp-policy.ts'
import { DEFAULT_TDX_POLICY } from '../../attestation/appraiser/quote/tdx-policy.ts'
import { readText } from '../project/source-tree.ts'

const schema = JSON.parse(readText('docs/policy.schema.json')) as {
  properties: Record<string, unknown> &
    Record<'tdx' | 'gpu' | 'tapp', { properties: Record<string, unknown> }>
}
const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema)

/** Both must say the same; gives what they say. */
function accepts(policy: unknown): boolean {
  const parsed = parsePolicy(policy).ok
  expect(validate(policy), JSON.stringify(policy)).toBe(parsed)
  return parsed
}

describe('docs/policy.schema.json', () => {
  test('names exactly the members of a policy', () => {
    expect(Object.keys(schema.properties).toSorted()).toEqual(
      Object.keys(DEFAULT_POLICY).toSorted(),
    )
    expect(Object.keys(schema.properties.tdx.properties).toSorted()).toEqual(
      Object.keys(DEFAULT_TDX_POLICY).toSorted(),
    )
    expect(Object.keys(schema.properties.tapp.properties).toSorted()).toEqual(
      Object.keys(DEFAULT_TAPP_POLICY).toSorted(),
    )
    expect(Object.keys(schema.properties.gpu.properties).toSorted()).toEqual(
      Object.keys(DEFAULT_GPU_POLICY).toSorted(),
    )
  })

  test('accepts what ships, as the parser does', () => {
    expect(accepts({})).toBe(true)
    expect(accepts(DEFAULT_POLICY)).toBe(true)
    for (const name of POLICY_NAMES) expect(accepts(POLICIES[name])).toBe(true)
  })

  const zero = '00'.repeat(48)
  const image = {
    osImageHash: '11'.repeat(32),
    mrtd: zero,
    rtmr0: [zero],
    rtmr1: zero,
    rtmr2: zero,
  }
  test.each<[string, boolean, unknown]>([
    ['an image', true, { tdx: { images: [image] } }],
    ['an image with more', false, { tdx: { images: [{ ...image, name: 'x' }] } }],
    ['an image with less', false, { tdx: { images: [{ osImageHash: image.osImageHash }] } }],
    ['a platform', true, { platform: 'tapp' }],
    ['a platform that is none', false, { platform: 'TAPP' }],
    ['an app of TAPP', true, { tapp: { appIds: ['countersign'], allowOtherApps: true } }],
    ['an app without a name', false, { tapp: { appIds: [''] } }],
    ['a file', true, { tapp: { mountFiles: [{ path: './.env', sha384: zero }] } }],
    ['a file with less', false, { tapp: { mountFiles: [{ path: './.env' }] } }],
    ['a file of another digest', false, { tapp: { mountFiles: [{ path: 'x', sha384: '00' }] } }],
    ['an image digest', true, { tapp: { images: [`sha256:${'00'.repeat(32)}`] } }],
    ['an image that is a name', false, { tapp: { images: ['nginx'] } }],
    ['a misspelt restriction of TAPP', false, { tapp: { appId: ['countersign'] } }],
    ['a revoked platform', false, { tdx: { acceptedStatuses: ['Revoked'] } }],
    ['a relaunch', true, { tdx: { acceptedStatuses: ['TDRelaunchAdvised'] } }],
    ['a status that is none', false, { tdx: { acceptedStatuses: ['Fine'] } }],
    ['a debug bit', false, { tdx: { tdAttributesAllowed: '0100000000000000' } }],
    ['another bit', true, { tdx: { tdAttributesAllowed: '0000002000000000' } }],
    ['a misspelt restriction', false, { tdx: { mrtd: [zero] } }],
    ['a member of the prototype', false, { tdx: JSON.parse('{"__proto__": 1}') as unknown }],
    ['no object', false, { tdx: null }],
    ['half a second', false, { tdx: { collateralGraceS: 0.5 } }],
    ['no age', true, { tdx: { maxCollateralAgeS: null } }],
    ['no grace', false, { tdx: { collateralGraceS: null } }],
    ['a driver floor', true, { gpu: { minDriver: '550.54.14' } }],
    ['a driver floor that is text', false, { gpu: { minDriver: '550.x' } }],
    ['a VBIOS', true, { gpu: { vbioses: ['96.00.9F.00.01'] } }],
    ['a VBIOS in lower case', false, { gpu: { vbioses: ['96.00.9f.00.01'] } }],
    ['a model', true, { gpu: { hardwareModels: ['GH100 A01 GSP BROM'] } }],
    ['a mode', true, { gpu: { modes: ['protected-pcie'] } }],
    ['a mode that is none', false, { gpu: { modes: ['confidential'] } }],
    ['an index that may differ', true, { gpu: { allowedMismatches: [7] } }],
    ['an index that no report has', false, { gpu: { allowedMismatches: [255] } }],
    ['a misspelt floor', false, { gpu: { mindriver: '550' } }],
    ['GPUs that are no object', false, { gpu: [] }],
    ['upper-case hex', false, { tdx: { fmspcs: ['B0C06F000000'] } }],
  ])('%s: %s', (_, expected, policy) => {
    expect(accepts(policy)).toBe(expected)
  })

  test('agrees with the parser on every policy that differs from a good one in a member', () => {
    const values = fc.oneof(
      fc.constantFrom<unknown>(null, true, [], {}, '', 0, -1, 1.5, 1e17, 'any', [null]),
      fc.constantFrom('UpToDate', 'v1', 'zero', 'gpu.*.ocsp', '00'.repeat(8)).map((text) => [text]),
      fc
        .tuple(fc.constantFrom(2, 6, 8, 16, 20, 32, 33, 48), fc.integer({ min: 0, max: 255 }))
        .map(([size, byte]) => byte.toString(16).padStart(2, '0').repeat(size)),
      fc
        .constantFrom('550.90.07', '96.00.9F.00.01', '5', 'GH100 A01', 'unstated', 7, 300)
        .chain((one) => fc.constantFrom<unknown>(one, [one])),
      fc.constantFrom(6, 16, 20, 32, 48).map((size) => ['ab'.repeat(size), 'cd'.repeat(size)]),
      fc.jsonValue(),
    )
    const names = fc.constantFrom(...Object.keys(DEFAULT_POLICY), 'unknown')
    const gpuNames = fc.constantFrom(...Object.keys(DEFAULT_GPU_POLICY), 'unknown')
    const tdxNames = fc.constantFrom(...Object.keys(DEFAULT_TDX_POLICY), 'unknown')
    fc.assert(
      fc.property(names, tdxNames, gpuNames, values, (name, tdxName, gpuName, value) => {
        accepts({ ...DEFAULT_POLICY, [name]: value })
        accepts({ tdx: { [tdxName]: value } })
        accepts({ gpu: { [gpuName]: value } })
      }),
      { numRuns: 2000 },
    )
  })
})
