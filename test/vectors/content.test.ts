/**
 * The vectors of content under the code that makes receipts and under the code that checks answers. What they expect comes from a hand
 * and from an implementation in another language (`content/generate.py`).
 */
import { describe, expect, test } from 'vitest'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { ContentSummary } from '../../attestation/protocol/content.ts'
import { contentOfBody } from '../../attestation/protocol/content-kinds.ts'
import { canonicalize } from '../../attestation/protocol/jcs.ts'
import { parseJson } from '../../attestation/protocol/json.ts'
import { attestContent } from '../../enclave/receipts/attest-content.ts'
import { AnswerEvents } from '../../src/client/answer-events.ts'
import { createObserver } from '../../src/relay/answer-observer.ts'
import { RELAY_ROUTES } from '../../src/relay/relay-routes.ts'
import { CONTENT_VECTORS } from './content.helpers.ts'
import type { ContentVector, Framing } from './content.helpers.ts'

const MAX_LINE = 1024 * 1024

/** What a record states of a content, in the vector's own terms. */
function attested(summary: ContentSummary, { opening }: ContentVector): ContentVector['expected'] {
  const [node, noble] = [nodeCrypto, nobleCrypto].map((crypto) =>
    attestContent(summary, opening, crypto),
  )
  expect(noble).toEqual(node)
  const { digest = null, status = '', uncovered = [] } = node ?? {}
  const text = digest === null || summary.content === null ? null : canonicalize(summary.content)
  return { status, uncovered, text, digest }
}

/** As the relay reads an answer on its way. */
function relayed({ kind }: ContentVector, { form, pieces, bytes }: Framing): ContentSummary {
  const route = RELAY_ROUTES.find((each) => each.kind === kind)
  if (route === undefined) throw new Error(`no route answers with ${kind}`)
  const observer = createObserver(route, 1, MAX_LINE)
  if (form === 'body') observer.body(bytes)
  else for (const piece of pieces) observer.stream(piece)
  return observer.facts().content
}

/** As the verified fetch reads one; null where it takes no part of it, because readers could differ. */
function received(
  { kind }: ContentVector,
  { form, pieces, bytes }: Framing,
): ContentSummary | null {
  if (form === 'body') {
    const parsed = parseJson(bytes)
    return parsed.ok ? contentOfBody(kind, parsed.value, nodeCrypto) : null
  }
  const events = new AnswerEvents(kind, nodeCrypto)
  for (const piece of pieces) events.push(piece)
  events.end()
  return events.fault === null ? events.content() : null
}

/** Vectors of which the verified fetch refuses a framing. */
const refused = new Set<string>()

describe.each(CONTENT_VECTORS.map((vector) => [vector.name, vector] as const))(
  '%s',
  (_name, vector) => {
    test.each(vector.framings.map((framing) => [framing.name, framing] as const))(
      '%s',
      (_framing, framing) => {
        expect(attested(relayed(vector, framing), vector)).toEqual(vector.expected)
        const client = received(vector, framing)
        if (client === null) refused.add(vector.name)
        else expect(attested(client, vector)).toEqual(vector.expected)
      },
    )
  },
)

test('the verified fetch takes every framing but those that readers take in different ways', () => {
  expect([...refused].toSorted()).toEqual([
    ...['chat-after-done', 'chat-broken-utf8', 'chat-cut-event', 'chat-lone-surrogate'],
    ...['chat-lone-surrogate-named', 'chat-partial-long', 'chat-repeated-names', 'chat-split-pair'],
    ...['chat-sse', 'embeddings-none-overflow', 'embeddings-none-stream', 'messages-after-stop'],
    ...['messages-input-repeated', 'messages-input-unspeakable', 'responses-after-end'],
  ])
})
