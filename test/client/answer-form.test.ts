/** Answers in a form, and requests on a route, that the client would not look into. */
import { inspect } from 'node:util'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentOfChunks } from '../../attestation/protocol/chat-content.ts'
import { refuseRoute } from '../../src/client/judge-answer.ts'
import { VerificationError } from '../../src/client/verification-error.ts'
import { ASK, caught, openStage, readAll, rewriting, user } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { draftsOf, failing, written } from './reader-attacks.helpers.ts'
import type { Draft } from './reader-attacks.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  await stage.close()
})

const OTHER_FORM = { 'client.answer': 'answer_form_mismatch' }

describe('an answer in another form than was asked for', () => {
  /** The stream's words as one body: the same content digest. */
  const asBody = (text: string): string => {
    const drafts = draftsOf(text)
    const choice = contentOfChunks(drafts).content?.choices[0]
    const { content, role, finish_reason } = choice ?? {}
    const { id, model, created } = drafts[0] ?? {}
    const choices = [{ index: 0, message: { role, content }, finish_reason }]
    return JSON.stringify({ id, object: 'chat.completion', created, model, choices })
  }
  const asStream = (text: string): string => {
    const { choices, ...rest } = JSON.parse(text) as Draft
    const chunk = {
      ...rest,
      object: 'chat.completion.chunk',
      choices: choices.map(({ message, ...choice }) => ({ ...choice, delta: message ?? {} })),
    }
    return written([chunk])
  }
  const typed = (body: string | null, type: string, from: Response, status = 200) => {
    const headers = new Headers(from.headers)
    headers.set('content-type', type)
    return new Response(body, { status, headers })
  }

  test('a body in place of a stream, in which clients find no chunk and no error, is refused', async () => {
    const me = rewriting(stage, (text, from) => typed(asBody(text), 'application/json', from))
    expect(await failing(me, ASK, true)).toEqual(OTHER_FORM)
    expect(me.verdicts).toMatchObject([{ accepted: false, level: 'signer' }])
  })

  test('a stream in place of a body, which clients hand out as a text, is refused', async () => {
    const me = rewriting(stage, (text, from) => typed(asStream(text), 'text/event-stream', from))
    expect(await failing(me, ASK, false)).toEqual(OTHER_FORM)
  })

  test.each([
    ['text/plain', false],
    ['application/jsonl', false],
    ['application/json; charset=utf-16', false],
    ['application/json, text/event-stream', false],
    ['', false],
    ['text/event-stream-x', true],
    ['application/x-ndjson', true],
  ])('the genuine answer declared as "%s" is refused', async (type, stream) => {
    const me = rewriting(stage, (text, from) => typed(text, type, from))
    expect(await failing(me, ASK, stream)).toEqual(OTHER_FORM)
  })

  test.each([
    ['application/json; charset=utf-8', false],
    ['Application/JSON', false],
    ['text/event-stream;charset="UTF-8"', true],
  ])('and declared as "%s" it is not', async (type, stream) => {
    const me = rewriting(stage, (text, from) => typed(text, type, from))
    if (stream) await readAll(await me.openai.chat.completions.create({ ...ASK, stream }))
    else await me.openai.chat.completions.create(ASK)
    expect(me.verdicts).toMatchObject([{ accepted: true, level: 'bytes' }])
  })

  test.each([true, false])('no content at all is refused (stream: %s)', async (stream) => {
    const me = rewriting(stage, (_, from) => typed(null, 'application/json', from, 204))
    expect(await failing(me, ASK, stream)).toEqual({
      ...OTHER_FORM,
      'receipt.status': 'status_mismatch',
    })
  })

  test('an empty body is not handed out as an answer of nothing', async () => {
    const me = rewriting(stage, (_, from) => {
      const empty = typed('', 'application/json', from)
      empty.headers.set('content-length', '0')
      return empty
    })
    expect(await failing(me, ASK, false)).toMatchObject({
      'receipt.content': 'content_digest_mismatch',
    })
  })

  test('is reported and handed out as it came where reports are asked for', async () => {
    const me = rewriting(stage, (text, from) => typed(asBody(text), 'application/json', from), {
      onFailure: 'report',
    })
    const response = await me.fetch(`${me.base}/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer alice-token-0123456789' },
      body: JSON.stringify({ ...ASK, stream: true }),
    })
    expect(await response.json()).toMatchObject({ object: 'chat.completion' })
    expect(me.verdicts).toMatchObject([{ accepted: false, code: 'answer_form_mismatch' }])
  })
})

describe('a request whose answer nobody vouches for', () => {
  /** A client whose every request but the attestation would be answered with a lie. */
  function lying(options: Parameters<typeof user>[2] = {}) {
    const sent: string[] = []
    const me = user(stage, 'direct', {
      ...options,
      fetch: (input) => {
        sent.push(String(input))
        return Promise.resolve(Response.json({ object: 'list', data: [], output: [] }))
      },
    })
    const openai = new OpenAI({ baseURL: me.base, apiKey: 'x', fetch: me.fetch, maxRetries: 0 })
    return { sent, me, openai }
  }

  test.each<[string, (openai: OpenAI) => Promise<unknown>]>([
    ['moderations', (openai) => openai.moderations.create({ model: 'm', input: 'hi' })],
    ['a response that is called off', (openai) => openai.responses.cancel('resp_1')],
    ['speech', (openai) => openai.audio.speech.create({ model: 'm', input: 'hi', voice: 'x' })],
    ['a stored completion that is deleted', (openai) => openai.chat.completions.delete('x')],
  ])('(%s) is refused before anything is sent', async (_name, act) => {
    for (const onFailure of ['throw', 'report'] as const) {
      const { sent, me, openai } = lying({ onFailure })
      expect(await caught(act(openai))).toMatchObject({
        code: 'route_unverified',
        verdict: { accepted: false, level: 'none' },
      })
      expect([sent, me.verdicts]).toEqual([[], []])
    }
  })

  test('an uncaught error prints no list of checks, and still has its verdict', () => {
    const error = new VerificationError(refuseRoute('http://h/v1/x'))
    expect(inspect(error)).not.toContain('checks')
    expect(JSON.stringify(error)).not.toContain('checks')
    expect(error.verdict.checks).toHaveLength(1)
  })

  test.each([
    '/chat/completions/',
    '/Chat/Completions',
    '/chat/completions/x',
    '/chat%2fcompletions',
  ])('but nearly (%s) is refused', async (path) => {
    const { sent, me } = lying()
    const url = `${me.base}${path}`
    await caught(me.fetch(url, { method: 'post', body: '{}' }))
    await caught(me.fetch(new Request(url, { method: 'PUT', body: '{}' })))
    expect(sent).toEqual([])
  })

  test('passes where that is asked for, and reads always do', async () => {
    const { sent, me, openai } = lying({ otherRequests: 'pass' })
    await openai.moderations.create({ model: 'm', input: 'hi' })
    expect(sent).toEqual([`${me.base}/moderations`])
    const strict = lying()
    await strict.me.fetch(`${me.base}/models`)
    await strict.me.fetch(new URL(`${me.base}/models`), { method: 'head' })
    expect(strict.sent).toHaveLength(2)
  })
})
