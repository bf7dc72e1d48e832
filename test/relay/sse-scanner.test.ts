import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SseScanner } from '../../src/relay/sse-scanner.ts'

function scan(pieces: readonly (Buffer | string)[], maxLine = 1024) {
  const events: string[] = []
  const scanner = new SseScanner(
    {
      onData: (data) => events.push(data),
      onEvent: (all, bytes, start, end) => {
        expect(all).toBe(bytes.toString('latin1'))
        events.push(bytes.toString('utf8', start, end))
      },
    },
    maxLine,
  )
  const inSight: boolean[] = []
  let waiting: Buffer[] = []
  const readWaiting = () => {
    if (waiting.length > 0) scanner.readWaiting(Buffer.concat(waiting))
    waiting = []
  }
  for (const piece of pieces) {
    const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece
    if (scanner.canWait(chunk)) {
      waiting.push(chunk)
    } else {
      readWaiting()
      scanner.push(chunk)
    }
    inSight.push(scanner.terminatorInSight)
  }
  readWaiting()
  return { events, inSight, oversize: scanner.oversize }
}

/** WHATWG HTML §9.2.6 over the whole text at once. */
function plainReader(text: string): string[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/)
  // What no line end has ended is no line yet.
  lines.pop()
  const events: string[] = []
  let data: string[] = []
  for (const line of lines) {
    if (line === '' && data.length > 0) events.push(data.join('\n'))
    if (line === '') data = []
    if (line === 'data') data.push('')
    if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
  }
  return events
}

const STREAM = Buffer.from(
  '\ufeff: ping\r\ndata: {"a":"Grüße 東京 👩‍🚀"}\r\n\r\nevent: x\ndata:one\ndata: two\n\nid: 1\rdata: three\r\rdata\n\ndatax: no\n\ndata: [DONE]\n\n',
)
const EVENTS = ['{"a":"Grüße 東京 👩‍🚀"}', 'one\ntwo', 'three', '', '[DONE]']

describe('the SSE scanner', () => {
  test('reads CR, LF, CRLF, comments, several data lines, empty data and a byte-order mark', () => {
    expect(scan([STREAM]).events).toEqual(EVENTS)
  })

  test('reads the same at every split into two, inside characters and line ends included', () => {
    for (let at = 0; at <= STREAM.length; at++) {
      const pieces = [STREAM.subarray(0, at), STREAM.subarray(at)]
      expect(scan(pieces).events, `split at ${String(at)}`).toEqual(EVENTS)
    }
  })

  test('reads the same byte by byte and at random cuts', () => {
    expect(scan([...STREAM].map((byte) => Buffer.of(byte))).events).toEqual(EVENTS)
    fc.assert(
      fc.property(fc.array(fc.nat(STREAM.length), { maxLength: 12 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), STREAM.length]
        const pieces = edges.slice(1).map((edge, i) => STREAM.subarray(edges[i], edge))
        expect(scan(pieces).events).toEqual(EVENTS)
      }),
    )
  })

  test('reads what a plain line-by-line reader reads, whatever the pieces', () => {
    const tokens = [
      'data: x\n\n',
      'data: [DONE]\n\n',
      'data: {"a":1}\n\n',
      'data: {é}\n\ndata: {}\n\n',
      'data: {"a":1}\n\nx\n\n',
      'data: ',
      'data:',
      'data',
      'x',
      ':',
      ' ',
      '\n',
      '\r',
      '\r\n',
    ]
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...tokens, 'é', '\ufeff'), { maxLength: 24 }),
        (pieces) => {
          expect(scan(pieces).events).toEqual(plainReader(pieces.join('')))
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('dispatches nothing that no blank line has ended', () => {
    expect(scan(['data: a\n']).events).toEqual([])
    expect(scan(['data: [DONE]\n']).events).toEqual([])
  })

  test('has the terminator in sight as soon as its last byte is there, before any line end', () => {
    expect(scan(['data: [DON', 'E', ']']).inSight).toEqual([false, false, true])
    expect(scan(['data:[DONE]']).inSight).toEqual([true])
    expect(scan(['x\n\ndata: [DONE]\n\n']).inSight).toEqual([true])
  })

  test('does not take the word for the terminator inside an answer', () => {
    expect(scan(['data: {"content":"data: [DONE]"}\n\n', ': [DONE]\n']).inSight).toEqual([
      false,
      false,
    ])
    expect(scan(['data: x [DONE]\n\n']).inSight).toEqual([false])
    expect(scan(['data: "[DONE]"\n\n']).inSight).toEqual([false])
  })

  const LOOK_ALIKES = [
    'data: [DONE]x',
    'data: [DONE] ',
    'data: [DONE]{"choices":[]}',
    'data:  [DONE]',
    'data:\t[DONE]',
    'data: \u00a0\u0085\u001f[DONE]',
    '\ufeffdata: [DONE]',
    `data: [DONE]${'x'.repeat(200)}`,
  ]

  test.each(LOOK_ALIKES)('holds back %j, which some clients take for the end', (line) => {
    const before = 'data: {"a":1}\n\n'
    for (const rest of ['\n\n', '\r\r', '\r\n\r\n', '\ndata: {}\n\n', '']) {
      const bytes = Buffer.from(line + rest)
      expect(scan([before, bytes]).inSight, JSON.stringify(rest)).toEqual([false, true])
      // Whatever the pieces, none with the whole word passes.
      const whole = Buffer.from(line.slice(0, line.indexOf(']') + 1)).length
      for (let at = 1; at < bytes.length; at++) {
        const { inSight } = scan([before, bytes.subarray(0, at), bytes.subarray(at)])
        expect(inSight, `split at ${String(at)}`).toEqual([false, at >= whole, true])
      }
    }
  })

  test('holds back a look-alike that takes the second data line of an event', () => {
    expect(scan(['data: \n', 'data: [DONE]x\n']).inSight).toEqual([false, true])
  })

  test.each(LOOK_ALIKES)('reads on behind %j as if nothing were', (line) => {
    const events = scan([`data: a\n\n${line}\n\n`, 'data: {"b":1}\n\n', 'data: [DONE]\n\n']).events
    expect(events.at(0)).toBe('a')
    expect(events.slice(-2)).toEqual(['{"b":1}', '[DONE]'])
  })

  test('finds a line too long however it arrives, and goes on reading', () => {
    const long = `data: ${'x'.repeat(64)}\n\ndata: b\n\n`
    const events = [long.slice(0, 72), long.slice(72)]
    for (const pieces of [
      ['data: a\n\n', ...events],
      [long],
      [...long],
      [long.slice(0, 40), long.slice(40)],
    ]) {
      const { events, oversize } = scan(pieces, 32)
      expect(oversize).toBe(true)
      expect(events.at(-1)).toBe('b')
    }
    expect(scan([long], 128).oversize).toBe(false)
  })
})
