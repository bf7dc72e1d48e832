/** The stranger's Python checker on files saved from the live service: nothing of this code base judges here. */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { startBroker } from '../../src/demo/broker/start-broker.ts'
import type { BrokerHandle } from '../../src/demo/broker/start-broker.ts'
import { WEATHER_TOOLS } from '../demo/model-raw-request.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { MODEL, TOKENS, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { ask } from '../harness/zg-upstream.ts'
import type { Reply } from '../harness/zg-upstream.ts'

const CHECKER = fileURLToPath(new URL('../stranger/check.py', import.meta.url))

function missing(): string | null {
  for (const [tool, how] of [
    ['python3', '--version'],
    ['openssl', 'version'],
  ] as const) {
    try {
      execFileSync(tool, [how], { stdio: 'ignore' })
    } catch {
      return tool
    }
  }
  return null
}
const absent = missing()
if (absent !== null)
  console.warn(`SKIPPED: no ${absent} on this machine, the stranger cannot check`)

let at: TestService
let broker: BrokerHandle
const folder = mkdtempSync(join(tmpdir(), 'countersign-stranger-'))
beforeAll(async () => {
  at = await startTestService({ gpus: 2 })
  broker = await startBroker({
    targetUrl: `${at.url}/v1`,
    additionalSecret: { authorization: `Bearer ${TOKENS.broker}` },
  })
})
afterAll(async () => {
  await broker.close()
  await at.close()
  rmSync(folder, { recursive: true })
})

