import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createDocumentHead } from '../../enclave/attestation/document-parts.ts'

test('the parts are the text, and wrapped what JSON makes of the text, whatever stands in it', () => {
  const text = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(text, fc.array(text, { maxLength: 3 }), (head, tails) => {
      const shared = createDocumentHead(`${head}}`)
      for (const tail of tails) {
        const parts = shared.with(`,${tail}`)
        const whole = `${head}},${tail}`
        expect(parts.text()).toBe(whole)
        expect(Buffer.concat(parts.bytes())).toEqual(Buffer.from(whole))
        const wrapped = JSON.stringify({ document: whole })
        expect(Buffer.concat(parts.wrapped()).toString()).toBe(Buffer.from(wrapped).toString())
      }
    }),
  )
})

test('the part that is the same for all is one and not copies', () => {
  const shared = createDocumentHead('{"a":1')
  expect(shared.with(',"b":1}').bytes()[0]).toBe(shared.with(',"b":2}').bytes()[0])
  expect(shared.with(',"b":1}').wrapped()[0]).toBe(shared.with(',"b":2}').wrapped()[0])
})
