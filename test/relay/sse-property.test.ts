/**
 * Any valid event stream, cut anywhere: the client gets the very bytes, and the record is the one of the same stream in one
 * piece. What was said is worked out a second time by a reader that sees the whole text at once.
 */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { contentOfChunks } from '../../attestation/protocol/chat-content.ts'
import { contentDigest } from '../../attestation/protocol/content.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { chat, chatBody, header } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

/** What the model sends next, in the pieces in which it sends it. */
let pieces: readonly Buffer[] = []
const model = createServer((req, res) => {
  req.resume().on('end', () => {
    const run = async () => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.flushHeaders()
      for (const piece of pieces) {
        if (piece.length > 0) res.write(piece)
        await nextTurn()
      }
      res.end()
    }
    run().catch(() => res.destroy())
  })
})
model.on('connection', (socket) => socket.setNoDelay(true))
let at: TestService
beforeAll(async () => {
  await new Promise<void>((resolve) => model.listen(0, '127.0.0.1', resolve))
  const { port } = model.address() as AddressInfo
  at = await startTestService({
    upstreams: [{ name: 'u', url: `http://127.0.0.1:${String(port)}` }],
  })
})
afterAll(async () => {
  await at.close()
  model.closeAllConnections()
  model.close()
})

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('', '[DONE]', 'data: [DONE]', '\n\n', '\u2028'),
)
const delta = fc.record(
  {
    role: fc.constant('assistant'),
    content: fc.oneof(text, fc.constant(null)),
    reasoning: text,
    refusal: fc.constantFrom(null, 'no'),
    tool_calls: fc.array(
      fc.record({
        index: fc.nat(1),
        id: fc.constantFrom('call_1', 'call_2'),
        type: fc.constant('function'),
        function: fc.record(
          { name: fc.constantFrom('f', ''), arguments: text },
          { requiredKeys: [] },
        ),
      }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
)
const chunk = fc.record(
  {
    id: fc.constant('chatcmpl-1'),
    object: fc.constant('chat.completion.chunk'),
    model: fc.constantFrom('m', 'n'),
    choices: fc.array(
      fc.record({
        index: fc.nat(1),
        delta,
        finish_reason: fc.constantFrom(null, null, null, 'stop', 'length', 'abort'),
      }),
      { maxLength: 2 },
    ),
    usage: fc.option(
      fc.record({
        prompt_tokens: fc.nat(9),
        completion_tokens: fc.nat(9),
        total_tokens: fc.nat(18),
      }),
    ),
  },
  { requiredKeys: ['choices'] },
)

/** Lines of one event; a chunk may be spread over several data lines, where JSON allows white space. */
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(chunk, fc.boolean(), fc.boolean()).map(([value, spread, space]) => ({
      chunk: value as unknown,
      lines: JSON.stringify(value, null, spread ? 1 : 0)
        .split('\n')
        .map((line) => `data:${space ? ' ' : ''}${line}`),
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(': ping', ':', 'id: 7', 'retry: 10', 'event: message', 'unknown: x', 'nothing')
      .map((line) => ({ chunk: undefined, lines: [line] })),
  },
)
const stream = fc.record({
  bom: fc.boolean(),
  end: fc.constantFrom('\n', '\r\n', '\r'),
  events: fc.array(event, { maxLength: 8 }),
  terminator: fc.constantFrom('data: [DONE]', 'data:[DONE]', null),
  tail: fc.constantFrom('', ': bye', 'data: {"unended":'),
})

type Shape = typeof stream extends fc.Arbitrary<infer S> ? S : never

function bytesOf({ bom, end, events, terminator, tail }: Shape): Buffer {
  const blocks = events.map(({ lines }) => [...lines, '', ''].join(end))
  const last = terminator === null ? '' : [terminator, '', ''].join(end)
  return Buffer.from((bom ? '\ufeff' : '') + blocks.join('') + last + tail)
}

/** Members that are another's for each request. */
const OWN = new Set(['receipt_id', 'sequence', 'served_at', 'content_digest', 'bodies', 'members'])

async function relay(sent: readonly Buffer[]) {
  pieces = sent
  const settled = at.receipts.length
  const reply = await chat(at, chatBody('x', { stream: true, n: 2 }))
  await at.settled(settled + 1)
  const receipt = at.receipts.at(-1)
  if (receipt === undefined) throw new Error('no receipt')
  const record = Object.fromEntries(
    Object.entries(receipt.record).filter(([name]) => !OWN.has(name)),
  )
  return { reply, record, digest: receipt.record.content_digest, returned: receipt.bodies.returned }
}

test('comes out byte for byte, and gives the same record', async () => {
  await fc.assert(
    fc.asyncProperty(stream, fc.array(fc.nat(), { maxLength: 10 }), async (shape, cuts) => {
      const whole = bytesOf(shape)
      const edges = [
        0,
        ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b),
        whole.length,
      ]
      const cut = await relay(edges.slice(1).map((edge, i) => whole.subarray(edges[i], edge)))
      const uncut = await relay([whole])
      for (const { reply, returned, digest } of [cut, uncut]) {
        expect(reply.body.equals(whole)).toBe(true)
        expect(reply.whole).toBe(true)
        expect(returned).toBe(`sha256:${createHash('sha256').update(whole).digest('hex')}`)
        const chunks = shape.events.flatMap(({ chunk }) => (chunk === undefined ? [] : [chunk]))
        const { content } = contentOfChunks(chunks)
        const opening = Buffer.from(header(reply, 'x-countersign-opening'), 'hex')
        expect(digest).toBe(content === null ? null : contentDigest(content, opening, nodeCrypto))
      }
      expect(cut.record).toEqual(uncut.record)
    }),
    { numRuns: 150 },
  )
  // The streams were of more than one kind.
  const outcomes = new Set(at.receipts.map(({ record }) => record.outcome))
  const contents = new Set(at.receipts.map(({ record }) => record.content_status))
  expect([...outcomes].toSorted()).toEqual(['complete', 'upstream_error'])
  expect([...contents].toSorted()).toEqual(expect.arrayContaining(['covered', 'none']))
}, 60_000)
