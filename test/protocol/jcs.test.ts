import canonicalizeOracle from 'canonicalize'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalize } from '../../attestation/protocol/jcs.ts'
import { MAX_JSON_DEPTH } from '../../attestation/protocol/json.ts'

describe('JCS (RFC 8785)', () => {
  test('agrees with the canonicalize package on any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        expect(canonicalize(value)).toBe(canonicalizeOracle(value))
      }),
      { numRuns: 2_000 },
    )
  })

  test('agrees with it on any double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(canonicalize(value)).toBe(canonicalizeOracle(value))
      }),
      { numRuns: 5_000 },
    )
  })

  test('gives the example of RFC 8785 section 3.2.2', () => {
    const input: unknown = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    )
    expect(canonicalize(input)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  test('sorts by UTF-16 code units, as RFC 8785 section 3.2.3 shows', () => {
    const input = { '€': 1, '\r': 2, '\ufb33': 3, '1': 4, '😀': 5, '\u0080': 6, ö: 7 }
    expect(Object.keys(JSON.parse(canonicalize(input)) as object).sort()).toHaveLength(7)
    expect(canonicalize(input)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}')
  })

  test('sorts member names that look like array indexes as text, not as numbers', () => {
    expect(canonicalize({ '10': 0, '9': 1, __proto__x: 2 })).toBe('{"10":0,"9":1,"__proto__x":2}')
  })

  test.each([
    ['undefined', undefined],
    ['a function', () => 0],
    ['a bigint', 1n],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a lone surrogate', '\ud800'],
    ['a lone surrogate in a name', { '\udc00': 1 }],
    ['undefined inside', { a: undefined }],
  ])('refuses %s instead of writing something for it', (_name, value) => {
    expect(() => canonicalize(value)).toThrow(TypeError)
  })

  test('refuses to nest deeper than any document may', () => {
    const nest = (depth: number): unknown => (depth === 0 ? 0 : [nest(depth - 1)])
    expect(() => canonicalize(nest(MAX_JSON_DEPTH))).not.toThrow()
    expect(() => canonicalize(nest(MAX_JSON_DEPTH + 1))).toThrow(TypeError)
  })
})
