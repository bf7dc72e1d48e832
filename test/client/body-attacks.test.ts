/** Bodies of the other APIs that an intermediary wrote anew, in ways that a reader could take otherwise. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStage } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { items, whole } from './kind-attacks.helpers.ts'
import type { Members } from './kind-attacks.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage.close())

describe('bodies that a reader could take otherwise', () => {
  test('vectors: a number, their order, the other encoding, one more', async () => {
    const changes: readonly ((answer: Members) => Members)[] = [
      (answer) => ({
        ...answer,
        data: items(answer['data']).map((entry, i) =>
          i === 0 ? { ...entry, embedding: [...items(entry['embedding'])].reverse() } : entry,
        ),
      }),
      (answer) => ({ ...answer, data: items(answer['data']).reverse() }),
      (answer) => ({ ...answer, data: items(answer['data']).slice(1) }),
      (answer) => ({ ...answer, model: 'other' }),
    ]
    for (const change of changes) {
      expect(await whole(stage, '/embeddings', change)).toMatchObject({ accepted: false })
    }
    const numbers = (answer: Members) => ({
      ...answer,
      data: items(answer['data']).map((entry) => {
        const bytes = Buffer.from(String(entry['embedding']), 'base64')
        const values = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4))
        return { ...entry, embedding: values }
      }),
    })
    const asBase64 = { encoding_format: 'base64' }
    expect(await whole(stage, '/embeddings', numbers, asBase64)).toMatchObject({
      accepted: false,
      code: 'answer_ambiguous',
    })
  })

  test('completions: a text, the order of choices, a reason', async () => {
    const each = (change: (choices: Members[]) => Members[]) => (answer: Members) => ({
      ...answer,
      choices: change(items(answer['choices'])),
    })
    for (const change of [
      each((choices) => choices.map((choice) => ({ ...choice, text: 'other' }))),
      each((choices) => choices.reverse()),
      each((choices) => choices.map((choice) => ({ ...choice, finish_reason: 'length' }))),
      each((choices) => choices.map((choice) => ({ ...choice, note: 'read me' }))),
    ]) {
      expect(await whole(stage, '/completions', change)).toMatchObject({ accepted: false })
    }
  })

  test('messages and responses: a block, a status, a member beside', async () => {
    for (const change of [
      (answer: Members) => ({ ...answer, content: items(answer['content']).slice(1) }),
      (answer: Members) => ({ ...answer, stop_reason: 'end_turn' }),
      (answer: Members) => ({ ...answer, type: 'other' }),
    ]) {
      expect(await whole(stage, '/messages', change)).toMatchObject({ accepted: false })
    }
    for (const change of [
      (answer: Members) => ({ ...answer, status: 'incomplete' }),
      (answer: Members) => ({ ...answer, output_text: 'other' }),
      (answer: Members) => ({ ...answer, type: 'response.completed', response: answer }),
      (answer: Members) => ({
        ...answer,
        output: items(answer['output']).map((item) => ({ ...item, status: 'incomplete' })),
      }),
    ]) {
      expect(await whole(stage, '/responses', change)).toMatchObject({ accepted: false })
    }
  })
})
