/** A stream cut into its events, whatever pieces it came in: nothing is lost, and nothing is cut elsewhere. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WholeEvents } from '../../src/relay/whole-events.ts'

const LIMIT = 1024

function cutAt(text: string, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  let rest = Buffer.from(text)
  for (const size of sizes) {
    pieces.push(rest.subarray(0, size))
    rest = rest.subarray(size)
  }
  return [...pieces, rest]
}

function eventsOf(pieces: readonly Buffer[]): { events: string[]; rest: string } {
  const cutter = new WholeEvents(LIMIT)
  const events = pieces.flatMap((piece) => cutter.push(piece)).map(String)
  return { events, rest: String(cutter.giveUp()) }
}

const lineEnd = fc.constantFrom('\n', '\r\n', '\r')
const line = fc.constantFrom('data: {"a":1}', 'data: [DONE]', ': a comment', 'event: x', 'é')
/** Without a CR before a LF of its own line: those two would be one line end. */
const event = fc
  .tuple(fc.array(line, { minLength: 1, maxLength: 3 }), lineEnd)
  .map(([lines, end]) => lines.map((text) => text + end).join('') + end)

describe('a stream cut into events', () => {
  test('however it was cut before', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 6 }),
        fc.array(fc.nat({ max: 9 }), { maxLength: 40 }),
        line,
        (whole, sizes, last) => {
          const { events, rest } = eventsOf(cutAt(whole.join('') + last, sizes))
          expect(events).toEqual(whole)
          expect(rest).toBe(last)
        },
      ),
    )
  })

  test('loses no byte of anything', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (parts) => {
        const pieces = parts.map((part) => Buffer.from(part.map((byte) => byte % 15)))
        const cutter = new WholeEvents(LIMIT)
        const out = pieces.flatMap((piece) => cutter.push(piece))
        const all = Buffer.concat([...out, cutter.giveUp()])
        expect(all.equals(Buffer.concat(pieces))).toBe(true)
      }),
    )
  })

  test('a blank line that ends in CR is over when the next byte shows whether a LF belongs to it', () => {
    const cutter = new WholeEvents(LIMIT)
    expect(cutter.push(Buffer.from('data: 1\r\n\r'))).toEqual([])
    expect(cutter.waiting).toBe(true)
    expect(cutter.push(Buffer.from('\ndata: 2')).map(String)).toEqual(['data: 1\r\n\r\n'])
    expect(cutter.push(Buffer.from('\r\r')).map(String)).toEqual([])
    expect(cutter.push(Buffer.from(':')).map(String)).toEqual(['data: 2\r\r'])
  })

  test('is given up at an event that is too long, and passes from then on', () => {
    const cutter = new WholeEvents(LIMIT)
    const long = Buffer.alloc(LIMIT, 0x61)
    expect(cutter.push(long)).toEqual([])
    expect(cutter.givenUp).toBe(false)
    expect(Buffer.concat(cutter.push(Buffer.from('b'))).length).toBe(LIMIT + 1)
    expect(cutter.givenUp).toBe(true)
    expect(cutter.push(Buffer.from('half')).map(String)).toEqual(['half'])
    expect(cutter.waiting).toBe(false)
  })
})