function save(name: string, bytes: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

/** The root that the quote's own chain ends in; which root to trust is for the tests of the quote. */
function root(): string {
  const pem = Buffer.from(at.simulation?.guest.pki.root ?? []).toString('base64')
  const lines = pem.match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

type Verdict = ReadonlyMap<string, string>
function check(files: Readonly<Record<string, string>>, ...flags: readonly string[]): Verdict {
  const args = Object.entries(files).map(
    // In one word: a challenge may begin with a dash.
    ([name, value]) => `--${name}=${value}`,
  )
  const run = spawnSync('python3', [CHECKER, ...args, ...flags, '--json', '--allow-simulated'], {
    encoding: 'utf8',
  })
  if (run.status !== 0 && run.status !== 1) throw new Error(run.stderr)
  const { checks } = jsonObject(run.stdout)
  const found = (Array.isArray(checks) ? checks : []).map((one) => {
    if (!isJsonObject(one)) throw new Error('not a check')
    return [String(one['id']), `${String(one['status'])} ${String(one['why'])}`.trim()] as const
  })
  expect(run.status === 1).toBe(found.some(([, status]) => status.startsWith('FAIL')))
  return new Map(found)
}

const failed = (verdict: Verdict) =>
  [...verdict].filter(([, status]) => status.startsWith('FAIL')).map(([id]) => id)
const skipped = (verdict: Verdict) =>
  [...verdict].filter(([, status]) => status.startsWith('skip')).map(([id]) => id)

async function saved(
  body: string,
  headers: readonly (readonly [string, string])[] = [],
  path = '/v1/chat/completions',
) {
  const nonce = randomBytes(32).toString('hex')
  const reply = await chat(at, body, { headers, path })
  const id = header(reply, 'x-receipt-id')
  const own = { who: 'alice' } as const
  return {
    reply,
    files: {
      document: save('document', (await get(at, `/attestation?nonce=${nonce}`)).body),
      nonce,
      root: save('root.pem', root()),
      receipt: save('receipt', (await get(at, `/v1/aci/receipts/${id}`, own)).body),
      opening: header(reply, 'x-countersign-opening'),
      request: save('request', body),
      forwarded: save('forwarded', body),
      response: save('response', reply.body),
      signature: save('signature', (await get(at, `/v1/signature/${id}`, own)).body),
    },
  }
}

/** What the checker can never call good. */
const SIMULATED = 'config.simulation'

describe.skipIf(absent !== null)('the Python checker', () => {
  test.each([
    ['buffered', chatBody('hello')],
    ['streamed', chatBody('hello', { stream: true })],
    ['with streamed tool calls', chatBody('[[tools]]', { stream: true, tools: WEATHER_TOOLS })],
    ['with reasoning and two choices', chatBody('[[reasoning]]', { n: 2, stream: true })],
  ])('accepts everything of an answer %s, and leaves out nothing', async (_, body) => {
    const challenge = randomBytes(24).toString('base64url')
    const { files } = await saved(body, [['x-countersign-challenge', challenge]])
    const verdict = check({ ...files, challenge })
    expect(failed(verdict)).toEqual([])
    expect(skipped(verdict)).toEqual([SIMULATED])
  })

  const tool = { name: 'weather', parameters: {}, input_schema: {}, type: 'function' }
  const said = (content: string) => [{ role: 'user', content }]
  test.each<[string, object]>([
    ['/v1/completions', { prompt: ['a', 'b'] }],
    ['/v1/completions', { prompt: 'a', n: 2, stream: true }],
    ['/v1/messages', { max_tokens: 99, messages: said('[[reasoning]] hi') }],
    ['/v1/messages', { max_tokens: 99, messages: said('[[tools]]'), tools: [tool], stream: true }],
    ['/v1/responses', { input: '[[reasoning]] hi' }],
    ['/v1/responses', { input: '[[tools]]', tools: [tool], stream: true }],
    ['/v1/responses', { input: 'hi', max_output_tokens: 2, stream: true }],
    ['/v1/embeddings', { input: ['a', 'b'] }],
    ['/v1/embeddings', { input: 'a', encoding_format: 'base64' }],
  ])('accepts everything of an answer of %s to %j', async (path, members) => {
    const { files } = await saved(JSON.stringify({ model: MODEL, ...members }), [], path)
    const verdict = check(files)
    expect(failed(verdict)).toEqual([])
    expect(skipped(verdict).toSorted()).toEqual([SIMULATED, 'record.challenge'])
  })

  test('accepts the receipt of an answer that is not read', async () => {
    const body = JSON.stringify({ model: MODEL, query: 'q', documents: ['a'] })
    const { files } = await saved(body, [], '/v1/rerank')
    const verdict = check(files)
    expect(failed(verdict)).toEqual([])
    expect(skipped(verdict).toSorted()).toEqual([SIMULATED, 'record.challenge', 'response.facts'])
  })

  test('accepts the Ed25519 legacy signature and the documents wrapped in JSON', async () => {
    const { files, reply } = await saved(chatBody('hello'))
    const id = header(reply, 'x-receipt-id')
    const own = { who: 'alice' } as const
    const signature = await get(at, `/v1/signature/${id}?signing_algo=ed25519`, own)
    const receipt = await get(at, `/v1/attestation/receipts/${id}`, own)
    const document = await get(at, `/v1/attestation/document?nonce=${files.nonce}`)
    const verdict = check({
      ...files,
      signature: save('ed25519', signature.body),
      receipt: save('wrapped', receipt.body),
      document: save('wrapped-document', document.body),
    })
    expect(failed(verdict)).toEqual([])
    expect(skipped(verdict)).toEqual([SIMULATED, 'record.challenge'])
  })

  test('accepts the receipt of a stream that was cut, without a legacy text', async () => {
    at.model.faults.cutAfterBytes = 600
    const { files } = await saved(chatBody('hello', { stream: true }))
    at.model.faults.cutAfterBytes = undefined
    const verdict = check(files)
    expect(failed(verdict)).toEqual([])
    expect(verdict.get('legacy.read')).toMatch(/^skip .*not complete/)
    expect(verdict.get('response.hash')).toBe('ok')
    expect(verdict.get('record.outcome')).toBe('ok')
  })

  test.each([
    ['response', 'response.hash', (text: string) => text.replace('"stop"', '"stxp"')],
    ['request', 'request.hash', (text: string) => text.replace('hello', 'hallo')],
    [
      'receipt',
      'receipt.signature',
      (text: string) => text.replace('"status":200', '"status":201'),
    ],
    [
      'document',
      'quote.report_data',
      (text: string) => text.replace('"issued_at":1', '"issued_at":2'),
    ],
  ] as const)('refuses a changed %s by %s', async (name, id, change) => {
    const { files } = await saved(chatBody('hello'))
    const original = readFileSync(files[name], 'utf8')
    expect(change(original)).not.toBe(original)
    const verdict = check({ ...files, [name]: save('changed', change(original)) })
    expect(failed(verdict)).toContain(id)
  })

  test('refuses another nonce, another opening and another challenge', async () => {
    const { files } = await saved(chatBody('hello'))
    const other = randomBytes(32).toString('hex')
    expect(failed(check({ ...files, nonce: other }))).toContain('nonce.path')
    expect(failed(check({ ...files, opening: other }))).toContain('bodies.commitment')
    expect(failed(check({ ...files, challenge: 'A'.repeat(22) }))).toContain('record.challenge')
  })
})

describe.skipIf(absent !== null)('the Python checker behind the broker double', () => {
  async function through(body: string) {
    const nonce = randomBytes(32).toString('hex')
    const url = `${broker.url}/v1/proxy`
    const read = (path: string): Promise<Reply> => ask(`${url}${path}`)
    const reply = await ask(`${url}/chat/completions`, {
      method: 'POST',
      body,
      headers: [['content-type', 'application/json']],
    })
    const id = header(reply, 'zg-res-key')
    return {
      document: save('document', (await read(`/attestation/document?nonce=${nonce}`)).body),
      nonce,
      root: save('root.pem', root()),
      receipt: save('receipt', (await read(`/attestation/receipts/${id}`)).body),
      opening: header(reply, 'x-countersign-opening'),
      request: save('request', body),
      response: save('response', reply.body),
    }
  }

  // The broker gives the answer an id of its own, which the record does not have.
  const facts = 'response.facts'
  test.each([
    ['buffered', false, []],
    ['streamed', true, ['--allow-added', 'stream_options']],
  ] as const)('accepts the view of an answer %s: content and members', async (_, stream, flags) => {
    const files = await through(chatBody('hello', { stream }))
    const verdict = check(files, '--view', ...flags)
    expect(failed(verdict).filter((id) => id !== facts)).toEqual([])
    for (const id of [
      'quote.report_data',
      'receipt.signature',
      'content.digest',
      'members.digests',
    ]) {
      expect(verdict.get(id), id).toBe('ok')
    }
  })

  test.each([
    ['adds a logit_bias', { addMembers: { logit_bias: { '5': 100 } } }, 'members.digests'],
    ['drops a member', { removeMembers: ['seed'] }, 'members.digests'],
    ['swaps the answer', { swapAnswer: 'Buy gold.' }, 'content.digest'],
    ['swaps the finish reason', { swapFinishReason: 'length' }, 'content.digest'],
  ])('catches a broker that %s', async (_, hostility, id) => {
    Object.assign(broker.hostile, hostility)
    const files = await through(chatBody('hello'))
    for (const name of Object.keys(hostility)) Reflect.deleteProperty(broker.hostile, name)
    expect(failed(check(files, '--view'))).toContain(id)
  })

  test.each([1, 2, 3])(
    'catches a broker that cuts a stream after event %i, with [DONE] or without',
    async (events) => {
      for (const cutWithDone of [false, true]) {
        Object.assign(broker.hostile, { cutAfterEvents: events, cutWithDone })
        const files = await through(chatBody('hello', { stream: true, max_tokens: 3 }))
        Object.assign(broker.hostile, { cutAfterEvents: undefined, cutWithDone: undefined })
        const verdict = check(files, '--view', '--allow-added', 'stream_options')
        expect(failed(verdict)).toContain('content.digest')
      }
    },
  )

  test('catches a broker that replays an old answer with its genuine receipt', async () => {
    await through(chatBody('what is the old price?'))
    broker.hostile.replay = 'last'
    const files = await through(chatBody('what is the new price?'))
    broker.hostile.replay = undefined
    expect(failed(check(files, '--view'))).toContain('members.digests')
  })
})
