/** Changes to a request on its way touch no other byte. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseJson, isJsonObject } from '../../attestation/protocol/json.ts'
import { NO_REWRITES, rewriteRequest } from '../../src/relay/rewrite-request.ts'
import type { RequestRewrites } from '../../src/relay/rewrite-request.ts'

const CHAT = '/v1/chat/completions'
const ALL: RequestRewrites = { stripEmptyToolCalls: true, includeUsage: true }

function rewrite(text: string, rewrites: RequestRewrites, constraints = false, endpoint = CHAT) {
  const bytes = Buffer.from(text)
  const parsed = parseJson(bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error('not an object')
  const done = rewriteRequest(bytes, parsed.value, { endpoint, rewrites, constraints })
  return { text: done.bytes.toString(), applied: done.applied, same: done.bytes === bytes }
}

describe('taking the constraints out of a body', () => {
  test.each([
    [
      '{"a":1,"provider":{"aci_verified":true},"b":9007199254740993}',
      '{"a":1,"b":9007199254740993}',
    ],
    ['{"provider":{"aci_verified":true},"b":1.0}', '{"b":1.0}'],
    ['{"b":1.0 , "provider" : {"aci_verified":true} }', '{"b":1.0  }'],
    ['{"provider":{"aci_verified":true}}', '{}'],
    [
      '{"x":"\\"provider\\":{}","y":{"provider":1},"\\u0070rovider":{}}',
      '{"x":"\\"provider\\":{}","y":{"provider":1}}',
    ],
    ['{"a":[1,{"provider":2}],"b":"\\\\"}', '{"a":[1,{"provider":2}],"b":"\\\\"}'],
  ])('%s leaves %s', (before, after) => {
    expect(rewrite(before, NO_REWRITES, true).text).toBe(after)
  })
})

describe('forced include_usage', () => {
  const USAGE = { ...NO_REWRITES, includeUsage: true }
  test.each([
    ['{"stream":true}', '{"stream_options":{"include_usage":true},"stream":true}'],
    [' {"stream":true,"x":1.0}', ' {"stream_options":{"include_usage":true},"x":1.0}'],
    [
      '{"stream":true,"stream_options":null}',
      '{"stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      '{"stream":true,"stream_options":{}}',
      '{"stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      '{"stream":true,"stream_options":{ "x" : 1e2 }}',
      '{"stream":true,"stream_options":{"include_usage":true, "x" : 1e2 }}',
    ],
    [
      '{"stream":true,"stream_options":{"include_usage": false ,"x":1}}',
      '{"stream":true,"stream_options":{"include_usage": true ,"x":1}}',
    ],
  ])('%s is forwarded as %s', (before, after) => {
    const done = rewrite(before, USAGE)
    const expected = before.startsWith(' ')
      ? ' {"stream_options":{"include_usage":true},"stream":true,"x":1.0}'
      : after
    expect([done.text, done.applied]).toEqual([expected, ['include_usage']])
  })

  test.each([
    ['no stream', '{"a":1}'],
    ['a buffered answer', '{"stream":false}'],
    ['somebody who asks for it', '{"stream":true,"stream_options":{"include_usage":true}}'],
    ['what the model server has to refuse', '{"stream":true,"stream_options":"x"}'],
  ])('leaves %s as it is', (_name, text) => {
    expect(rewrite(text, USAGE)).toEqual({ text, applied: [], same: true })
  })

  test('is for the routes that know the member', () => {
    const text = '{"stream":true}'
    expect(rewrite(text, USAGE, false, '/v1/responses').same).toBe(true)
    expect(rewrite(text, USAGE, false, '/v1/completions').applied).toEqual(['include_usage'])
  })
})

describe('stripping empty tool calls', () => {
  const STRIP = { ...NO_REWRITES, stripEmptyToolCalls: true }
  test.each([
    ['{"messages":[{"role":"a","tool_calls":[]}]}', '{"messages":[{"role":"a"}]}'],
    ['{"messages":[{"tool_calls":[ ],"role":"a"}]}', '{"messages":[{"role":"a"}]}'],
    ['{"messages":[{"tool_calls":[]}]}', '{"messages":[{}]}'],
    [
      '{"messages":[{"content":"\\"tool_calls\\":[]","tool_calls":[]},1,{"tool_calls":[{"id":"x"}]},{"x":2e0 , "tool_calls" : [\n] }],"seed":9007199254740993}',
      '{"messages":[{"content":"\\"tool_calls\\":[]"},1,{"tool_calls":[{"id":"x"}]},{"x":2e0  }],"seed":9007199254740993}',
    ],
  ])('%s is forwarded as %s', (before, after) => {
    const done = rewrite(before, STRIP)
    expect([done.text, done.applied]).toEqual([after, ['strip_empty_tool_calls']])
  })

  test('touches no empty list elsewhere, and nothing of other routes', () => {
    const text = '{"tool_calls":[],"messages":[{"content":[{"tool_calls":[]}]}],"tools":[]}'
    expect(rewrite(text, STRIP)).toEqual({ text, applied: [], same: true })
    const message = '{"messages":[{"tool_calls":[]}]}'
    expect(rewrite(message, STRIP, false, '/v1/messages').same).toBe(true)
  })
})

test('any body, with any white space, says afterwards exactly what was meant, and keeps every other byte', () => {
  const json = fc.jsonValue({ maxDepth: 2 })
  const message = fc.oneof(
    json,
    fc.record(
      {
        role: fc.string(),
        content: json,
        tool_calls: fc.oneof(fc.constant([]), fc.constant(null), fc.array(json, { maxLength: 2 })),
      },
      { requiredKeys: [] },
    ),
  )
  const body = fc.record(
    {
      ['odd "name" \\']: json,
      stream: fc.oneof(fc.constant(true), json),
      provider: fc.constant({ aci_verified: true }),
      stream_options: fc.oneof(
        fc.constant(null),
        fc.record({ include_usage: fc.boolean(), other: json }, { requiredKeys: [] }),
      ),
      messages: fc.array(message, { maxLength: 4 }),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(body, fc.constantFrom('', ' ', '\t', '\r\n'), (value, space) => {
      const text = JSON.stringify(value, null, space)
      const constraints = 'provider' in value
      const done = rewrite(text, ALL, constraints)
      const meant = JSON.parse(text) as Record<string, unknown>
      delete meant['provider']
      if (meant['stream'] === true) {
        const options = (meant['stream_options'] ?? {}) as Record<string, unknown>
        meant['stream_options'] = { ...options, include_usage: true }
      }
      for (const one of (meant['messages'] ?? []) as unknown[]) {
        if (typeof one !== 'object' || one === null || !('tool_calls' in one)) continue
        if (Array.isArray(one.tool_calls) && one.tool_calls.length === 0) {
          delete (one as { tool_calls?: unknown }).tool_calls
        }
      }
      expect(JSON.parse(done.text)).toEqual(meant)
      expect(done.applied).toEqual(done.applied.toSorted())
      expect(done.same).toBe(done.applied.length === 0)
    }),
    { numRuns: 500 },
  )
})
