/** Limits and time-outs that no other file brings to their end, and that each of all can be set and is tried. */
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { DEFAULT_LIMITS } from '../../src/limits.ts'
import { LATE_CHECK_MS } from '../../src/service/create-server.ts'
import { chat, chatBody, errorCode, get, header, openRaw, rawChat } from '../harness/chat.ts'
import { closeDouble, startDouble } from '../harness/model-double.ts'
import { bearer, startTestService } from '../harness/service.ts'
import type { TestServiceOptions } from '../harness/service.ts'
import { projectFiles, readText } from '../project/source-tree.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function start(options: TestServiceOptions) {
  const at = await startTestService(options)
  closers.push(() => at.close())
  return at
}

describe('every limit', () => {
  const names = Object.keys(DEFAULT_LIMITS)

  test('can be set in the configuration, and is refused when it is no whole number above zero', () => {
    const withLimit = (name: string, value: unknown) =>
      parseConfig({ upstreams: [{ name: 'a', url: 'unix:/a' }], limits: { [name]: value } })
    for (const name of names) {
      expect(withLimit(name, 1234).ok, name).toBe(true)
      for (const wrong of [0, -1, 1.5, 2 ** 31, '5', null, Infinity]) {
        expect(withLimit(name, wrong).ok, `${name} ${String(wrong)}`).toBe(false)
      }
    }
    expect(withLimit('unheardOf', 1).ok).toBe(false)
  })

  test('is set by a test, which does not find it at its default', () => {
    const tests = projectFiles()
      .filter((path) => /^test\/.*\.(?:test|helpers)\.ts$/.test(path))
      .map(readText)
      .join('\n')
    expect(names.filter((name) => !new RegExp(`\\b${name}: [\\d_]+`).test(tests))).toEqual([])
  })
})

/** A port that is open and takes no connection: its process stands still and its queue is full. */
async function deafPort(): Promise<number> {
  const child = spawn(process.execPath, [
    '-e',
    "const s=require('net').createServer().listen({port:0,host:'127.0.0.1',backlog:1},()=>console.log(s.address().port))",
  ])
  closers.push(() => child.kill('SIGKILL'))
  const port = await new Promise<number>((resolve) =>
    child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString()))),
  )
  child.kill('SIGSTOP')
  const fillers: Socket[] = []
  closers.push(() => fillers.map((socket) => socket.destroy()))
  for (let i = 0; i < 8; i++) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    fillers.push(socket)
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
  return port
}

test('a server that takes no connection is given up after upstreamConnectMs, and another is asked', async () => {
  const url = `http://127.0.0.1:${String(await deafPort())}`
  const alone = await start({ upstreams: [{ name: 'u', url }], limits: { upstreamConnectMs: 200 } })
  const before = performance.now()
  const reply = await chat(alone, chatBody('x'))
  expect([reply.status, errorCode(reply)]).toEqual([502, 'upstream_unreachable'])
  expect(performance.now() - before).toBeGreaterThan(190)
  expect(performance.now() - before).toBeLessThan(3_000)
  expect(alone.receipts[0]?.record.backend).toBeNull()
  const double = await startDouble('fine')
  closers.push(() => closeDouble(double))
  const both = await start({
    upstreams: [{ name: 'u', urls: [url, double.url] }],
    limits: { upstreamConnectMs: 200 },
  })
  for (let i = 0; i < 3; i++) expect((await chat(both, chatBody('x'))).status).toBe(200)
})

describe('a client connection', () => {
  test('that idles is closed after clientKeepAliveMs', async () => {
    const at = await start({ limits: { clientKeepAliveMs: 1_000 } })
    const raw = await openRaw(at.port, Buffer.from('GET /health HTTP/1.1\r\nhost: x\r\n\r\n'))
    await raw.until('live')
    const before = performance.now()
    await raw.closed
    // Node's own buffer above it, where it has one, is a second.
    expect(performance.now() - before).toBeGreaterThan(900)
    expect(performance.now() - before).toBeLessThan(4_000)
  })

  test(
    'that has not sent its headers after clientHeadersMs is closed, whether it sent nothing, half or a line at a time',
    async () => {
      const at = await start({ limits: { clientHeadersMs: 300 } })
      const before = performance.now()
      const raws = await Promise.all(
        ['', 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n', 'GET /health HTTP/1.1\r\n'].map(
          (text) => openRaw(at.port, Buffer.from(text)),
        ),
      )
      const drip = setInterval(() => raws[2]?.socket.write('x: y\r\n'), 100)
      closers.push(() => clearInterval(drip))
      for (const raw of raws) {
        await raw.closed
        expect(raw.received()).toMatch(/^HTTP\/1\.1 408 /)
        expect(raw.received()).toContain('headers_timeout')
      }
      expect(performance.now() - before).toBeGreaterThan(290)
      expect(performance.now() - before).toBeLessThan(2 * LATE_CHECK_MS + 3_000)
    },
    2 * LATE_CHECK_MS + 10_000,
  )
})

test('an upstream connection that idles is closed after upstreamKeepAliveMs', async () => {
  const double = await startDouble('one')
  closers.push(() => closeDouble(double))
  let connections = 0
  double.server.on('connection', () => connections++)
  const at = await start({
    upstreams: [{ name: 'u', url: double.url }],
    limits: { upstreamKeepAliveMs: 200 },
  })
  await chat(at, chatBody('x'))
  await chat(at, chatBody('x'))
  expect(connections).toBe(1)
  await new Promise((resolve) => setTimeout(resolve, 400))
  await chat(at, chatBody('x'))
  expect(connections).toBe(2)
})

test('beyond openRequests a request is 429 with a time to come back, until one ends', async () => {
  const at = await start({ limits: { openRequests: 2 } })
  let release = () => {}
  at.model.faults.holdUntil = new Promise<void>((resolve) => (release = resolve))
  const held = [chat(at, chatBody('x')), chat(at, chatBody('x'))]
  while (at.model.requests.length < 2) await new Promise((resolve) => setImmediate(resolve))
  const third = await chat(at, chatBody('x'))
  expect([third.status, errorCode(third), third.headers['retry-after']]).toEqual([
    429,
    'overloaded',
    '1',
  ])
  release()
  for (const reply of await Promise.all(held)) expect(reply.status).toBe(200)
  expect((await chat(at, chatBody('x'))).status).toBe(200)
})

test('beyond drainMs an open stream is cut, and never recorded as complete', async () => {
  const at = await startTestService({ limits: { drainMs: 200 } })
  at.model.faults.silenceAfterChunks = 1
  const raw = await openRaw(at.port, rawChat(chatBody('x', { stream: true })))
  await raw.until('data: ')
  const before = performance.now()
  await at.close()
  expect(performance.now() - before).toBeGreaterThan(190)
  expect(performance.now() - before).toBeLessThan(3_000)
  await raw.closed
  expect(at.receipts.map(({ record }) => record.outcome)).toEqual(['downstream_closed'])
  expect(at.receipts[0]?.whole).toBe(false)
})

test('beyond receipts the oldest make room for new ones', async () => {
  const at = await start({ limits: { receipts: 2 } })
  const ids: string[] = []
  for (let i = 0; i < 3; i++) ids.push(header(await chat(at, chatBody('x')), 'x-receipt-id'))
  const found = await Promise.all(
    ids.map((id) => get(at, `/v1/aci/receipts/${id}`, { headers: [bearer()] })),
  )
  expect(found.map(({ status }) => status)).toEqual([404, 200, 200])
})
