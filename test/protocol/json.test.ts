import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_JSON_DEPTH, parseJson, parseJsonText } from '../../attestation/protocol/json.ts'

describe('strict JSON', () => {
  test('reads whatever JSON.stringify writes, to the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, 4), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        expect(parseJsonText(text)).toEqual({ ok: true, value: JSON.parse(text) as unknown })
      }),
      { numRuns: 2_000 },
    )
  })

  test('a text with half a surrogate pair is refused, not read as another text', () => {
    for (const text of ['"\ud800"', '{"\udfff":1}', '\ud83d']) {
      expect(parseJsonText(text)).toEqual({ ok: false, fault: 'lone_surrogate' })
    }
    expect(parseJsonText('"😀"').ok).toBe(true)
  })

  test('any bytes are read or refused, never thrown over', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof parseJson(bytes).ok).toBe('boolean')
      }),
      { numRuns: 2_000 },
    )
  })

  test('a duplicate anywhere in a document is refused', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { minKeys: 1, maxKeys: 5 }),
        fc.nat(),
        (object, pick) => {
          const names = Object.keys(object)
          const name = names[pick % names.length] ?? ''
          const text = JSON.stringify(object)
          const twice = `${text.slice(0, -1)},${JSON.stringify(name)}:0}`
          for (const wrapped of [twice, `[${twice}]`, `{"x y":${twice}}`]) {
            expect(parseJsonText(wrapped)).toEqual({ ok: false, fault: 'duplicate_member' })
          }
        },
      ),
    )
  })

  test.each([
    ['the same name spelt with an escape', '{"a":1,"\\u0061":2}'],
    ['the prototype’s name', '{"__proto__":1,"__proto__":2}'],
    ['a name that looks like an index', '{"1":1,"1":2}'],
    ['a duplicate after a string full of colons and escaped quotes', '{"a":":\\"::","b":1,"b":2}'],
    ['a duplicate after a string that ends in backslashes', '{"a":"\\\\","a":"\\\\\\""}'],
  ])('refuses %s', (_name, text) => {
    expect(parseJsonText(text)).toEqual({ ok: false, fault: 'duplicate_member' })
  })

  test.each([
    ['colons and braces in strings', '{"a:b":"{\\"c\\":1}","d":[":"]}'],
    ['a member named __proto__', '{"__proto__":{"x":1}}'],
    ['equal names in different objects', '{"a":{"a":{"a":1}}}'],
  ])('takes %s', (_name, text) => {
    expect(parseJsonText(text).ok).toBe(true)
  })

  test.each([
    ['not_json', '{'],
    ['not_json', ''],
    ['not_json', '\ufeff{}'],
    ['not_json', '{"a":NaN}'],
    ['lone_surrogate', '"\\ud800"'],
    ['lone_surrogate', '{"\\udfff":1}'],
    ['number_overflow', '[1e999]'],
  ] as const)('refuses as %s: %j', (fault, text) => {
    expect(parseJsonText(text)).toEqual({ ok: false, fault })
  })

  test.each([[[0xff]], [[0x22, 0xc3, 0x22]], [[0x22, 0xed, 0xa0, 0x80, 0x22]]])(
    'refuses bytes that are not UTF-8: %j',
    (bytes) => {
      expect(parseJson(Uint8Array.from(bytes))).toEqual({ ok: false, fault: 'not_utf8' })
    },
  )

  test('refuses nesting beyond its limit, also where it is far beyond', () => {
    const nest = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    expect(parseJsonText(nest(MAX_JSON_DEPTH)).ok).toBe(true)
    expect(parseJsonText(nest(MAX_JSON_DEPTH + 1))).toEqual({ ok: false, fault: 'too_deep' })
    expect(parseJsonText(nest(200_000)).ok).toBe(false)
  })
})
