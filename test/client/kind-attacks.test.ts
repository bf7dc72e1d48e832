/** Streams and bodies of the other APIs that an intermediary wrote anew: what says the same passes, what a reader could take otherwise does not. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { openStage } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { ASKS, at, dataOf, items, object, streamed, whole } from './kind-attacks.helpers.ts'
import type { Event } from './kind-attacks.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage.close())

describe('what says the same passes', () => {
  test.each(Object.keys(ASKS))('%s, written anew', async (path) => {
    expect(await whole(stage, path, () => undefined)).toMatchObject({
      accepted: true,
      level: 'content',
    })
  })

  test.each(['/messages', '/responses'])('%s, streamed with another id', async (path) => {
    const verdict = await streamed(stage, path, (events) => {
      for (const [, data] of events) {
        for (const carrier of ['message', 'response']) {
          if (isJsonObject(data[carrier])) data[carrier] = { ...data[carrier], id: 'other' }
        }
      }
      return events
    })
    expect(verdict).toMatchObject({ accepted: true, level: 'content' })
  })

  test('a base64 answer as it was asked for', async () => {
    const more = { encoding_format: 'base64' }
    expect(await whole(stage, '/embeddings', () => undefined, more)).toMatchObject({
      accepted: true,
    })
  })
})

const MESSAGES: Readonly<Record<string, (events: Event[]) => Event[] | undefined>> = {
  'a text that was changed': (events) => {
    const data = dataOf(events[at(events, 'content_block_delta')])
    data['delta'] = { ...object(data['delta']), thinking: 'other' }
    return undefined
  },
  'a tool’s input that was changed': (events) =>
    events.map(([name, data]) => {
      const delta = data['delta']
      const changed = isJsonObject(delta) && delta['type'] === 'input_json_delta'
      return [name, changed ? { ...data, delta: { ...delta, partial_json: '' } } : data]
    }),
  'events without names, which a client passes over': (events) =>
    events.map(([, data]) => [null, data]),
  'an event by the name of another one': (events) =>
    events.map(([name, data]) => [name === 'content_block_stop' ? 'ping' : name, data]),
  'a first event that has content already': (events) => {
    const data = dataOf(events[0])
    data['message'] = { ...object(data['message']), content: [{ type: 'text', text: '' }] }
    return undefined
  },
  'an end before the rest': (events) => [
    ...events.slice(0, 4),
    ...events.slice(-1),
    ...events.slice(4),
  ],
  'no end at all': (events) => events.slice(0, -1),
  'an end without a reason': (events) =>
    events.filter(([, data]) => data['type'] !== 'message_delta'),
  'a block that goes on after it stopped': (events) => {
    const stop = at(events, 'content_block_stop')
    const moved = events.splice(stop, 1)
    events.splice(stop - 1, 0, ...moved)
    return undefined
  },
  'a block that was left out': (events) =>
    events.filter(([, data]) => data['index'] !== 0 || data['type'] === 'message_start'),
  'an event of an unknown type': (events) => [
    ...events.slice(0, 2),
    ['other', { type: 'other' }],
    ...events.slice(2),
  ],
  'a deltas’ type that is not the block’s': (events) =>
    events.map(([name, data]) => {
      const delta = data['delta']
      const thought = isJsonObject(delta) && delta['type'] === 'thinking_delta'
      return [
        name,
        thought ? { ...data, delta: { type: 'text_delta', text: delta['thinking'] } } : data,
      ]
    }),
}

const RESPONSES: Readonly<Record<string, (events: Event[]) => Event[] | undefined>> = {
  'a delta that was changed': (events) => {
    const data = dataOf(events[at(events, 'response.output_text.delta')])
    data['delta'] = 'other'
    return undefined
  },
  'a last event without output': (events) => {
    const data = dataOf(events.at(-1))
    data['response'] = { ...object(data['response']), output: [] }
    return undefined
  },
  'a last event with another output': (events) => {
    const data = dataOf(events.at(-1))
    const response = object(data['response'])
    const [first, ...rest] = items(response['output'])
    const other = { ...first, content: [{ type: 'reasoning_text', text: 'other' }] }
    data['response'] = { ...response, output: [other, ...rest] }
    return undefined
  },
  'an output_text that the output does not say': (events) => {
    const data = dataOf(events.at(-1))
    data['response'] = { ...object(data['response']), output_text: 'other' }
    return undefined
  },
  'a last event by another name': (events) =>
    events.map(([name, data], i) => {
      const last = i === events.length - 1
      const type = 'response.incomplete'
      return last ? [type, { ...data, type }] : [name, data]
    }),
  'an item that has a text when it is announced': (events) => {
    const data = dataOf(events[at(events, 'response.output_item.added')])
    const content = [{ type: 'reasoning_text', text: '' }]
    data['item'] = { ...object(data['item']), content }
    return undefined
  },
  'an item that ends after the next began': (events) => {
    const done = at(events, 'response.output_item.done')
    const moved = events.splice(done, 1)
    events.splice(done + 1, 0, ...moved)
    return undefined
  },
  'no end': (events) => events.slice(0, -1),
  'a restated text that is another one': (events) => {
    const data = dataOf(events[at(events, 'response.output_text.done')])
    data['text'] = 'other'
    return undefined
  },
}

describe('streams that a reader could take otherwise', () => {
  test.each(Object.entries(MESSAGES))('messages: %s', async (_name, change) => {
    expect(await streamed(stage, '/messages', change)).toMatchObject({ accepted: false })
  })

  test.each(Object.entries(RESPONSES))('responses: %s', async (_name, change) => {
    expect(await streamed(stage, '/responses', change)).toMatchObject({ accepted: false })
  })
})
