/** Answers that are none, through the local proxy: errors, redirects, connections that break. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TOKENS } from '../harness/service.ts'
import { ASK, openStage } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { ask, curl, meddling, openProxy, refusal } from './proxy.helpers.ts'
import type { TestProxy } from './proxy.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  await stage.close()
})

/** What would make a reader go elsewhere, or show its key. */
const LURES = {
  location: 'https://evil.test/',
  refresh: '0; url=https://evil.test/',
  link: '<https://evil.test/>; rel=next',
  'www-authenticate': 'Basic realm="evil.test"',
  'content-disposition': 'attachment; filename=evil.test',
}

test('an error that is an answer is not shown, with a genuine receipt or without; an error of the usual form is', async () => {
  let body = JSON.stringify({ object: 'chat.completion', choices: [{ message: 'Buy gold.' }] })
  let withReceipt = false
  const { at, close } = await meddling(stage, async (answer, res) => {
    const text = await answer.text()
    expect(text).toContain('choices')
    const id = answer.headers.get('x-receipt-id') ?? ''
    const opening = answer.headers.get('x-countersign-opening') ?? ''
    const receipt = { 'x-receipt-id': id, 'x-countersign-opening': opening }
    const type = { 'content-type': 'text/html', 'retry-after': '7' }
    return res.writeHead(429, { ...type, ...LURES, ...(withReceipt ? receipt : {}) }).end(body)
  })
  for (withReceipt of [false, true]) {
    const said = await curl(at, ASK, ['-D', '-'])
    expect(said.out).not.toContain('evil.test')
    expect(said.out.toLowerCase()).toContain('x-countersign-code: error_unverified')
    expect(said.out).toContain('429')
    expect(said.out).toContain('error_unverified')
    expect(said.out).not.toContain('gold')
    expect(at.last()).toMatchObject({ ending: 'unverified', code: 'error_unverified' })
  }
  body = JSON.stringify({ error: { message: 'Pay first.', code: 'balance' } })
  for (withReceipt of [true, false]) {
    const second = await curl(at, ASK, ['-D', '-'])
    expect(second.out).toContain(body)
    const head = second.out.toLowerCase()
    expect(head).toContain('x-countersign-code: error_unverified')
    expect(head).toContain('content-type: application/json\r\n')
    expect(head).toContain('retry-after: 7')
    expect(head).not.toMatch(/evil\.test|x-countersign-level: bytes/)
  }
  await close()
})

test('an answer that is passed off as an error is not vouched for, though it is genuine to the byte', async () => {
  const { at, close } = await meddling(stage, async (answer, res) => {
    const body = await answer.text()
    const headers = Object.fromEntries(answer.headers)
    delete headers['transfer-encoding']
    return res.writeHead(429, headers).end(body)
  })
  const said = await curl(at, ASK, ['-D', '-'])
  const head = said.out.toLowerCase()
  expect(head).toContain('429')
  expect(head).not.toContain('x-countersign-level: bytes')
  expect(head).toContain('error_unverified')
  expect(head).not.toContain('choices')
  expect(at.last()).toMatchObject({ ending: 'unverified', code: 'error_unverified' })
  await close()
})

test('beside a verified answer stands the opening that belongs to its receipt, and no lure or signature', async () => {
  let genuine = ''
  const { at, close } = await meddling(stage, async (answer, res) => {
    const body = await answer.text()
    const headers = Object.fromEntries(answer.headers)
    delete headers['transfer-encoding']
    genuine = headers['x-countersign-opening'] ?? ''
    const unproven = { signature: 'evil.test', 'content-digest': 'sha-256=:evil.test:' }
    const opening = { 'x-countersign-opening': 'ab'.repeat(32) }
    return res.writeHead(200, { ...headers, ...LURES, ...unproven, ...opening }).end(body)
  })
  const said = await curl(at, ASK, ['-D', '-'])
  expect(at.last()).toMatchObject({ ending: 'verified' })
  expect(genuine).toMatch(/^[0-9a-f]{64}$/)
  expect(said.out.toLowerCase()).toContain(`x-countersign-opening: ${genuine}\r\n`)
  expect(said.out).not.toMatch(/evil\.test|abababab/)
  await close()
})

test('a service that sends elsewhere, breaks off or is gone is told apart, and no redirect is followed', async () => {
  let how = ''
  const { at, close } = await meddling(stage, async (answer, res) => {
    const text = await answer.text()
    if (how === 'service_redirects') {
      return res.writeHead(307, { location: `${stage.at.url}/v1/chat/completions` }).end()
    }
    const headers = Object.fromEntries(answer.headers)
    delete headers['transfer-encoding']
    res.writeHead(200, { ...headers, 'content-length': text.length })
    res.write(text.slice(0, 20))
    return new Promise((resolve) => setTimeout(resolve, 20)).then(() => res.destroy())
  })
  for (how of ['service_redirects', 'service_broke_off']) {
    const said = await curl(at, ASK)
    expect(JSON.parse(said.out)).toMatchObject({ error: { code: how, type: 'server_error' } })
    expect(at.last()).toMatchObject({ ending: 'failed', code: how })
  }
  await close()
  const gone = await startGone()
  expect(await refusal(gone.openai.chat.completions.create(ASK))).toEqual({
    status: 502,
    code: 'service_unreachable',
  })
  await gone.close()
})

