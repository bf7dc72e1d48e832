/** Comments of the service taken out of a stream: the same whatever pieces it comes in, and nothing else is touched. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { INLINE_PIECE_LENGTH } from '../../attestation/protocol/inline-receipt.ts'
import { InlineReceipts } from '../../src/client/inline-receipts.ts'
import { inlineComments } from '../../src/relay/inline-receipt.ts'

function taken(pieces: readonly Buffer[]): { rest: string; receipt: string | null } {
  const inline = new InlineReceipts()
  const rest = Buffer.concat([...pieces.map((piece) => inline.push(piece)), inline.end()])
  return { rest: rest.toString('latin1'), receipt: inline.receipt() }
}

function cut(text: string | Buffer, sizes: readonly number[]): Buffer[] {
  let rest = Buffer.from(text)
  const pieces = sizes.map((size) => {
    const piece = rest.subarray(0, size)
    rest = rest.subarray(size)
    return piece
  })
  return [...pieces, rest]
}

const sizes = fc.array(fc.nat({ max: 50 }), { maxLength: 60 })
const event = fc.constantFrom(
  'data: {"a":1}\n\n',
  'event: x\ndata: {}\n\n',
  ': keep-alive\n\n',
  ': countersign\n\n',
  ': countersign-receipt\n\n',
  ': countersign-receipt 0/1 AAAA\n\n',
  ': countersign-receipt 1/1 not base64!\n\n',
  'data: {}\r\n\r\n',
  '\n',
)
const receipt = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 9_000 })

describe('a stream with a receipt in it', () => {
  test('gives the receipt and the rest, at any place and in any pieces', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 4 }),
        fc.array(event, { maxLength: 4 }),
        receipt,
        sizes,
        (before, after, text, at) => {
          const stream = [...before, String(inlineComments(text)), ...after].join('')
          const found = taken(cut(stream, at))
          expect(found.receipt).toBe(text)
          expect(found.rest).toBe([...before, ...after].join(''))
        },
      ),
      { numRuns: 200 },
    )
  })

  test('that has none keeps every byte', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(event, fc.constantFrom('x', '\r', ' '))), sizes, (all, at) => {
        const found = taken(cut(all.join(''), at))
        expect(found).toEqual({ rest: all.join(''), receipt: null })
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), sizes, (bytes, at) => {
        expect(taken(cut(Buffer.from(bytes), at)).rest).toBe(Buffer.from(bytes).toString('latin1'))
      }),
    )
  })

  test.each([
    ['twice', `${String(inlineComments('a'))}${String(inlineComments('a'))}`],
    ['two of them', `${String(inlineComments('a'))}${String(inlineComments('b'))}`],
    [
      'its second piece first',
      ': countersign-receipt 2/2 QUFB\n: countersign-receipt 1/2 QUFB\n\n',
    ],
    ['one piece of two', ': countersign-receipt 1/2 QUFB\n\n'],
    ['a piece too many', ': countersign-receipt 1/1 QUFB\n: countersign-receipt 2/1 QUFB\n\n'],
    ['two counts', ': countersign-receipt 1/2 QUFB\n: countersign-receipt 2/3 QUFB\n\n'],
    ['more pieces than there are', ': countersign-receipt 1/99 QUFB\n\n'],
    ['a second spelling of its bytes', ': countersign-receipt 1/1 QUF\n\n'],
    ['bytes that are no text', ': countersign-receipt 1/1 _w\n\n'],
    [
      'a piece that is too long',
      `: countersign-receipt 1/1 ${'A'.repeat(INLINE_PIECE_LENGTH + 4)}\n\n`,
    ],
  ])('with %s gives no receipt', (_name, comments) => {
    const found = taken([Buffer.from(`data: {}\n\n${comments}data: [DONE]\n\n`)])
    expect(found.receipt).toBeNull()
    expect(found.rest).toBe('data: {}\n\ndata: [DONE]\n\n')
  })

  test('keeps no more of a line back than one of the service’s could be long', () => {
    const inline = new InlineReceipts()
    const start = Buffer.from(': countersign-receipt 1/1 ')
    expect(inline.push(start).length).toBe(0)
    const long = Buffer.alloc(100_000, 0x41)
    expect(inline.push(long).length).toBe(start.length + long.length)
    expect(inline.push(Buffer.from('AAA')).length).toBe(3)
  })
})
