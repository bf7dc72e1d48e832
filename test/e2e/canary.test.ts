/** No prompt, answer, token or key comes out where it has no business: logs, errors, headers, documents, warnings. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import { canary, sightings } from '../harness/canary.ts'
import type { Canary } from '../harness/canary.ts'
import { chat, chatBody, get, getOperations, header, openRaw, rawChat } from '../harness/chat.ts'
import { TOKENS, bearer, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

const PROMPT = 'vermilion-prompt-5519 mit Grüßen'
const WRONG_TOKEN = 'sk-wrong-token-that-nobody-has-0099'

let at: TestService
const output: string[] = []
beforeAll(async () => {
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream)
    vi.spyOn(stream, 'write').mockImplementation((chunk: unknown, ...rest: unknown[]) => {
      output.push(String(chunk))
      return (write as (...all: unknown[]) => boolean)(chunk, ...rest)
    })
  }
  process.on('warning', (warning) => output.push(String(warning.stack)))
  at = await startTestService({
    gpus: 1,
    operations: true,
    requestLog: 'all',
    limits: { requestBodyBytes: 8192, upstreamIdleMs: 300 },
  })
})
afterAll(async () => {
  vi.restoreAllMocks()
  await at.close()
})

test('nothing secret is logged, echoed in an error, or shown in a public document', async () => {
  const answer = await chat(at, chatBody(PROMPT))
  const said = /"content":"([^"]{20,})"/.exec(answer.text)?.[1] ?? ''
  const keys = at.service.keys
  const secrets: Canary[] = [
    canary('prompt', PROMPT),
    canary('answer', said),
    canary('token', TOKENS.alice),
    canary('relay token', TOKENS.broker),
    canary('wrong token', WRONG_TOKEN),
    canary('store key', keys.storeKey),
    canary('opening', header(answer, 'x-countersign-opening')),
  ]

  // Everything that can go wrong with a request that carries them.
  const errors: string[] = []
  const keep = (reply: Awaited<ReturnType<typeof chat>>) => {
    expect(reply.status).toBeGreaterThanOrEqual(400)
    errors.push(reply.text, JSON.stringify(reply.headers))
  }
  keep(await chat(at, `{"a":"${PROMPT}"`))
  keep(await chat(at, `["${PROMPT}"]`))
  keep(await chat(at, `{"${PROMPT}":1,"${PROMPT}":2}`))
  keep(await chat(at, chatBody(PROMPT.repeat(400))))
  keep(
    await chat(at, chatBody(PROMPT), {
      headers: [['x-countersign-challenge', PROMPT.slice(0, 20)]],
    }),
  )
  keep(await get(at, `/attestation?nonce=${encodeURIComponent(PROMPT)}`))
  keep(await get(at, `/v1/signature/${encodeURIComponent(PROMPT)}`, { who: 'alice' }))
  keep(await get(at, '/v1/models', { headers: [['authorization', `Bearer ${WRONG_TOKEN}`]] }))
  for (const fault of [{ cutAfterBytes: 30 }, { resetAfterBytes: 30 }, { silenceAfterChunks: 0 }]) {
    Object.assign(at.model.faults, fault)
    keep(await chat(at, chatBody(PROMPT)))
    Object.assign(at.model.faults, {
      cutAfterBytes: undefined,
      resetAfterBytes: undefined,
      silenceAfterChunks: undefined,
    })
  }
  at.agentFaults.failNext = 1_000
  keep(await get(at, `/attestation?nonce=${'ab'.repeat(32)}`))
  keep(await get(at, `/v1/quote`))
  delete at.agentFaults.failNext
  at.agentFaults.garbage = true
  keep(await get(at, `/attestation?nonce=${'ab'.repeat(32)}`))
  delete at.agentFaults.garbage
  at.model.faults.silenceAfterChunks = 2
  const raw = await openRaw(at.port, rawChat(chatBody(PROMPT, { stream: true })))
  await raw.until('data: ')
  raw.socket.destroy()
  await at.settled(at.receipts.length)
  expect(sightings(errors.join('\n'), secrets)).toEqual([])

  // Public documents, and what others may see of a receipt.
  const id = header(answer, 'x-receipt-id')
  const relayed = await chat(at, chatBody(PROMPT), { who: 'broker' })
  const views = await Promise.all([
    get(at, '/attestation'),
    get(at, '/v1/aci/attestation'),
    get(at, '/v1/attestation/report'),
    get(at, '/v1/quote'),
    get(at, '/version'),
    get(at, '/health/ready'),
    getOperations(at, '/metrics'),
    getOperations(at, '/health/ready'),
    get(at, `/v1/aci/receipts/${id}`, { who: 'bob' }),
    get(at, `/v1/aci/receipts/${id}`),
    get(at, `/v1/aci/receipts/${header(relayed, 'zg-res-key')}`),
  ])
  const text = views.map((reply) => reply.text).join('\n')
  secrets.push(canary('opening of the relayed answer', header(relayed, 'x-countersign-opening')))
  expect(sightings(text, secrets)).toEqual([])

  const log = at.log.map((entry) => JSON.stringify(entry)).join('\n')
  expect(at.log.filter(({ message }) => message === 'request')).toHaveLength(at.receipts.length)
  // Whoever reads the log must not be able to fetch a receipt with what stands in it.
  secrets.push(canary('receipt id', id))
  expect(log).toContain('attested to itself')
  expect(sightings(log, secrets)).toEqual([])
  expect(sightings(output.join(''), secrets)).toEqual([])
  // The hunt is worth something only if it finds what is there.
  expect(sightings(answer.text, secrets)).toContain('answer')
  expect(sightings(Buffer.from(TOKENS.alice).toString('hex'), secrets)).toEqual(['token'])
})

test('the model server gets the prompt and nothing of the credentials', async () => {
  const model = await startDemoModel()
  const body = chatBody(PROMPT)
  await chat(at, body, {
    headers: [
      ['cookie', 'session=cookie-canary-1'],
      ['x-api-key', 'api-key-canary-1'],
      ['x-countersign-owner', 'ab'.repeat(32)],
      ['x-countersign-challenge', 'A'.repeat(22)],
      ['x-forwarded-for', '203.0.113.7'],
    ],
  })
  const { rawHeaders, body: sent } = at.model.requests.at(-1) ?? {}
  expect(sent?.toString()).toBe(body)
  const names = (rawHeaders ?? []).filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
  expect(new Set(names)).toEqual(
    new Set(['host', 'connection', 'content-type', 'accept', 'x-request-id', 'content-length']),
  )
  expect(rawHeaders?.join()).not.toContain(bearer()[1])
  await model.close()
})
