import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { DEFAULT_GPU_POLICY } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import type { GpuPolicy } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import type { GpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { verifyGpuEvidence } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import { diceExtension } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { simulatedReportTemplate } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import {
  octetString,
  oid,
  raw,
  sequence,
  set,
  smallInteger,
  tagged,
  toDer,
  utf8String,
} from '../../attestation/x509/der.ts'
import {
  createDeviceMaker,
  deviceInformation,
  identitySerial,
  keyPair,
  leafSerialOf,
  spkiOf,
  withField,
} from './gpu-device.helpers.ts'
import type { DeviceChanges } from './gpu-device.helpers.ts'
import { failures, realOptions, summary } from './gpu.helpers.ts'

const nonce = Uint8Array.from(randomBytes(32))
const { device, root, identityKeys, leafKeys, gpu } = createDeviceMaker(nonce)
const opaque = simulatedReportTemplate(gpu, nonce).opaque

function checksOf(devices: readonly GpuEvidence[], policy: Partial<GpuPolicy> = {}) {
  const options = realOptions(nonce, {
    expectedCount: devices.length,
    policy: { ...DEFAULT_GPU_POLICY, ...policy },
  })
  return verifyGpuEvidence(devices, { ...options, rootSha256: [options.crypto.sha256(root)] })
}

function refusals(...devices: GpuEvidence[]): string[] {
  return failures(checksOf(devices))
}

/** A device whose report states one field otherwise. */
function stating(type: number, content: Uint8Array | null): GpuEvidence {
  return device({ report: { opaque: withField(opaque, type, content) } })
}

test('accepts the devices that the following tests change', () => {
  const identity = { serial: identitySerial(5), keys: keyPair() }
  expect(refusals(device(), device({ keys: keyPair(), identity }))).toEqual([])
})

describe('one device listed as two', () => {
  test.each([
    ['its keys of two firmware versions', {}],
    [
      'a second certificate of its identity key',
      { identity: { serial: identitySerial(5), keys: identityKeys } },
    ],
    [
      'a second identity key of its number',
      { identity: { serial: identitySerial(2), keys: keyPair() } },
    ],
    [
      'its device identifier below another prefix',
      { identity: { serial: identitySerial(2, 0x42), keys: keyPair() } },
    ],
  ] satisfies [string, DeviceChanges][])('is refused under %s', (_name, changes) => {
    const again = device({ keys: keyPair(), ...changes })
    expect(refusals(again)).toEqual([])
    expect(refusals(device(), again)).toEqual(['gpu.unique gpu_duplicate'])
  })
})

describe('the device identity extension', () => {
  const key = raw(spkiOf(identityKeys))
  const sha384 = oid('2.16.840.1.101.3.4.2.2')
  const digest = octetString(gpu.fwid)
  const unreadable = ['gpu.0.device_key gpu_device_key_mismatch', 'gpu.0.fwid gpu_fwid_missing']

  test('is refused where it is left out', () => {
    expect(refusals(device({ dice: null }))).toEqual(unreadable)
  })

  test('is refused with another device key', () => {
    expect(refusals(device({ dice: diceExtension(spkiOf(leafKeys), gpu.fwid) }))).toEqual([
      'gpu.0.device_key gpu_device_key_mismatch',
    ])
  })

  test('is refused with another firmware', () => {
    const dice = diceExtension(spkiOf(identityKeys), new Uint8Array(48))
    expect(refusals(device({ dice }))).toEqual(['gpu.0.fwid gpu_fwid_mismatch'])
  })

  test.each([
    ['another version', sequence(smallInteger(2), key, sequence(sha384, digest))],
    ['no version', sequence(key, sequence(sha384, digest))],
    ['another hash', sequence(smallInteger(1), key, sequence(oid('1.2.3'), digest))],
    [
      'a digest of another size',
      sequence(smallInteger(1), key, sequence(sha384, octetString(new Uint8Array(32)))),
    ],
    ['no digest', sequence(smallInteger(1), key, sequence(sha384))],
    ['two digests', sequence(smallInteger(1), key, sequence(sha384, digest, digest))],
    ['a digest of another type', sequence(smallInteger(1), key, sequence(sha384, sha384))],
    ['a digest outside its sequence', sequence(smallInteger(1), key, digest)],
    ['a fourth part', sequence(smallInteger(1), key, sequence(sha384, digest), digest)],
    ['another outer type', set(smallInteger(1))],
  ])('is refused with %s', (_name, value) => {
    expect(refusals(device({ dice: toDer(value) }))).toEqual(unreadable)
  })

  test('is refused with bytes behind it', () => {
    const dice = Uint8Array.of(...diceExtension(spkiOf(identityKeys), gpu.fwid), 0)
    expect(refusals(device({ dice }))).toEqual(unreadable)
  })
})

describe('certified names', () => {
  const good = { identity: 'GH100 A01 GSP BROM', leaf: 'GH100 A01 GSP FMC LF' }
  test.each([
    ['a switch', { identity: 'LS_10 A01 FSP BROM', leaf: 'LS_10 A01 FSP FMC LF' }],
    ['another chip', { identity: 'GB100 A01 GSP BROM', leaf: 'GB100 A01 GSP FMC LF' }],
    ['a leaf of another chip', { ...good, leaf: 'LS_10 A01 FSP FMC LF' }],
    ['a leaf of another stepping', { ...good, leaf: 'GH100 A02 GSP FMC LF' }],
    ['a leaf of another unit', { ...good, leaf: 'GH100 A01 FSP FMC LF' }],
    ['a leaf in the role of an identity', { ...good, leaf: 'GH100 A01 GSP BROM' }],
    ['an identity in the role of a leaf', { ...good, identity: 'GH100 A01 GSP FMC LF' }],
    ['a longer name', { ...good, identity: 'GH100 A01 GSP DEBUG BROM' }],
    ['no stepping', { identity: 'GH100 GSP BROM', leaf: 'GH100 GSP FMC LF' }],
    [
      'simulated devices under a root that is none',
      { identity: `${good.identity} SIMULATED`, leaf: `${good.leaf} SIMULATED` },
    ],
  ])('are refused where they are of %s', (_name, names) => {
    expect(refusals(device({ names }))).toEqual(['gpu.0.arch gpu_arch_mismatch'])
  })

  test('may be limited to models by the policy', () => {
    const hardwareModels = ['GH100 A02 GSP BROM']
    expect(failures(checksOf([device()], { hardwareModels }))).toEqual([
      'gpu.0.arch gpu_model_not_accepted',
    ])
    expect(failures(checksOf([device()], { hardwareModels: [good.identity] }))).toEqual([])
  })
})

describe('serial numbers and identifiers', () => {
  const serials = ['gpu.0.serials gpu_serials_invalid']

  test('are refused where the leaf has a number that is not of its key', () => {
    expect(refusals(device({ leafSerial: leafSerialOf(keyPair()) }))).toEqual(serials)
    const unmarked = leafSerialOf(leafKeys)
    unmarked[0] = (unmarked[0] ?? 0) ^ 0x20
    expect(refusals(device({ leafSerial: unmarked }))).toEqual(serials)
  })

  test('are refused where the leaf names another key than that of its issuer', () => {
    expect(refusals(device({ authority: keyPair().privateKey }))).toEqual(serials)
  })

  test.each([
    ['is short', identitySerial(2).subarray(1)],
    ['is long', Uint8Array.of(0x41, ...identitySerial(2))],
  ])('are refused where that of the device identity %s', (_name, serial) => {
    expect(refusals(device({ identity: { serial, keys: identityKeys } }))).toEqual(serials)
  })

  const otherName = (text: string) =>
    tagged(0, oid('1.3.6.1.4.1.412.274.1'), tagged(0, utf8String(text)))
  const text = 'NVIDIA:GH100:48B02D92494BADF4'
  test.each([
    ['no device information', null],
    ['one of another chip', deviceInformation('NVIDIA:LS_10:48B02D92494BADF4')],
    ['one of another vendor', deviceInformation('SIMULATED:GH100:48B02D92494BADF4')],
    ['one without serial number', deviceInformation('NVIDIA:GH100')],
    ['one with a short serial number', deviceInformation('NVIDIA:GH100:48B02D92')],
    ['one with a fourth part', deviceInformation(`${text}:X`)],
    ['a name of another type', deviceInformation(text, '1.2.3')],
    ['two of them', toDer(sequence(otherName(text), otherName(text)))],
    ['bytes behind it', Uint8Array.of(...deviceInformation(text), 0)],
    ['text without its tag', toDer(sequence(tagged(0, oid('1.3.6.1.4.1.412.274.1'))))],
  ])('are refused with %s', (_name, information) => {
    expect(refusals(device({ information }))).toEqual(serials)
  })

  test('may be limited to devices by the policy', () => {
    const serial = '410000000000000002'
    expect(failures(checksOf([device()], { gpuSerials: [serial] }))).toEqual([])
    expect(failures(checksOf([device()], { gpuSerials: [], switchSerials: [serial] }))).toEqual([
      'gpu.0.serials gpu_device_not_accepted',
    ])
  })
})

describe('who signs reports', () => {
  test.each([
    ['a certification key', { isCa: true, usage: ['keyCertSign', 'digitalSignature'] }],
    ['a key for another use', { usage: ['crlSign'] }],
    ['a key of no stated use', { usage: null }],
  ] satisfies [string, DeviceChanges][])('is refused where it is %s', (_name, changes) => {
    expect(refusals(device(changes))).toEqual(['gpu.0.chain gpu_chain_invalid'])
  })
})

describe('what a signed report states', () => {
  const text = (value: string) => Uint8Array.from(Buffer.from(`${value}\0`))

  test.each([
    ['no driver', 3, null],
    ['no VBIOS', 6, null],
    ['the identifier of a switch', 22, new Uint8Array(8).fill(1)],
    ['the GPUs of a switch', 26, new Uint8Array(128).fill(1)],
  ])('is refused as that of a GPU with %s', (_name, type, content) => {
    expect(refusals(stating(type, content))).toEqual(['gpu.0.arch gpu_arch_mismatch'])
  })

  test('is refused without firmware identity, unless the policy does without', () => {
    const old = stating(20, null)
    expect(refusals(old)).toEqual(['gpu.0.fwid gpu_fwid_missing'])
    const checks = checksOf([old], { requireFwid: false })
    expect(failures(checks)).toEqual([])
    expect(checks.find(({ id }) => id === 'gpu.0.fwid')?.detail).toContain('the policy allows')
    // What is stated has to be right also where nothing need be.
    const wrong = checksOf([stating(20, new Uint8Array(48))], { requireFwid: false })
    expect(failures(wrong)).toEqual(['gpu.0.fwid gpu_fwid_mismatch'])
  })

  test.each([
    ['an unknown feature flag', [[36, Uint8Array.of(3, 0)]]],
    ['protected PCIe against its feature flag', [[21, Uint8Array.of(0xaa)]]],
    ['a feature flag against its protected PCIe', [[36, Uint8Array.of(2, 0)]]],
  ] as const)('is refused with %s', (_name, fields) => {
    const changed = fields.reduce((list, [type, content]) => withField(list, type, content), opaque)
    expect(refusals(device({ report: { opaque: changed } }))).toContain(
      'gpu.0.mode gpu_mode_invalid',
    )
  })

  test.each([
    [0, 'single-pass-through'],
    [1, 'multiple-pass-through'],
  ] as const)('with feature flag %i is of mode %s', (flag, mode) => {
    const given = [stating(36, Uint8Array.of(flag, 0))]
    expect(failures(checksOf(given, { modes: [mode] }))).toEqual([])
    const others = DEFAULT_GPU_POLICY.modes.filter((other) => other !== mode)
    expect(failures(checksOf(given, { modes: others }))).toEqual([
      'gpu.0.mode gpu_mode_not_accepted',
    ])
  })

  test.each([
    ['550.90.07', '550.90.07', true],
    ['550.100.1', '550.90.07', true],
    ['550.90', '550.90.0', true],
    ['550.90', '550.90.1', false],
    ['535.86.09', '550', false],
    ['1000', '550.90.07', true],
    ['550.9x.07', '550', false],
    ['0x300.1', '1', false],
  ])('driver %s is measured against the lowest %s by numbers', (driver, minDriver, enough) => {
    expect(failures(checksOf([stating(3, text(driver))], { minDriver }))).toEqual(
      enough ? [] : ['gpu.0.versions gpu_driver_too_old'],
    )
  })

  test.each([
    ['96.00.9F.00.01', true],
    ['96.00.A0', false],
    ['95.FF.FF', true],
    ['96.00.9F.00.02', false],
    ['A0', false],
  ])('its VBIOS 96.00.9F.00.01 is measured against the lowest %s', (minVbios, enough) => {
    expect(failures(checksOf([device()], { minVbios }))).toEqual(
      enough ? [] : ['gpu.0.versions gpu_vbios_too_old'],
    )
  })

  test('counts for nothing where the report is not signed by the certified key', () => {
    const forged = device({ report: { sign: () => new Uint8Array(96).fill(1) } })
    const found = summary(checksOf([forged], { minDriver: '1' }))
    expect(found['gpu.0.signature']).toBe('fail gpu_signature_invalid')
    for (const step of ['versions', 'mode', 'rim_driver', 'rim_vbios', 'measurements']) {
      expect(found[`gpu.0.${step}`]).toBe('skip depends_on_failed')
    }
    expect(found['gpu.unique']).toBe('skip depends_on_failed')
    expect(found['gpu.uniform']).toBe('skip depends_on_failed')
  })
})
