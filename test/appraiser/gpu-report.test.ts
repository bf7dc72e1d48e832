import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readVbiosVersion } from '../../attestation/appraiser/gpu/opaque-fields.ts'
import { parseGpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { isNvdaod } from '../../attestation/appraiser/gpu/parse-nvdaod.ts'
import { parseNrasPayload } from '../../attestation/appraiser/gpu/parse-nras-payload.ts'
import {
  MAX_REPORT_BYTES,
  parseSpdmReport,
} from '../../attestation/appraiser/gpu/parse-spdm-report.ts'
import { readTlv } from '../../attestation/appraiser/gpu/read-tlv.ts'
import { verifyGpuEvidence } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import {
  simulatedReportTemplate,
  toGpuEvidence,
} from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { AT, hexBytes, realOptions } from './gpu.helpers.ts'

const pki = createNvidiaPki({ now: new Date(AT * 1000), gpus: 1 })
const gpu = (() => {
  const [first] = pki.gpus
  if (first === undefined) throw new Error('no simulated GPU')
  return first
})()
const nonce = Uint8Array.from(randomBytes(32))
const template = simulatedReportTemplate(gpu, nonce)
const good = buildSpdmReport(template)

/** Where each part of a report of 64 blocks starts. */
const REQUEST = 0
const RESPONSE = 37
const RECORD = 45
const RESPONDER_NONCE = RECORD + 64 * 55
const OPAQUE_LENGTH = RESPONDER_NONCE + 32
const OPAQUE = OPAQUE_LENGTH + 2
const SIGNATURE = good.length - 96

function withByte(offset: number, value: number): Uint8Array {
  const copy = Uint8Array.from(good)
  copy[offset] = value
  return copy
}

function withOpaque(opaque: typeof template.opaque): Uint8Array {
  return buildSpdmReport({ ...template, opaque })
}

/** Bytes in place of the opaque data, with the length field to match. */
function withOpaqueBytes(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([
    ...good.subarray(0, OPAQUE_LENGTH),
    bytes.length & 0xff,
    bytes.length >> 8,
    ...bytes,
    ...good.subarray(SIGNATURE),
  ])
}

function refusal(bytes: Uint8Array): string {
  const result = parseSpdmReport(bytes)
  return result.ok ? 'accepted' : `${result.code}: ${result.detail}`
}

describe('SPDM report parser', () => {
  test('reads every typed field of a well-formed report', () => {
    const result = parseSpdmReport(good)
    if (!result.ok) throw new Error(result.detail)
    const { report } = result
    expect(report).toMatchObject({
      driverVersion: '580.159.03',
      vbiosVersion: '96.00.9F.00.01',
      featureFlag: 0,
      protectedPcie: false,
      nvdec0: false,
    })
    expect(report.requestNonce).toEqual(nonce)
    expect(report.responderNonce).toEqual(template.responderNonce)
    expect(report.fwid).toEqual(gpu.fwid)
    expect(report.measurements.map(({ index }) => index)).toEqual(
      Array.from({ length: 64 }, (_, i) => i + 1),
    )
    expect(report.measurements.map(({ value }) => Buffer.from(value).toString('hex'))).toEqual(
      template.measurements.map((value) => Buffer.from(value).toString('hex')),
    )
    expect([...report.opaque.keys()]).toEqual(template.opaque.map(([type]) => type))
    expect(report.signedBytes).toEqual(good.subarray(0, SIGNATURE))
    expect(report.signature).toEqual(good.subarray(SIGNATURE))
  })

  test('keeps its own copy, so that a caller cannot change the bytes after the check', () => {
    const bytes = Uint8Array.from(good)
    const result = parseSpdmReport(bytes)
    bytes.fill(0)
    if (!result.ok) throw new Error(result.detail)
    expect(result.report.requestNonce).toEqual(nonce)
    expect(result.report.signedBytes).toEqual(good.subarray(0, SIGNATURE))
  })

  test.each([
    ['nothing', REQUEST],
    ['the request head', 4],
    ['the requester nonce', 36],
    ['the request', RESPONSE],
    ['the response head', 41],
    ['the record length', RECORD],
    ['the first block head', RECORD + 7],
    ['the first block', RECORD + 55],
    ['the last block but one', RESPONDER_NONCE - 55],
    ['the record', RESPONDER_NONCE],
    ['the responder nonce', OPAQUE_LENGTH],
    ['the opaque length', OPAQUE],
    ['the first opaque head', OPAQUE + 4],
    ['the opaque data', SIGNATURE],
    ['the signature up to its last byte', good.length - 1],
  ])('refuses a report cut after %s', (_name, length) => {
    expect(refusal(good.subarray(0, length))).toMatch(/^gpu_report_malformed/)
  })

  test('refuses a report cut anywhere', () => {
    for (let length = 0; length < good.length; length++) {
      expect(refusal(good.subarray(0, length))).toMatch(/^gpu_report_malformed/)
    }
  })

  test('refuses trailing bytes and a report longer than NVML’s buffer', () => {
    expect(refusal(Uint8Array.of(...good, 0))).toMatch(/length fields/)
    expect(refusal(new Uint8Array(MAX_REPORT_BYTES + 1))).toMatch(/longer than/)
  })

  test.each([
    ['an SPDM version other than 1.1 in the request', 0, 0x12],
    ['a request that is not GET_MEASUREMENTS', 1, 0x60],
    ['a request without signature', 2, 0],
    ['a request for one block', 3, 1],
    ['another slot', 36, 1],
    ['an SPDM version other than 1.1 in the response', RESPONSE, 0x10],
    ['a response that is not MEASUREMENTS', RESPONSE + 1, 0xe0],
    ['a response with a non-zero parameter', RESPONSE + 3, 1],
    ['a block count without its blocks', RESPONSE + 4, 63],
    ['a block count of zero', RESPONSE + 4, 0],
    ['a record length that is no multiple of the block', RESPONSE + 5, 0xc1],
    ['a record length above 64 KiB', RESPONSE + 7, 1],
    ['a repeated block index', RECORD + 55, 1],
    ['a skipped block index', RECORD, 2],
    ['a block of another specification', RECORD + 1, 2],
    ['a block of another size', RECORD + 2, 50],
    ['a raw measurement in place of a digest', RECORD + 4, 0x81],
    ['a digest of another size', RECORD + 5, 32],
    ['an opaque length that is one too small', OPAQUE_LENGTH, withLow(-1)],
    ['an opaque length that is one too large', OPAQUE_LENGTH, withLow(1)],
  ])('refuses %s', (_name, offset, value) => {
    expect(refusal(withByte(offset, value))).toMatch(/^gpu_report_malformed/)
  })

  test('refuses a duplicate opaque field, also when correctly signed', () => {
    const twice = withOpaque([...template.opaque, [20, new Uint8Array(48)]])
    expect(refusal(twice)).toBe('gpu_report_malformed: opaque field 20 appears twice')
  })

  test('refuses opaque data that ends inside a header or a field', () => {
    const opaque = good.subarray(OPAQUE, SIGNATURE)
    expect(refusal(withOpaqueBytes(Uint8Array.of(...opaque, 0, 0, 0)))).toMatch(/ends in a header/)
    expect(refusal(withOpaqueBytes(Uint8Array.of(...opaque, 99, 0, 2, 0, 7)))).toMatch(
      /field 99 ends past/,
    )
  })

  test('keeps unknown opaque fields, even empty ones', () => {
    const result = parseSpdmReport(
      withOpaque([...template.opaque, [4711, new Uint8Array()], [200, Uint8Array.of(1, 2)]]),
    )
    if (!result.ok) throw new Error(result.detail)
    expect(result.report.opaque.get(4711)).toEqual(new Uint8Array())
    expect(result.report.opaque.get(200)).toEqual(Uint8Array.of(1, 2))
  })

  test('leaves absent fields null', () => {
    const result = parseSpdmReport(withOpaque([]))
    if (!result.ok) throw new Error(result.detail)
    expect(result.report).toMatchObject({
      driverVersion: null,
      vbiosVersion: null,
      fwid: null,
      featureFlag: null,
      protectedPcie: null,
      nvdec0: null,
    })
  })

  test.each([
    ['a firmware identity of 47 bytes', 20, new Uint8Array(47)],
    ['a status that is neither on nor off', 21, Uint8Array.of(0)],
    ['an NVDEC0 status of two bytes', 11, Uint8Array.of(0x55, 0x55)],
    ['a feature flag of one byte', 36, Uint8Array.of(0)],
    ['a driver version with a NUL inside', 3, Uint8Array.of(0x35, 0, 0x38)],
    ['a driver version with a line feed', 3, Uint8Array.of(0x35, 0x0a)],
    ['an empty driver version', 3, Uint8Array.of(0)],
    ['a driver version of 65 bytes', 3, new Uint8Array(65).fill(0x35)],
    ['a VBIOS version that is no text', 6, Uint8Array.of(1, 2, 3)],
  ])('refuses %s', (_name, type, content) => {
    expect(refusal(withOpaque([[type, content]]))).toMatch(/^gpu_report_malformed/)
  })

  test('refuses a report without any measurement, also when its lengths agree', () => {
    expect(refusal(buildSpdmReport({ ...template, measurements: [] }))).toMatch(
      /^gpu_report_malformed: 0 measurement blocks/,
    )
  })

  const nvdaodHead = '4e5644414f44000002000000'
  const nvdaodFields = {
    project: '1100820005004735323000',
    projectSku: '1200820005003032313000',
    chipSku: '0f0082000900383834000000000000',
    driver: '0300860007003632302e313200',
    unknown: '4000870002000100',
  }

  test('reads NVDAOD data as far as board, driver and nonce, and says what it does not judge', () => {
    const data = hexBytes(nvdaodHead + Object.values(nvdaodFields).join(''))
    const text = Buffer.from(nonce).toString('hex')
    expect(refusal(withOpaqueBytes(data))).toBe(
      'gpu_report_unsupported: opaque data in NVDAOD format 2.0, which driver 620.12 of board ' +
        `G520_0210_884 states; it answers the nonce ${text}`,
    )
  })

  test.each([
    ['no fields', nvdaodHead],
    ['half a header', nvdaodHead.slice(0, 20)],
    ['another profile', '4e5644414f44010002000000' + Object.values(nvdaodFields).join('')],
    ['a field twice', nvdaodHead + Object.values(nvdaodFields).join('') + nvdaodFields.driver],
    ['a byte behind its fields', `${nvdaodHead}${Object.values(nvdaodFields).join('')}00`],
    ['a field past its end', `${nvdaodHead}0300860007003632`],
    ['no driver', nvdaodHead + Object.values({ ...nvdaodFields, driver: '' }).join('')],
    [
      'a driver of control characters',
      nvdaodHead + Object.values({ ...nvdaodFields, driver: '030086000200361b' }).join(''),
    ],
  ])('refuses NVDAOD data with %s as malformed', (_name, hex) => {
    expect(refusal(withOpaqueBytes(hexBytes(hex)))).toMatch(/^gpu_report_malformed/)
  })

  test('refuses legacy data of a version it does not know', () => {
    const versioned = (low: number) => withOpaque([[34, Uint8Array.of(low, 0)]])
    expect(parseSpdmReport(versioned(1)).ok).toBe(true)
    expect(refusal(versioned(2))).toBe('gpu_report_unsupported: legacy opaque data of version 2')
  })

  test.each([
    ['GPU information', 4, 7],
    ['CPR information', 13, 5],
    ['a board number', 14, 3],
    ['a project SKU modification', 19, 1],
    ['floorswept ports', 23, 3],
    ['a position', 24, 1],
    ['a lock status', 25, 1],
    ['the GPUs of a switch', 26, 64],
    ['an opaque data version', 34, 1],
    ['a security version', 37, 4],
    ['switches at the links', 22, 143],
    ['measurement counters', 12, 255],
    ['more counters than a report can have blocks', 12, 1024],
  ])('refuses %s of another size', (_name, type, size) => {
    expect(refusal(withOpaque([[type, new Uint8Array(size)]]))).toMatch(/^gpu_report_malformed/)
  })

  test.each([
    ['project', 17],
    ['project SKU', 18],
    ['chip SKU', 15],
    ['chip SKU modification', 16],
  ])('refuses a %s that is no text', (_name, type) => {
    expect(refusal(withOpaque([[type, Uint8Array.of(0x31, 0x07)]]))).toMatch(/not printable text/)
  })

  test('takes each switch at the links once, byte-reversed, and no unconnected link', () => {
    const field = new Uint8Array(144)
    field.set(hexBytes('0807060504030201'), 0)
    field.set(hexBytes('0807060504030201'), 8)
    field.set(hexBytes('1817161514131211'), 136)
    const result = parseSpdmReport(withOpaque([[22, field]]))
    if (!result.ok) throw new Error(result.detail)
    expect(result.report.linkedSwitches).toEqual(['0102030405060708', '1112131415161718'])
    expect(result.report.pdi).toBeNull()
  })

  test.each([
    ['009f009601000000', '96.00.9F.00.01'],
    ['0074009620000000', '96.00.74.00.20'],
    ['00cf009602000000', '96.00.CF.00.02'],
    ['39362e31302e35352e30302e3031', '96.10.55.00.01'],
  ])('spells VBIOS %s as %s', (hex, version) => {
    expect(readVbiosVersion(hexBytes(hex))).toBe(version)
  })
})

describe('GPU evidence list', () => {
  const item = toGpuEvidence(gpu, good)

  test.each([
    ['null', null, 'gpu_evidence_malformed'],
    ['an array', [], 'gpu_evidence_malformed'],
    ['a missing member', { arch: 'HOPPER', evidence: item.evidence }, 'gpu_evidence_malformed'],
    ['a member too many', { ...item, nonce: '' }, 'gpu_evidence_malformed'],
    ['an architecture in lower case', { ...item, arch: 'hopper' }, 'gpu_evidence_malformed'],
    ['an architecture that is no string', { ...item, arch: 9 }, 'gpu_evidence_malformed'],
    ['unpadded base64', { ...item, evidence: 'AAA' }, 'gpu_evidence_malformed'],
    [
      'base64 with a line end',
      { ...item, certificate: `${item.certificate.slice(0, 4)}\n${item.certificate.slice(4)}` },
      'gpu_evidence_malformed',
    ],
    [
      'a chain longer than NVML’s buffer',
      { ...item, certificate: Buffer.alloc(5121, 10).toString('base64') },
      'gpu_evidence_malformed',
    ],
    [
      'a report longer than NVML’s buffer',
      { ...item, evidence: Buffer.alloc(8193).toString('base64') },
      'gpu_evidence_malformed',
    ],
    [
      'a chain that is not UTF-8',
      { ...item, certificate: Buffer.from([0xff]).toString('base64') },
      'gpu_chain_malformed',
    ],
    [
      'a chain that is no PEM',
      { ...item, certificate: Buffer.from('hello').toString('base64') },
      'gpu_chain_malformed',
    ],
    ['an empty report', { ...item, evidence: '' }, 'gpu_report_malformed'],
  ])('refuses %s', (_name, value, code) => {
    expect(parseGpuEvidence(value)).toMatchObject({ ok: false, code })
  })

  test('reads an attestation service request with and without repeated arch', () => {
    const { certificate, evidence } = item
    const hex = Buffer.from(nonce).toString('hex')
    const expected = { ok: true, nonce, evidence: [item] }
    const bare = { nonce: hex, arch: 'HOPPER', evidence_list: [{ certificate, evidence }] }
    expect(parseNrasPayload(bare)).toEqual(expected)
    expect(parseNrasPayload({ ...bare, claims_version: '3.0', evidence_list: [item] })).toEqual(
      expected,
    )
  })

  test.each([
    ['no object', []],
    ['an unknown member', { nonce: '00'.repeat(32), arch: 'HOPPER', evidence_list: [], x: 1 }],
    ['no nonce', { arch: 'HOPPER', evidence_list: [] }],
    ['a short nonce', { nonce: '00', arch: 'HOPPER', evidence_list: [] }],
    ['no arch', { nonce: '00'.repeat(32), evidence_list: [] }],
    ['no list', { nonce: '00'.repeat(32), arch: 'HOPPER', evidence_list: {} }],
    [
      'more GPUs than a machine has',
      { nonce: '00'.repeat(32), arch: 'HOPPER', evidence_list: Array(17).fill(item) },
    ],
    ['an item of another kind', { nonce: '00'.repeat(32), arch: 'HOPPER', evidence_list: [1] }],
    ['an item without report', { nonce: '00'.repeat(32), arch: 'HOPPER', evidence_list: [{}] }],
    [
      'an item of another arch',
      { nonce: '00'.repeat(32), arch: 'HOPPER', evidence_list: [{ ...item, arch: 'BLACKWELL' }] },
    ],
  ])('refuses an attestation service request with %s', (_name, value) => {
    expect(parseNrasPayload(value)).toMatchObject({ ok: false, code: 'gpu_list_malformed' })
  })
})

describe('arbitrary input', () => {
  test('random bytes never throw and are never a report', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9000 }), (bytes) => {
        expect(parseSpdmReport(bytes).ok).toBe(false)
      }),
    )
  })

  const type = fc.integer({ min: 0, max: 0xffff })
  const field = fc.tuple(type, type, fc.uint8Array({ maxLength: 40 }))
  const fields = fc.uniqueArray(field, { maxLength: 12, selector: ([number]) => number })

  /** The list as a device writes it, with or without value types. */
  function written(list: readonly (readonly [number, number, Uint8Array])[], typed: boolean) {
    const number16 = (value: number) => [value & 0xff, value >> 8]
    return Uint8Array.from(
      list.flatMap(([number, valueType, value]) => [
        ...number16(number),
        ...(typed ? number16(valueType) : []),
        ...number16(value.length),
        ...value,
      ]),
    )
  }

  test('lists of fields are read back as they were written, and no other way', () => {
    fc.assert(
      fc.property(fields, fc.boolean(), (list, typed) => {
        const bytes = written(list, typed)
        const head = typed ? 3 : 2
        const expected = new Map(list.map(([number, , value]) => [number, value]))
        expect(readTlv(bytes, head)).toEqual({ ok: true, fields: expected })
        if (list.length > 0) {
          expect(readTlv(bytes.subarray(0, -1), head).ok).toBe(false)
          expect(readTlv(Uint8Array.of(...bytes, 0), head).ok).toBe(false)
          const [first] = list
          if (first !== undefined) {
            expect(readTlv(written([...list, first], typed), head).ok).toBe(false)
          }
        }
      }),
    )
  })

  test('opaque data of any content is read or refused, never taken for another format', () => {
    const data = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fields.map((list) => written(list, false)),
      fields.map((list) =>
        Uint8Array.of(...hexBytes('4e5644414f44000002000000'), ...written(list, true)),
      ),
    )
    fc.assert(
      fc.property(data, (bytes) => {
        const result = parseSpdmReport(withOpaqueBytes(bytes))
        if (isNvdaod(bytes)) expect(result.ok).toBe(false)
        if (result.ok) {
          const sizes = [...result.report.opaque.values()].map(({ length }) => 4 + length)
          expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(bytes.length)
        } else {
          expect(result.code).toMatch(/^gpu_report_(malformed|unsupported)$/)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('mutated reports never throw, and what is accepted accounts for every byte', () => {
    const edits = fc.array(
      fc.tuple(fc.nat({ max: good.length - 1 }), fc.integer({ min: 0, max: 255 })),
      { minLength: 1, maxLength: 8 },
    )
    fc.assert(
      fc.property(edits, (list) => {
        const bytes = Uint8Array.from(good)
        for (const [offset, value] of list) bytes[offset] = value
        const result = parseSpdmReport(bytes)
        if (!result.ok) return
        const { signedBytes, signature, opaque, measurements } = result.report
        expect(Buffer.concat([signedBytes, signature]).equals(bytes)).toBe(true)
        const fields = [...opaque.values()].reduce((sum, field) => sum + 4 + field.length, 0)
        expect(OPAQUE + measurements.length * 55 - 64 * 55 + fields + 96).toBe(bytes.length)
      }),
      { numRuns: 500 },
    )
  })

  test('arbitrary JSON never throws and never passes', () => {
    const member = fc.oneof(fc.jsonValue(), fc.base64String(), fc.constant('HOPPER'))
    const value = fc.oneof(
      fc.jsonValue(),
      fc.array(fc.record({ arch: member, certificate: member, evidence: member }), {
        minLength: 1,
        maxLength: 3,
      }),
    )
    fc.assert(
      fc.property(value, (list) => {
        const checks = verifyGpuEvidence(list, realOptions(nonce))
        expect(checks.some(({ status }) => status === 'fail')).toBe(true)
        parseNrasPayload(list)
      }),
    )
  })
})

/** The low byte of the opaque length, moved. */
function withLow(by: number): number {
  return ((good[OPAQUE_LENGTH] ?? 0) + by) & 0xff
}
