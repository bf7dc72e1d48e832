/** Vectors have one digest, in whichever of the two encodings they come. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { contentDigest } from '../../attestation/protocol/content.ts'
import { contentOfBody } from '../../attestation/protocol/content-kinds.ts'

const SALT = new Uint8Array(32).fill(7)
const contentOf = (given: unknown) => contentOfBody('embeddings/v1', given, nodeCrypto)

describe('embeddings/v1', () => {
  const single = fc.float({ noNaN: true, noDefaultInfinity: true })
  const vectors = fc.array(fc.array(single, { maxLength: 8 }), { minLength: 1, maxLength: 4 })

  const body = (embeddings: readonly unknown[]) => ({
    object: 'list',
    data: embeddings.map((embedding, index) => ({ object: 'embedding', index, embedding })),
  })
  const base64 = (values: readonly number[]) => {
    const bytes = Buffer.alloc(values.length * 4)
    values.forEach((value, i) => bytes.writeFloatLE(value, i * 4))
    return bytes.toString('base64')
  }

  test('numbers and base64 of the same singles agree, after a trip through JSON too', () => {
    fc.assert(
      fc.property(vectors, (given) => {
        const numbers = contentOf(JSON.parse(JSON.stringify(body(given))))
        expect(contentOf(body(given.map(base64)))).toEqual(numbers)
        expect(numbers.status).toBe('covered')
      }),
    )
  })

  test('one bit of one number makes another digest', () => {
    fc.assert(
      fc.property(vectors, fc.nat(), fc.nat(), (given, which, where) => {
        const place = which % given.length
        const [vector] = given.slice(place)
        fc.pre(vector !== undefined && vector.length > 0)
        const bytes = Buffer.from(base64(vector), 'base64')
        const at = where % bytes.length
        bytes[at] = (bytes[at] ?? 0) ^ 1
        const changed = given.map((each, i) =>
          i === place ? bytes.toString('base64') : base64(each),
        )
        const [one, other] = [body(given), body(changed)].map((each) => {
          const { content } = contentOf(each)
          return content === null ? null : contentDigest(content, SALT, nodeCrypto)
        })
        expect(other).not.toBe(one)
      }),
    )
  })

  test.each([
    ['text that is no base64', 'AAA*'],
    ['a second spelling of base64', 'AAAAAB=='],
    ['half of a single', 'AAA='],
    ['infinity', base64([Infinity])],
    ['a text among the numbers', [1, '2']],
    ['vectors of vectors', [[1], [2]]],
    ['nothing', null],
  ])('refuses %s', (_what, embedding) => {
    expect(contentOf(body([embedding])).status).toBe('none')
  })
})
