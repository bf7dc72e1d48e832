/** Receipts that come inside answers: no second request, no false pass, no hang, and nothing that a reader would see. */
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { inlineComments } from '../../src/relay/inline-receipt.ts'
import type { VerifiedOptions } from '../../src/client/create-client.ts'
import { verified } from '../../src/client/verified.ts'
import { TOKENS } from '../harness/service.ts'
import { ASK, caught, openStage, readAll, user } from './client.helpers.ts'
import type { Stage, User } from './client.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  await stage.close()
})
afterEach(() => {
  stage.broker.hostile.dropRoute = undefined
})

const STREAMED = { ...ASK, stream: true as const }
const COMMENT = /: countersign-receipt \d+\/\d+ [\w-]+\n\n/
const DONE = 'data: [DONE]\n\n'

interface Counted {
  readonly me: User
  /** What was asked for, in order: `POST chat`, or the name of what was fetched. */
  readonly asked: string[]
}

interface Path {
  readonly via?: 'direct' | 'broker'
  readonly options?: VerifiedOptions
  /** Of streams. */
  readonly rewrite?: (text: string) => string
  /** Receipts cannot be fetched. */
  readonly hidden?: boolean
}

function counted({ via = 'direct', options = {}, rewrite, hidden = false }: Path = {}): Counted {
  const asked: string[] = []
  const me = user(stage, via, {
    ...options,
    fetch: async (input, init) => {
      const url = String(input)
      const posted = init?.method === 'POST'
      asked.push(posted ? 'POST' : (/attestation|signature/.exec(url)?.[0] ?? url))
      if (hidden && url.includes('/signature/')) return new Response(null, { status: 404 })
      const response = await fetch(input, init)
      const { status, headers } = response
      const streamed = headers.get('content-type')?.startsWith('text/event-stream') === true
      return posted && streamed && rewrite !== undefined
        ? new Response(rewrite(await response.text()), { status, headers })
        : response
    },
  })
  return { me, asked }
}

async function askBoth({ me }: Counted): Promise<void> {
  await me.openai.chat.completions.create(ASK)
  await readAll(await me.openai.chat.completions.create(STREAMED))
}

/** The body as the reader of the verified fetch gets it. */
async function readRaw(me: User): Promise<string> {
  const response = await me.fetch(`${me.base}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKENS.alice}`, 'content-type': 'application/json' },
    body: JSON.stringify(STREAMED),
  })
  return response.text()
}

describe('a receipt inside the answer', () => {
  test('saves the request for it, buffered and streamed, at the level that its bytes reach', async () => {
    const one = counted({ options: { level: 'bytes' } })
    await askBoth(one)
    expect(one.asked).toEqual(['attestation', 'POST', 'POST'])
    expect(one.me.verdicts).toMatchObject([
      { accepted: true, level: 'bytes', outcome: 'complete' },
      { accepted: true, level: 'bytes', outcome: 'complete' },
    ])
  })

  test('is not asked for where it is not wanted, and is fetched then', async () => {
    const one = counted({ options: { level: 'bytes', inline: false } })
    await askBoth(one)
    expect(one.asked).toEqual(['attestation', 'POST', 'signature', 'POST', 'signature'])
  })

  test('never reaches the reader, who gets what the service sent', async () => {
    for (const onFailure of ['throw', 'report'] as const) {
      const text = await readRaw(counted({ options: { onFailure } }).me)
      expect(text).not.toContain('countersign')
      expect(text.endsWith(`\n\n${DONE}`)).toBe(true)
    }
  })

  test('under a relay credential shows the content; who wants the bytes fetches them with its secret', async () => {
    const relayed = (path: Path) => {
      const { me, asked } = counted(path)
      const openai = new OpenAI({ baseURL: me.base, apiKey: TOKENS.broker, fetch: me.fetch })
      return { me: { ...me, openai }, asked }
    }
    const content = relayed({})
    await askBoth(content)
    expect(content.asked).toEqual(['attestation', 'POST', 'POST'])
    expect(content.me.verdicts.map(({ level }) => level)).toEqual(['content', 'content'])
    const bytes = relayed({ options: { level: 'bytes' } })
    await askBoth(bytes)
    expect(bytes.asked).toEqual(['attestation', 'POST', 'signature', 'POST', 'signature'])
    expect(bytes.me.verdicts.map(({ level }) => level)).toEqual(['bytes', 'bytes'])
  })

  test('through a broker that encodes answers anew and drops comments: content, the stream’s fetched', async () => {
    const one = counted({ via: 'broker' })
    await askBoth(one)
    expect(one.asked).toEqual(['attestation', 'POST', 'POST', 'signature'])
    expect(one.me.verdicts).toMatchObject([
      { accepted: true, level: 'content' },
      { accepted: true, level: 'content' },
    ])
  })

  test('with an error answer tells whose error it is', async () => {
    const one = counted()
    await expect(
      one.me.openai.chat.completions.create({ ...ASK, model: 'unknown' }),
    ).rejects.toThrow(/404/)
    expect(one.asked).toEqual(['attestation', 'POST'])
    expect(one.me.verdicts).toMatchObject([{ accepted: true, outcome: 'upstream_error' }])
  })

  test('of a service that has restarted is judged under what is attested now', async () => {
    const first = await openStage()
    const second = await openStage()
    let to = first.at.url
    const me = verified({
      policy: {
        ...first.policy,
        sgxRoots: [...(first.policy.sgxRoots ?? []), ...(second.policy.sgxRoots ?? [])],
        nvidiaRoots: [...(first.policy.nvidiaRoots ?? []), ...(second.policy.nvidiaRoots ?? [])],
      },
      fetch: (input, init) => fetch(String(input).replace(first.at.url, to), init),
    })
    const openai = new OpenAI({ baseURL: `${first.at.url}/v1`, apiKey: TOKENS.alice, fetch: me })
    await readAll(await openai.chat.completions.create(STREAMED))
    to = second.at.url
    await readAll(await openai.chat.completions.create(STREAMED))
    await first.close()
    await second.close()
  })
})

