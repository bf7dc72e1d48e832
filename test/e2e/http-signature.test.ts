/** Digests and signatures of answers on request, held against other people's tools. */
import { spawnSync } from 'node:child_process'
import { createHash, createPublicKey, randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { createVerifier, httpbis } from 'http-message-signatures'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { MAX_SIGNED_BODY_BYTES } from '../../attestation/protocol/http-signature.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'
import type { Reply } from '../harness/zg-upstream.ts'

let at: TestService
let keyId: string
let publicKey: string
beforeAll(async () => {
  at = await startTestService({ gpus: 1 })
  const { keyset } = jsonObject((await get(at, '/attestation')).body)
  const keys = isJsonObject(keyset) ? keyset['receipt_signing_keys'] : null
  for (const key of Array.isArray(keys) ? keys : []) {
    if (!isJsonObject(key) || key['algo'] !== 'countersign-http-ed25519') continue
    keyId = String(key['key_id'])
    publicKey = String(key['public_key'])
  }
})
afterAll(() => at.close())

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('base64')
const digestOf = (bytes: Uint8Array | string) => `sha-256=:${sha256(bytes)}:`
const FIVE = '"@status" "content-digest" "x-receipt-id" "@method";req "@path";req'
const SIX = `${FIVE} "content-digest";req`
const TAG = 'tag="countersign.http.v1"'
const BODY = chatBody('hello')
const SIGNATURE_HEADERS = ['content-digest', 'signature', 'signature-input']

type Fields = readonly (readonly [string, string])[]
const wish = (text: string): Fields => [['accept-signature', text]]
const ours = (reply: Reply) => SIGNATURE_HEADERS.filter((name) => reply.headers[name] !== undefined)

/** By the package http-message-signatures, which reads the answer as its users do. */
async function stock(
  reply: Reply,
  sent: { path: string; headers: Record<string, string> },
): Promise<boolean | null> {
  const spki = Buffer.from(`302a300506032b6570032100${publicKey}`, 'hex')
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const headers = Object.fromEntries(
    Object.entries(reply.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    ),
  )
  return httpbis.verifyMessage(
    {
      keyLookup: ({ keyid }) =>
        Promise.resolve(
          keyid === keyId
            ? { id: keyId, algs: ['ed25519'], verify: createVerifier(key, 'ed25519') }
            : null,
        ),
      requiredFields: ['@status', 'content-digest', 'x-receipt-id', '@method', '@path'],
      requiredParams: ['created', 'keyid', 'nonce', 'tag'],
      tolerance: 5,
    },
    { status: reply.status, headers },
    { method: 'POST', url: `http://service.example${sent.path}`, headers: sent.headers },
  )
}

const LACKS =
  (
    [
      ['python3', '--version'],
      ['openssl', 'version'],
    ] as const
  ).find(([name, flag]) => spawnSync(name, [flag]).status !== 0)?.[0] ?? null
if (LACKS !== null) console.warn(`SKIPPED: no ${LACKS} here, no stranger checks HTTP signatures`)
const SCRIPT = fileURLToPath(new URL('../stranger/http_signature.py', import.meta.url))

interface Question {
  readonly request: { method: string; target: string; headers: Record<string, string> }
  readonly response: { status: number; headers: object; body: string }
  readonly key: string
  readonly parameters: Record<string, string>
}

function askStranger(questions: readonly Question[]): unknown {
  const run = spawnSync('python3', [SCRIPT], { input: JSON.stringify(questions), timeout: 30_000 })
  expect(run.stderr.toString()).toBe('')
  return JSON.parse(run.stdout.toString())
}

async function signedChat(
  path = '/v1/chat/completions',
  body: string = BODY,
  who: 'alice' | 'broker' = 'alice',
) {
  const nonce = randomBytes(16).toString('base64url')
  const sent = { 'content-digest': digestOf(body) }
  const reply = await chat(at, body, {
    path,
    who,
    headers: [
      ['content-digest', sent['content-digest']],
      [
        'accept-signature',
        `sig1=(${SIX});created;nonce="${nonce}";keyid="${keyId}";alg="ed25519";${TAG}`,
      ],
    ],
  })
  return { reply, nonce, sent }
}

describe('an answer whose signature was asked for', () => {
  test.each([
    ['a chat', '/v1/chat/completions', BODY, 200],
    ['a chat below /v1/proxy', '/v1/proxy/chat/completions', BODY, 200],
    ['embeddings', '/v1/embeddings', JSON.stringify({ model: 'demo/words', input: 'x' }), 200],
    [
      'an error of the model server',
      '/v1/chat/completions',
      chatBody('x', { model: 'unknown' }),
      404,
    ],
    ['a refusal of our own', '/v1/chat/completions', '[]', 400],
  ])(
    '%s: verifies for the stock library, and for Python with openssl',
    async (_name, path, body, status) => {
      const { reply, nonce, sent } = await signedChat(path, body)
      expect(reply.status).toBe(status)
      expect(header(reply, 'content-digest')).toBe(digestOf(reply.body))
      expect(header(reply, 'signature-input')).toMatch(
        new RegExp(
          `^sig1=\\(${SIX}\\);created=\\d+;keyid="${keyId}";alg="ed25519";nonce="${nonce}";${TAG}$`,
        ),
      )
      expect(await stock(reply, { path, headers: sent })).toBe(true)
      expect(await stock(reply, { path: `${path}x`, headers: sent })).toBe(false)
      const changed = { ...reply, headers: { ...reply.headers, 'x-receipt-id': 'rcpt-0' } }
      expect(await stock(changed, { path, headers: sent })).toBe(false)
      if (LACKS !== null) return
      const question = (changes: object = {}): Question => ({
        request: { method: 'POST', target: `${path}?x=1`, headers: sent },
        response: {
          status: reply.status,
          headers: reply.headers,
          body: reply.body.toString('base64'),
          ...changes,
        },
        key: publicKey,
        parameters: { nonce, keyid: keyId, tag: 'countersign.http.v1', alg: 'ed25519' },
      })
      expect(
        askStranger([question(), question({ status: 599 }), question({ body: 'AAAA' })]),
      ).toEqual([[], ['not signed'], ['content-digest']])
    },
  )

  test('has no less where the rest is asked for, too: expires, another label, no digest of the request', async () => {
    const reply = await chat(at, BODY, {
      headers: wish(`a*b.c=(${FIVE});expires;created;nonce="n"`),
    })
    const input = /^a\*b\.c=\((.*)\);created=(\d+);expires=(\d+);keyid="[^"]+";nonce="n";tag=/.exec(
      header(reply, 'signature-input'),
    )
    expect(input?.[1]).toBe(FIVE)
    expect(Number(input?.[3]) - Number(input?.[2])).toBe(300)
    expect(await stock(reply, { path: '/v1/chat/completions', headers: {} })).toBe(true)
  })

  test('gets the first wish that can be satisfied, and no other', async () => {
    const reply = await chat(at, BODY, {
      headers: wish(
        `a=("date");created, b=(${SIX});created, c=(${FIVE});nonce="1", d=(${FIVE});nonce="2"`,
      ),
    })
    expect(header(reply, 'signature-input')).toMatch(/^c=/)
    expect(header(reply, 'signature')).toMatch(/^c=:[A-Za-z0-9+/]{86}==:$/)
  })

  test.each([
    ['that is unreadable', 'sig1=((('],
    ['that is no list', 'sig1=1'],
    ['without a component', 'sig1=();created'],
    ['without the status', `sig1=(${FIVE.replace('"@status" ', '')});created`],
    ['for a component there is not', `sig1=(${FIVE} "date");created`],
    ['for the status of the request', `sig1=(${FIVE} "@status";req);created`],
    ['for a component twice', `sig1=(${FIVE} "@status");created`],
    ['for a digest that the request lacks', `sig1=(${SIX});created`],
    ['of another key', `sig1=(${FIVE});keyid="mine"`],
    ['for another purpose', `sig1=(${FIVE});tag="web-bot-auth"`],
    ['by another algorithm', `sig1=(${FIVE});alg="hmac-sha256"`],
    ['at a time of the client’s choice', `sig1=(${FIVE});created=1`],
    ['with a parameter nobody knows', `sig1=(${FIVE});created;x=1`],
    ['with an empty nonce', `sig1=(${FIVE});nonce=""`],
    ['with a nonce that is too long', `sig1=(${FIVE});nonce="${'n'.repeat(257)}"`],
    [
      'behind eight others',
      `${Array.from({ length: 8 }, (_, i) => `a${String(i)}=()`).join(', ')}, sig1=(${FIVE})`,
    ],
    ['that is too long', `sig1=(${FIVE})${', a=1'.repeat(1000)}`],
  ])('gets none for a wish %s, and no error', async (_name, text) => {
    const reply = await chat(at, BODY, { headers: wish(text) })
    expect([reply.status, ours(reply)]).toEqual([200, []])
  })

  test('gets none over a request whose body is not the one of its digest', async () => {
    for (const digest of [digestOf('other'), 'sha-512=:AAAA:', 'sha-256=1', '(((', '']) {
      const reply = await chat(at, BODY, {
        headers: [['content-digest', digest], ...wish(`sig1=(${SIX});created`)],
      })
      expect([reply.status, ours(reply)], digest).toEqual([200, []])
    }
  })

  test('cannot put anything of its own under the signature', async () => {
    const nonce = '\\"@status\\": 599;tag=\\"x\\"\\\\'
    const reply = await chat(at, BODY, { headers: wish(`sig1=(${FIVE});nonce="${nonce}"`) })
    expect(header(reply, 'signature-input')).toContain(`;nonce="${nonce}";`)
    expect(await stock(reply, { path: '/v1/chat/completions', headers: {} })).toBe(true)
    // What the client says of itself is not taken for what the service says.
    const echo = await chat(at, BODY, {
      headers: [
        ['signature', 'sig1=:AAAA:'],
        ['signature-input', 'sig1=()'],
        ['content-digest', digestOf('x')],
      ],
    })
    expect(ours(echo)).toEqual([])
  })

  test('gets none with a stream, and none with a body above 8 MiB', async () => {
    const headers: Fields = [
      ['want-content-digest', 'sha-256=1'],
      ...wish(`sig1=(${FIVE});created`),
    ]
    const streamed = await chat(at, chatBody('x', { stream: true }), { headers })
    expect([streamed.status, ours(streamed)]).toEqual([200, []])
    let size = MAX_SIGNED_BODY_BYTES
    const upstream = await startUpstream((_seen, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(`"${'x'.repeat(size - 2)}"`)
    })
    const large = await startTestService({ upstreams: [{ name: 'large', url: upstream.url }] })
    expect(ours(await chat(large, BODY, { headers }))).toEqual(SIGNATURE_HEADERS)
    size++
    expect(ours(await chat(large, BODY, { headers }))).toEqual([])
    await large.close()
    await upstream.close()
  })

  test('has one that no receipt is named for twice: two answers, two nonces, two signatures', async () => {
    const [one, two] = await Promise.all([signedChat(), signedChat()])
    const crossed = {
      ...two.reply,
      headers: {
        ...two.reply.headers,
        signature: one.reply.headers['signature'],
        'signature-input': one.reply.headers['signature-input'],
      },
    }
    expect(await stock(crossed, { path: '/v1/chat/completions', headers: two.sent })).toBe(false)
  })
})

describe('an answer whose digest was asked for', () => {
  test.each([
    ['sha-256=1', true],
    ['sha-256=10, sha-512=3', true],
    ['sha-512=3, sha-256=1;x', true],
    ['sha-256=0', false],
    ['sha-256=11', false],
    ['sha-256=0.5', false],
    ['sha-256', false],
    ['sha-512=1', false],
    ['sha-256=1, ((', false],
    ['', false],
  ])('by %s', async (text, wanted) => {
    const reply = await chat(at, BODY, { headers: [['want-content-digest', text]] })
    expect(ours(reply)).toEqual(wanted ? ['content-digest'] : [])
    if (wanted) expect(header(reply, 'content-digest')).toBe(digestOf(reply.body))
  })

  test('and nobody else’s', async () => {
    expect(ours(await chat(at, BODY))).toEqual([])
    expect(ours(await chat(at, BODY, { headers: [['x-countersign-inline', 'receipt']] }))).toEqual(
      [],
    )
  })
})
