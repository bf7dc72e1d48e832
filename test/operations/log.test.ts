/** The log: one line a request at most, none of them with content, written off the request's path. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLog } from '../../src/operations/open-log.ts'
import { createRequestLog } from '../../src/operations/request-log.ts'
import type { RequestSummary } from '../../src/relay/account.ts'
import { chat, chatBody, header } from '../harness/chat.ts'
import { unfitLogLines } from '../harness/logged-fields.ts'
import type { LogEntry } from '../harness/logged-fields.ts'
import { startTestService } from '../harness/service.ts'

const lines = (log: readonly LogEntry[]) => log.filter(({ message }) => message === 'request')

test('a line says how a request ended and what it cost, under an id that fetches nothing', async () => {
  const at = await startTestService({ requestLog: 'all' })
  const reply = await chat(at, chatBody('x', { stream: true }))
  const id = header(reply, 'x-receipt-id')
  await at.settled(1)
  const [line] = lines(at.log)
  expect(line).toMatchObject({
    level: 'info',
    fields: {
      receipt: id.slice(0, id.indexOf('-') + 13),
      route: '/v1/chat/completions',
      outcome: 'complete',
      status: 200,
      upstream: 'demo',
      streamed: true,
      request_bytes: Buffer.byteLength(chatBody('x', { stream: true })),
      response_bytes: reply.body.length,
    },
  })
  expect(JSON.stringify(line)).not.toContain(id)
  expect(lines(at.log)).toHaveLength(1)
  await at.close()
})

test('by default only requests that did not end well have a line', async () => {
  const at = await startTestService()
  await chat(at, chatBody('x'))
  await chat(at, '{"no json')
  expect(lines(at.log).map(({ level, fields }) => [level, fields['code']])).toEqual([
    ['warn', 'body_not_json'],
  ])
  await at.close()
})

test('with request logging off there is none', async () => {
  const at = await startTestService({ requestLog: 'none' })
  await chat(at, '{"no json')
  expect(lines(at.log)).toEqual([])
  await at.close()
})

test('an answer whose receipt could not be stored is logged as that', async () => {
  const at = await startTestService({ put: () => Promise.reject(new Error('disk full')) })
  await chat(at, chatBody('x')).catch(() => undefined)
  expect(lines(at.log).map(({ level, fields }) => [level, fields['stored']])).toEqual([
    ['warn', false],
  ])
  await at.close()
})

test('the check of the suite’s log lines finds fields, shapes and words that must not be there', () => {
  const entry = (fields: Readonly<Record<string, unknown>>, message = 'request'): LogEntry => ({
    level: 'info',
    fields,
    message,
  })
  const secret = [{ name: 'prompt', bytes: Buffer.from('canary-prompt') }]
  expect(unfitLogLines([entry({ status: 200, code: 'overloaded' })], secret)).toEqual([])
  expect(unfitLogLines([entry({ body: 1 })], secret)).toHaveLength(1)
  expect(unfitLogLines([entry({ code: 'Two Words' })], secret)).toHaveLength(1)
  expect(unfitLogLines([entry({ receipt: `rcpt-${'a'.repeat(32)}` })], secret)).toHaveLength(1)
  expect(unfitLogLines([entry({}, 'canary-prompt {"x"}')], secret)).toHaveLength(2)
})

const SUMMARY: RequestSummary = {
  receiptId: `rcpt-${'0'.repeat(32)}`,
  route: '/v1/chat/completions',
  outcome: 'complete',
  code: null,
  status: 200,
  streamed: true,
  upstream: 'demo',
  requestBytes: 1,
  responseBytes: 1,
  seconds: 1.23456,
  firstByteSeconds: 0.1,
  queuedSeconds: 0,
  overheadSeconds: 0.000321,
  signingSeconds: 0.0001,
  stored: true,
}

test('lines are JSON, collected, and written whole when the log is flushed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-log-'))
  const path = join(folder, 'log')
  const { log, flush, dropped } = openLog(path)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const write = createRequestLog(log, 'all')
  for (let i = 0; i < 10; i++) write(SUMMARY)
  // Ten lines are below what is written at once.
  expect(await readFile(path, 'utf8')).toBe('')
  flush()
  const written = (await readFile(path, 'utf8')).trimEnd().split('\n')
  expect(written).toHaveLength(10)
  for (const line of written) {
    const { time, ...rest } = JSON.parse(line) as Record<string, unknown>
    expect(typeof time).toBe('number')
    expect(rest).toEqual({
      level: 30,
      name: 'countersign',
      msg: 'request',
      receipt: 'rcpt-000000000000',
      route: '/v1/chat/completions',
      outcome: 'complete',
      status: 200,
      upstream: 'demo',
      streamed: true,
      request_bytes: 1,
      response_bytes: 1,
      ms: 1234.56,
      first_byte_ms: 100,
      overhead_ms: 0.32,
      signing_ms: 0.1,
    })
  }
  expect(dropped()).toBe(0)
  await rm(folder, { recursive: true, force: true })
})
