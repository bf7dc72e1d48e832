import { describe, expect, test } from 'vitest'
import { MAX_CHOICES } from '../../attestation/protocol/chat-content.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { AnswerEvents, MAX_EVENT_LINES, MAX_LINE_BYTES } from '../../src/client/answer-events.ts'

const utf8 = new TextEncoder()
const KINDS = ['chat/v1', 'text/v1', 'messages/v1', 'responses/v1'] as const

/** Pushes the same bytes until they are refused. @returns how many pushes were taken */
function pushed(events: AnswerEvents, text: string, most: number): number {
  const bytes = utf8.encode(text)
  for (let count = 0; count < most; count++) {
    events.push(bytes)
    if (events.fault !== null) return count
  }
  return most
}

describe.each(KINDS)('a stream of %s that would fill the memory', (kind) => {
  test('is refused where an event of long lines never ends', () => {
    const events = new AnswerEvents(kind, nodeCrypto)
    const line = `data: ${'y'.repeat(1024 * 1024)}\n`
    expect(pushed(events, line, 64)).toBeLessThanOrEqual(MAX_LINE_BYTES / (1024 * 1024))
    expect(events.fault).toBe('stream_unreadable')
    expect(events.held.length).toBeLessThanOrEqual(MAX_LINE_BYTES + line.length)
  })

  test('is refused where an event of short lines never ends', () => {
    const events = new AnswerEvents(kind, nodeCrypto)
    expect(pushed(events, 'data:\n', 2 * MAX_EVENT_LINES)).toBe(MAX_EVENT_LINES)
    expect(events.fault).toBe('stream_unreadable')
  })

  test('keeps no comments of an event that never ends, or refuses it', () => {
    const events = new AnswerEvents(kind, nodeCrypto)
    pushed(events, ':\n', 2 * MAX_EVENT_LINES)
    expect(events.held.length).toBeLessThanOrEqual(3 * MAX_EVENT_LINES)
  })

  test('keeps a line that comes byte by byte in few pieces', () => {
    const events = new AnswerEvents(kind, nodeCrypto)
    const before = process.memoryUsage().heapUsed
    pushed(events, 'x', 400_000)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(40 * 1024 * 1024)
    expect(events.held).toEqual(utf8.encode('x'.repeat(400_000)))
  })
})

function chunk(kind: 'chat/v1' | 'text/v1', index: number): string {
  const object = kind === 'chat/v1' ? 'chat.completion.chunk' : 'text_completion'
  const choices = [{ index, delta: {}, text: '', finish_reason: 'stop' }]
  return `data: ${JSON.stringify({ id: 'i', object, model: 'm', choices })}\n\n`
}

test.each(['chat/v1', 'text/v1'] as const)('%s takes no more choices than it keeps', (kind) => {
  const events = new AnswerEvents(kind, nodeCrypto)
  for (let index = 0; index < MAX_CHOICES; index++) events.push(utf8.encode(chunk(kind, index)))
  expect(events.plain).toBe(true)
  events.push(utf8.encode(chunk(kind, MAX_CHOICES)))
  expect(events.plain).toBe(false)
})

test('a tool call that gets its name twice is not plain, at any index', () => {
  const call = (index: number, name?: string): string => {
    const fn = name === undefined ? { arguments: '' } : { name }
    const choices = [{ index: 0, delta: { tool_calls: [{ index, function: fn }] } }]
    return `data: ${JSON.stringify({ id: 'i', object: 'chat.completion.chunk', model: 'm', choices })}\n\n`
  }
  const events = new AnswerEvents('chat/v1', nodeCrypto)
  for (const one of [call(0, 'a'), call(0), call(1, 'b'), call(1)]) events.push(utf8.encode(one))
  expect(events.plain).toBe(true)
  events.push(utf8.encode(call(1, 'c')))
  expect(events.plain).toBe(false)
})