const commentOf = (text: string) => COMMENT.exec(text)?.[0] ?? ''
const without = (text: string) => text.replace(COMMENT, '')
const before = (text: string, place: string, more: string) =>
  text.replace(place, () => more + place)
const invented = String(inlineComments('{"api_version":"aci/1"}'))

/** What somebody on the way makes of the comment, the rest being left alone. */
const TAMPERING: readonly [string, (text: string) => string][] = [
  ['strips it', without],
  ['sends it twice', (text) => before(text, DONE, commentOf(text))],
  [
    'edits it',
    (text) => text.replace(COMMENT, (all) => all.replace(/[\w-]{8}\n\n$/, 'AAAAAAAA\n\n')),
  ],
  ['cuts it', (text) => text.replace(COMMENT, (all) => `${all.slice(0, 200)}\n\n`)],
  ['puts its own in its place', (text) => before(without(text), DONE, invented)],
  ['puts its own before it', (text) => invented + text],
  ['puts its own behind the terminator', (text) => text + invented],
  ['promises pieces that never come', (text) => text.replace(' 1/1 ', ' 1/2 ')],
  ['sends ten thousand', (text) => before(text, DONE, invented.repeat(10_000))],
  [
    'sends a line without end',
    (text) => text.replace(COMMENT, () => `: countersign-receipt 1/1 ${'A'.repeat(100_000)}\n\n`),
  ],
]

/** Others that change nothing at all of what it says. */
const HARMLESS: readonly [string, (text: string) => string][] = [
  ['moves it to the start', (text) => commentOf(text) + without(text)],
  ['moves it behind the terminator', (text) => without(text) + commentOf(text)],
  [
    'moves it into an event',
    (text) => without(text).replace('data: [DONE]\n', (all) => all + commentOf(text)),
  ],
  [
    'ends its lines in CRLF',
    (text) => text.replace(COMMENT, (all) => all.replaceAll('\n', '\r\n')),
  ],
  ['drops its blank line', (text) => text.replace(COMMENT, (all) => all.slice(0, -1))],
]

describe('somebody on the way who', () => {
  test.each(TAMPERING)('%s gains nothing: the receipt is fetched', async (name, rewrite) => {
    const one = counted({ rewrite })
    await readAll(await one.me.openai.chat.completions.create(STREAMED))
    expect(one.asked).toEqual(['attestation', 'POST', 'signature'])
    // A line that is too long for one of the service's is somebody else's comment, and so among the bytes.
    const level = name === 'sends a line without end' ? 'content' : 'bytes'
    expect(one.me.verdicts).toMatchObject([{ accepted: true, level }])
  })

  test('does so and hides the receipts is caught', async () => {
    const codes = TAMPERING.map(async ([, rewrite]) => {
      const { me } = counted({ rewrite, hidden: true })
      const stream = await me.openai.chat.completions.create(STREAMED)
      return (await caught(readAll(stream))).code
    })
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['receipt_unavailable']))
  })

  test.each(HARMLESS)('%s has changed nothing', async (_name, rewrite) => {
    const one = counted({ rewrite, hidden: true, options: { level: 'bytes' } })
    await readAll(await one.me.openai.chat.completions.create(STREAMED))
    expect(one.asked).toEqual(['attestation', 'POST'])
    expect(one.me.verdicts).toMatchObject([{ accepted: true, level: 'bytes' }])
  })

  test('changes a word and leaves the genuine receipt is caught', async () => {
    const { me } = counted({ rewrite: (text) => text.replace('"content":"', '"content":"not ') })
    const stream = await me.openai.chat.completions.create(STREAMED)
    expect((await caught(readAll(stream))).code).toBe('content_digest_mismatch')
  })

  test('shows the genuine receipt of another answer is caught', async () => {
    let other = ''
    const first = counted({
      rewrite: (text) => {
        other = commentOf(text)
        return text
      },
    })
    await readAll(await first.me.openai.chat.completions.create(STREAMED))
    expect(other).not.toBe('')
    const { me } = counted({ rewrite: (text) => text.replace(COMMENT, other), hidden: true })
    const stream = await me.openai.chat.completions.create(STREAMED)
    expect((await caught(readAll(stream))).code).toBe('receipt_unavailable')
  })

  test('hides a piece of the answer in a comment that is taken out is caught', async () => {
    const hide = (text: string) => {
      const [event = ''] = /data: \{"[^\n]*\n\n/.exec(text.slice(text.indexOf('\n\n') + 2)) ?? []
      return text.replace(
        event,
        `: countersign-receipt 1/1 ${Buffer.from(event).toString('base64url')}\n\n`,
      )
    }
    const { me } = counted({ rewrite: hide })
    const stream = await me.openai.chat.completions.create(STREAMED)
    expect((await caught(readAll(stream))).code).toBe('content_digest_mismatch')
  })

  test('changes the header of a buffered answer gains nothing', async () => {
    stage.broker.hostile.changeHeaders = { 'X-Countersign-Receipt': 'AAAA' }
    try {
      const one = counted({ via: 'broker' })
      await one.me.openai.chat.completions.create(ASK)
      expect(one.asked).toEqual(['attestation', 'POST', 'signature'])
      stage.broker.hostile.dropRoute = ['signature']
      const error = await caught(one.me.openai.chat.completions.create(ASK))
      expect(error.code).toBe('receipt_unavailable')
    } finally {
      stage.broker.hostile.changeHeaders = undefined
    }
  })
})
