import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NVML_CALLS, readCText } from '../../attestation/attester/nvml/nvml-calls.ts'
import {
  MAX_ANSWER_BYTES,
  createLineReader,
  parseAnswer,
  parseRequest,
} from '../../attestation/attester/nvml/nvml-messages.ts'

const NONCE = 'ab'.repeat(32)
const line = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

describe('requests to the process that calls the driver', () => {
  test.each([
    { call: 'open', id: 1, library: '/usr/lib64/libnvidia-ml.so.1' },
    { call: 'device', id: 2, device: 15 },
    { call: 'count', id: 3 },
    { call: 'report', id: 4, device: 0, nonce: NONCE },
  ])('takes %o', (request) => {
    expect(parseRequest(line(request))).toMatchObject(request)
  })

  test.each([
    ['a call that is none', { call: 'constructor', id: 1 }],
    ['a function by its name', { call: 'nvmlInit_v2', id: 1 }],
    ['no id', { call: 'count' }],
    ['an id that is no count', { call: 'count', id: -1 }],
    ['a member too many', { call: 'count', id: 1, device: 0 }],
    ['a device too many', { call: 'device', id: 1, device: 16 }],
    ['no device', { call: 'uuid', id: 1 }],
    ['a report without a nonce', { call: 'report', id: 1, device: 0 }],
    ['a short nonce', { call: 'report', id: 1, device: 0, nonce: NONCE.slice(2) }],
    ['a nonce for another call', { call: 'uuid', id: 1, device: 0, nonce: NONCE }],
    ['a relative library', { call: 'open', id: 1, library: 'libnvidia-ml.so.1' }],
    ['a list', []],
  ])('refuses %s', (_what, request) => {
    expect(parseRequest(line(request))).toBeNull()
  })
})

describe('answers of it', () => {
  const out = (bytes: number): string => Buffer.alloc(bytes, 1).toString('base64')

  test('the largest buffer fits, whatever is in it', () => {
    const most = Math.max(...Object.values(NVML_CALLS).map(({ bytes }) => bytes))
    const answer = line({ code: 0, id: Number.MAX_SAFE_INTEGER, out: out(most) })
    expect(answer.length).toBeLessThan(MAX_ANSWER_BYTES)
    const parsed = parseAnswer(answer, most)
    expect(parsed !== null && 'out' in parsed && parsed.out.every((byte) => byte === 1)).toBe(true)
  })

  test.each([
    ['a buffer that is too short', { code: 0, id: 1, out: out(11) }],
    ['a buffer that is too long', { code: 0, id: 1, out: out(13) }],
    ['bytes beside a failure', { code: 3, id: 1, out: out(12) }],
    ['a code below zero', { code: -1, id: 1, out: '' }],
    ['a code in words', { code: '0', id: 1, out: out(12) }],
    ['text that is no base64', { code: 0, id: 1, out: '!'.repeat(16) }],
    ['a fault that is none', { fault: 'other', id: 1 }],
    ['a fault beside a result', { fault: 'library', code: 0, id: 1, out: out(12) }],
    ['a member too many', { code: 0, id: 1, out: out(12), more: 1 }],
    ['no id', { code: 0, out: out(12) }],
  ])('refuses %s', (_what, answer) => {
    expect(parseAnswer(line(answer), 12)).toBeNull()
  })

  test('anything else is refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(parseAnswer(bytes, 4)).toBeNull()
        expect(parseRequest(bytes)).toBeNull()
      }),
    )
  })
})

describe('lines', () => {
  test('are the same however they are cut', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 40 })
    fc.assert(
      fc.property(text, fc.array(fc.nat(40)), (all, cuts) => {
        const lines: string[] = []
        const read = createLineReader(40, (one) => lines.push(Buffer.from(one).toString()))
        const places = [0, ...cuts.map((cut) => cut % (all.length + 1)), all.length]
        places.sort((a, b) => a - b)
        for (const [index, place] of places.slice(1).entries()) {
          expect(read(Buffer.from(all.slice(places[index], place)))).toBe(true)
        }
        expect(lines).toEqual(all.split('\n').slice(0, -1))
      }),
    )
  })

  test('end with the first that is too long, finished or not', () => {
    expect(createLineReader(4, () => {})(Buffer.from('12345'))).toBe(false)
    expect(createLineReader(4, () => {})(Buffer.from('12345\n'))).toBe(false)
    expect(createLineReader(4, () => {})(Buffer.from('1234\n1234\n'))).toBe(true)
  })
})

describe('text of the driver', () => {
  test.each([
    ['580.159.03\0\0', '580.159.03'],
    ['a\0b\0', 'a'],
    ['\0\0\0', null],
    ['unended', null],
    ['a\n\0', null],
    ['\u00e9\0', null],
  ])('%j is %j', (text, expected) => {
    expect(readCText(Buffer.from(text, 'latin1'))).toBe(expected)
  })
})
