/** Answers that an intermediary wrote anew on their way to the verified fetch, with not a byte of the enclave's left. */
import { expect } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { MODEL, TOKENS } from '../harness/service.ts'
import { rewriting } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'

export type Members = Record<string, unknown>
/** Event name, null for none, and data. */
export type Event = [string | null, Members]

export function eventsOf(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((block) => block.includes('data: '))
    .map((block) => {
      const name = /^event: (.*)$/m.exec(block)?.[1] ?? null
      return [name, JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? '{}') as Members]
    })
}

export function textOf(events: readonly Event[]): string {
  return events
    .map(([name, data]) => {
      const head = name === null ? '' : `event: ${name}\n`
      // Spaced, so that no byte is the enclave's.
      return `${head}data: ${JSON.stringify(data).replaceAll('":', '": ')}\n\n`
    })
    .join('')
}

export const ASKS: Readonly<Record<string, object>> = {
  '/messages': {
    max_tokens: 200,
    messages: [{ role: 'user', content: '[[reasoning]] [[tool]]' }],
    tools: [{ name: 'weather', input_schema: { properties: { city: { type: 'string' } } } }],
  },
  '/responses': { input: '[[reasoning]] hello' },
  '/completions': { prompt: ['a', 'b'], max_tokens: 50 },
  '/embeddings': { input: ['a', 'b'], encoding_format: 'float' },
}

async function asked(
  stage: Stage,
  path: string,
  rewrite: (text: string) => string,
  more: object = {},
): Promise<{ readonly accepted: boolean; readonly code: string; readonly level: string }> {
  const me = rewriting(stage, (text) => rewrite(text))
  const response = await me.fetch(`${me.base}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${TOKENS.alice}`,
    },
    body: JSON.stringify({ model: MODEL, temperature: 0, ...ASKS[path], ...more }),
  })
  const handed = await response.text().then(
    () => true,
    () => false,
  )
  const { accepted, code, level } = await me.verdict()
  expect(handed).toBe(accepted)
  return { accepted, code, level }
}

export const streamed = (
  stage: Stage,
  path: string,
  change: (events: Event[]) => Event[] | undefined,
) =>
  asked(
    stage,
    path,
    (text) => {
      const events = eventsOf(text)
      return textOf(change(events) ?? events)
    },
    { stream: true },
  )

export const whole = (
  stage: Stage,
  path: string,
  change: (answer: Members) => Members | undefined,
  more: object = {},
) =>
  asked(
    stage,
    path,
    (text) => {
      const answer = JSON.parse(text) as Members
      return JSON.stringify(change(answer) ?? answer, null, 1)
    },
    more,
  )

export const at = (events: readonly Event[], type: string, from = 0) =>
  events.findIndex(([, data], i) => i >= from && data['type'] === type)

export function dataOf(event: Event | undefined): Members {
  if (event === undefined) throw new Error('no such event')
  return event[1]
}
export function object(value: unknown): JsonObject & Members {
  if (!isJsonObject(value)) throw new Error('not an object')
  return value
}
export function items(value: unknown): Members[] {
  if (!Array.isArray(value)) throw new Error('not a list')
  return value as Members[]
}
