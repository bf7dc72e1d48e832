/**
 * The same vectors through other people's readers: what OpenAI's and Anthropic's packages make of an answer, whole or put together from
 * its events, and what a broker that re-serialises everything hands on, has the digest that the receipt states.
 */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { contentDigest } from '../../attestation/protocol/content.ts'
import { contentOfBody } from '../../attestation/protocol/content-kinds.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { answerDigest } from '../../src/client/answer-digest.ts'
import { AnswerEvents } from '../../src/client/answer-events.ts'
import { EventStream } from '../../src/demo/broker/event-stream.ts'
import { sanitizeJson } from '../../src/demo/broker/sanitize.ts'
import { CONTENT_VECTORS } from './content.helpers.ts'
import type { ContentVector, Framing } from './content.helpers.ts'

const ENDPOINTS: Readonly<Record<ContentVector['kind'], string>> = {
  'chat/v1': '/v1/chat/completions',
  'text/v1': '/v1/completions',
  'messages/v1': '/v1/messages',
  'responses/v1': '/v1/responses',
  'embeddings/v1': '/v1/embeddings',
}
const KEY = { apiKey: 'none', maxRetries: 0 } as const
const ASK = { model: 'demo', messages: [{ role: 'user' as const, content: 'x' }] }

/** A service that answers with these bytes. */
function answering({ form, pieces }: Framing): typeof fetch {
  const type = form === 'stream' ? 'text/event-stream' : 'application/json'
  return () =>
    Promise.resolve(
      new Response(
        new ReadableStream({
          start(controller) {
            for (const piece of pieces) controller.enqueue(piece)
            controller.close()
          },
        }),
        { headers: { 'content-type': type } },
      ),
    )
}

/** The object that the package of an API's maker hands to its user; null where it has none for this kind. */
function sdkObject({ kind }: ContentVector, framing: Framing): Promise<unknown> | null {
  const fetch = answering(framing)
  const openai = new OpenAI({ ...KEY, baseURL: 'http://127.0.0.1/v1', fetch })
  const anthropic = new Anthropic({ ...KEY, baseURL: 'http://127.0.0.1', fetch })
  const streamed = framing.form === 'stream'
  switch (kind) {
    case 'chat/v1':
      return streamed
        ? openai.chat.completions.stream(ASK).finalChatCompletion()
        : openai.chat.completions.create(ASK)
    case 'text/v1':
      return streamed ? null : openai.completions.create({ model: 'demo', prompt: 'x' })
    case 'messages/v1':
      return streamed
        ? anthropic.messages.stream({ ...ASK, max_tokens: 1 }).finalMessage()
        : anthropic.messages.create({ ...ASK, max_tokens: 1 })
    case 'responses/v1':
      return streamed
        ? openai.responses.stream({ model: 'demo', input: 'x' }).finalResponse()
        : openai.responses.create({ model: 'demo', input: 'x' })
    case 'embeddings/v1':
      return streamed
        ? null
        : openai.embeddings.create({ model: 'demo', input: 'x', encoding_format: 'float' })
  }
}

const CONTEXT = () => ({ newId: 'chatcmpl-broker', hostile: {}, started: new Set<string>() })

/** As a broker hands it on. */
function brokered({ form, pieces, bytes }: Framing): Buffer {
  if (form === 'body') return sanitizeJson(bytes, CONTEXT())
  const stream = new EventStream(CONTEXT())
  const parts = [...pieces.map((piece) => stream.push(piece)), stream.end()]
  return Buffer.concat(parts.map(({ whole }) => whole))
}

/** As the verified fetch reads it; null where it hands nothing of it out. */
function digestOf({ kind, opening }: ContentVector, { form }: Framing, bytes: Buffer) {
  const events = new AnswerEvents(kind, nodeCrypto)
  if (form === 'stream') {
    events.push(bytes)
    events.end()
  }
  const { content } =
    form === 'stream'
      ? events.content()
      : contentOfBody(kind, JSON.parse(bytes.toString()), nodeCrypto)
  const digest = content === null ? null : contentDigest(content, opening, nodeCrypto)
  return { digest, fault: events.fault, plain: events.plain }
}

async function digestOfObject({ kind, opening }: ContentVector, object: Promise<unknown>) {
  return answerDigest({ endpoint: ENDPOINTS[kind], answer: await object }, toHex(opening)).digest
}