/** In front of a broker that was there when the service was attested. */
async function startGone(): Promise<TestProxy> {
  const server = createServer((req, res) => {
    fetch(`${stage.at.url}${req.url ?? ''}`)
      .then(async (answer) => res.writeHead(answer.status).end(await answer.text()))
      .catch(() => res.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const at = await openProxy(stage, { upstream: `http://127.0.0.1:${String(port)}/v1` })
  expect(await at.attest()).toBe('ok')
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  return at
}

test('collateral that was given is judged by, and evidence for which there is none is refused', async () => {
  const policy = { ...stage.policy, require: ['quote.crl'] }
  const collateral = stage.at.simulation?.guest.pki.collateral ?? null
  const given = await openProxy(stage, {
    policy,
    collateralOf: () => Promise.resolve({ collateral, gpuCollateral: null }),
  })
  await given.openai.chat.completions.create(ASK)
  expect(given.last()).toMatchObject({ ending: 'verified' })
  await given.close()
  for (const [options, code] of [
    [{}, 'depends_on_failed'],
    [
      { collateralOf: () => Promise.reject(new Error('nobody answers')) },
      'attestation_unavailable',
    ],
  ] as const) {
    const without = await openProxy(stage, { policy, ...options })
    expect(await refusal(without.openai.chat.completions.create(ASK))).toEqual({
      status: 502,
      code,
    })
    await without.close()
  }
})

test('an odd reason phrase changes nothing, and an odd status is refused once: no client pays again', async () => {
  let line = ''
  let answers = 0
  const { at, close } = await meddling(stage, async (answer, res) => {
    const body = Buffer.from(await answer.text())
    answers++
    const headers = [...answer.headers].filter(([name]) => name !== 'transfer-encoding')
    const head = [line, ...headers.map((pair) => pair.join(': ')), 'connection: close', '', '']
    // Written by hand: node:http does not say such things.
    res.socket?.end(Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), body]))
    return undefined
  })
  const eager = new OpenAI({ baseURL: `${at.url}/v1`, apiKey: TOKENS.alice, maxRetries: 2 })
  for (line of ['HTTP/1.1 200 \xe9', 'HTTP/1.1 200 ', 'HTTP/1.1 200 a\tb']) {
    const { choices } = await eager.chat.completions.create(ASK)
    expect(choices).toHaveLength(1)
    expect(at.last()).toMatchObject({ ending: 'verified', shown: 'bytes' })
  }
  for (line of ['HTTP/1.1 600 X', 'HTTP/1.1 999 X']) {
    for (const stream of [false, true]) {
      answers = 0
      const refused = await refusal(eager.chat.completions.create({ ...ASK, stream }))
      expect(refused).toEqual({ status: 502, code: 'answer_form_mismatch' })
      expect(answers).toBe(1)
      const said = await curl(at, { ...ASK, stream }, ['-D', '-'])
      expect(said.out.toLowerCase()).toContain('x-should-retry: false')
      expect(said.out.toLowerCase()).not.toMatch(/x-countersign-(?:level: bytes|code: ok)/)
    }
  }
  await close()
})

test('a status that HTTP does not have is not passed on of a route that nobody vouches for either', async () => {
  const server = createServer((_req, res) => res.writeHead(799).end('{}'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const at = await openProxy(stage, {
    upstream: `http://127.0.0.1:${String(port)}/v1`,
    passed: [{ method: 'GET', path: '/v1/models' }],
  })
  const said = await ask(at, {}, { method: 'GET', path: '/v1/models' })
  expect([said.status, said.code]).toEqual([502, 'service_status_unknown'])
  expect(said.headers).not.toHaveProperty('x-countersign-level')
  await at.close()
  server.closeAllConnections()
  server.close()
})

test('a service whose log does not go on from the head that was remembered is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  const logState = join(folder, 'heads.json')
  const first = await openProxy(stage, { logState })
  await first.openai.chat.completions.create(ASK)
  await first.close()
  const again = await openProxy(stage, { logState })
  await again.openai.chat.completions.create(ASK)
  await again.close()
  const named = await openProxy(stage, { logState, logName: 'another' })
  expect(await refusal(named.openai.chat.completions.create(ASK))).toEqual({
    status: 502,
    code: 'log_other_name',
  })
  await named.close()
  const other = await openStage()
  const after = await openProxy(other, { logState })
  expect(await refusal(after.openai.chat.completions.create(ASK))).toEqual({
    status: 502,
    code: 'log_reset',
  })
  await after.close()
  await other.close()
  await rm(folder, { recursive: true })
})