const NO_ROLE = "OpenAI's stream helper throws where no delta states a role"
const NO_PART = "OpenAI's stream helper throws at a delta of a part that was not announced"
/** Streams of which the maker's package makes something else, or nothing, and what that is. The list has no others. */
const READ_OTHERWISE: Readonly<Record<string, string>> = {
  'chat-choices-shuffled': NO_ROLE,
  'chat-choices-sparse': NO_ROLE,
  'chat-delta-absent': NO_ROLE,
  'chat-empty': NO_ROLE,
  'chat-escapes': NO_ROLE,
  'chat-index-spellings': NO_ROLE,
  'chat-partial': NO_ROLE,
  'chat-partial-proto': NO_ROLE,
  'chat-reasoning-both': NO_ROLE,
  'chat-repeated-names': NO_ROLE,
  'chat-split-pair': NO_ROLE,
  'chat-tools-empty-arguments': NO_ROLE,
  'chat-tools-interleaved': NO_ROLE,
  'chat-tools-late-id': NO_ROLE,
  'chat-tools-bare': 'it throws at a call without a type',
  'chat-role': 'it throws at another role than assistant',
  'chat-unfinished': 'it throws where a choice has no finish reason',
  'chat-reasoning': 'it keeps the last piece of members that are not of its API',
  'chat-reasoning-content': 'it keeps the last piece of members that are not of its API',
  'messages-blocks': "Anthropic's keeps blocks in order of arrival",
  'messages-after-stop': "Anthropic's reads on after message_stop",
  'responses-after-end': "OpenAI's takes the last terminator",
  'responses-empty-end': "OpenAI's takes the output that the terminator states, which is none",
  'responses-end-only': 'it throws at an item that was not announced',
  'responses-partial-event': 'it throws at an event of an item that was not announced',
  'responses-reasoning': NO_PART,
  'responses-refusal': NO_PART,
  'responses-shuffled': 'it throws at an item that is not the next one',
}

/** A broker that decodes JSON with Go writes U+FFFD for half a surrogate pair (encoding/json, `unquote`). */
const BROKEN_BY_GO = new Set(['chat-split-pair'])

const PLAIN = /^(?:body|stream|spelling)(?: \d)?(?:, in pieces of \d bytes)?$/
const CASES = CONTENT_VECTORS.filter(({ expected }) => expected.digest !== null).flatMap((vector) =>
  vector.framings
    .filter(({ name }) => PLAIN.test(name))
    .map((framing) => [`${vector.name}, ${framing.name}`, vector, framing] as const),
)

test.each(CASES)('%s: through a broker that re-serialises', (_name, vector, framing) => {
  const { digest, fault } = digestOf(vector, framing, brokered(framing))
  if (BROKEN_BY_GO.has(vector.name) && framing.form === 'stream') {
    expect(digest).not.toBe(vector.expected.digest)
  } else if (fault === null) expect(digest).toBe(vector.expected.digest)
  // Nothing of it is handed out.
  else expect(fault).toMatch(/^stream_/)
})

test.each(CASES)("%s: as its maker's package reads it", async (_name, vector, framing) => {
  const object = sdkObject(vector, framing)
  if (object === null) return
  const { digest } = vector.expected
  if (framing.form === 'body' || !Object.hasOwn(READ_OTHERWISE, vector.name)) {
    expect(await digestOfObject(vector, object)).toBe(digest)
    return
  }
  const other = await differs(vector, object)
  read.set(vector.name, other || read.get(vector.name) === true)
})

/** Vectors of the list, and whether one of their streams was read otherwise. */
const read = new Map<string, boolean>()

function differs(vector: ContentVector, object: Promise<unknown>): Promise<boolean> {
  return digestOfObject(vector, object).then(
    (digest) => digest !== vector.expected.digest,
    () => true,
  )
}

test('what is listed as read otherwise is', () => {
  expect(Object.fromEntries(read)).toEqual(
    Object.fromEntries(Object.keys(READ_OTHERWISE).map((name) => [name, true])),
  )
})

/** It throws, or says less; a reader can be led to nothing by that. */
const HARMLESS = /throws|keeps the last piece/

test.each(
  CASES.filter(
    ([, { name }, { form }]) =>
      form === 'stream' && !HARMLESS.test(READ_OTHERWISE[name] ?? 'throws'),
  ),
)('%s: what a package reads otherwise is not let through', (_name, vector, framing) => {
  const { fault, plain } = digestOf(vector, framing, framing.bytes)
  expect([fault, plain]).not.toEqual([null, true])
})
