import { describe, expect, test } from 'vitest'
import { EventStream, MAX_LINE_BYTES } from '../../src/demo/broker/event-stream.ts'
import { decodeGoJson, encodeGoJson, toGoValue } from '../../src/demo/broker/go-json.ts'
import { rewriteRequest } from '../../src/demo/broker/rewrite-request.ts'
import { sanitizeJson, sanitizeLine } from '../../src/demo/broker/sanitize.ts'

function remarshal(text: string): string {
  return rewriteRequest(Buffer.from(text), {}).toString('utf8')
}

function sanitize(text: string, newId: string | null = null): string {
  const context = { newId, hostile: {}, started: new Set<string>() }
  return sanitizeJson(Buffer.from(text), context).toString('utf8')
}

describe('a request through a Go map', () => {
  test('sorts members at every level by their UTF-8 bytes', () => {
    expect(remarshal('{ "b" : [ {"z":1, "a":2} ], "a" : {"y":null,"x":true} }')).toBe(
      '{"a":{"x":true,"y":null},"b":[{"a":2,"z":1}]}',
    )
    // UTF-16 order would put the emoji (surrogates from U+D83D) before U+FF41.
    expect(remarshal('{"😀":1,"ａ":2}')).toBe('{"ａ":2,"😀":1}')
  })

  test('escapes HTML and the two line separators, and nothing else that JSON does not ask for', () => {
    expect(remarshal('{"a":"<b>&\u2028\u2029 é😀\\u0041\\/\x7f"}')).toBe(
      '{"a":"\\u003cb\\u003e\\u0026\\u2028\\u2029 é😀A/\x7f"}',
    )
    expect(remarshal('{"<":"\\u0000\\u001f\\b\\f\\n\\r\\t\\"\\\\"}')).toBe(
      '{"\\u003c":"\\u0000\\u001f\\b\\f\\n\\r\\t\\"\\\\"}',
    )
  })

  test.each([
    ['1.0', '1'],
    ['1e2', '100'],
    ['0.70', '0.7'],
    ['-0', '-0'],
    ['9007199254740993', '9007199254740992'],
    ['1e20', '100000000000000000000'],
    ['1e21', '1e+21'],
    ['0.000001', '0.000001'],
    ['0.0000001', '1e-7'],
    ['1.7976931348623157e308', '1.7976931348623157e+308'],
  ])('puts the number %s through float64 as %s', (before, after) => {
    expect(remarshal(`{"n":${before}}`)).toBe(`{"n":${after}}`)
  })

  test('keeps the last of two equal names, and a member named __proto__', () => {
    expect(remarshal('{"a":1,"a":{"b":2},"__proto__":{"x":1}}')).toBe(
      '{"__proto__":{"x":1},"a":{"b":2}}',
    )
  })

  test('turns a lone surrogate into U+FFFD', () => {
    expect(remarshal('{"a":"\\ud800x"}')).toBe('{"a":"\ufffdx"}')
  })

  test.each([
    'not json',
    '{"a":1} trailing',
    '[1,2]',
    '{"n":1e999}',
    '{"a":01}',
    '{"a":"\n"}',
    '{a:1}',
    '{"a":1,}',
    '"open',
    `{"a":${'['.repeat(1100)}${']'.repeat(1100)}}`,
    '',
  ])('forwards what it cannot read untouched: %#', (text) => {
    expect(remarshal(text)).toBe(text)
  })

  test('asks for usage on streams only, and never overrules a client that answered', () => {
    expect(remarshal('{"stream":true}')).toBe(
      '{"stream":true,"stream_options":{"include_usage":true}}',
    )
    expect(remarshal('{"stream":true,"stream_options":{"x":1}}')).toBe(
      '{"stream":true,"stream_options":{"include_usage":true,"x":1}}',
    )
    expect(remarshal('{"stream":true,"stream_options":null}')).toBe(
      '{"stream":true,"stream_options":{"include_usage":true}}',
    )
    expect(remarshal('{"stream":true,"stream_options":{"include_usage":false}}')).toBe(
      '{"stream":true,"stream_options":{"include_usage":false}}',
    )
    expect(remarshal('{"stream":false}')).toBe('{"stream":false}')
    expect(remarshal('{"stream":"true"}')).toBe('{"stream":"true"}')
  })
})

describe('an answer through the sanitizer', () => {
  test('leaves the bytes alone when there is nothing to remove', () => {
    const text = '{ "z" : 1.0, "a" : "<&>" }'
    expect(sanitize(text)).toBe(text)
    expect(sanitize('[1]')).toBe('[1]')
    expect(sanitize('{"a":1}\n')).toBe('{"a":1}\n')
  })

  test('encodes anew, sorted, with the spelling of numbers and without HTML escapes', () => {
    expect(sanitize('{"z":1.0,"cost":1,"a":"<&>\u2028","n":9007199254740993}')).toBe(
      '{"a":"<&>\\u2028","n":9007199254740993,"z":1.0}',
    )
  })

  test('loses what follows the first value once anything is removed', () => {
    expect(sanitize('{"cost":1,"a":2} {"b":3}\n')).toBe('{"a":2}')
    expect(sanitize('{"a":2} {"cost":3}')).toBe('{"a":2} {"cost":3}')
  })

  test('removes its six names at any depth, but not inside content and arguments', () => {
    const answer = {
      provider: 'x',
      choices: [
        {
          native_finish_reason: 'stop',
          message: {
            content: [{ type: 'text', cost: 1 }],
            reasoning_details: [],
            tool_calls: [{ function: { arguments: { provider: 'kept', cost: 2 }, is_byok: true } }],
          },
        },
      ],
      usage: { cost: 0.5, cost_details: {}, prompt_tokens: 3 },
    }
    expect(sanitize(JSON.stringify(answer))).toBe(
      '{"choices":[{"message":{"content":[{"cost":1,"type":"text"}],"tool_calls":[{"function":{"arguments":{"cost":2,"provider":"kept"}}}]}}],"usage":{"prompt_tokens":3}}',
    )
  })

  test('removes token counts of other media only when they are zero', () => {
    expect(
      sanitize(
        '{"u":{"audio_tokens":0,"video_tokens":0.0,"image_tokens":-0,"cache_write_tokens":0e3,"cached_tokens":0}}',
      ),
    ).toBe('{"u":{"cached_tokens":0}}')
    const kept = '{"u":{"audio_tokens":1,"video_tokens":"0","image_tokens":null}}'
    expect(sanitize(kept)).toBe(kept)
  })

  test('clamps reasoning tokens to the completion total', () => {
    expect(
      sanitize(
        '{"usage":{"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":9}}}',
      ),
    ).toBe('{"usage":{"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":5}}}')
  })

  test('replaces the top-level id only, and only where there is one', () => {
    expect(sanitize('{"id":"a","choices":[{"id":"b"}]}', 'new')).toBe(
      '{"choices":[{"id":"b"}],"id":"new"}',
    )
    expect(sanitize('{"x":1}', 'new')).toBe('{"x":1}')
    expect(sanitize('{"id":"a"}', null)).toBe('{"id":"a"}')
  })
})

describe('a line of an event stream', () => {
  const line = (text: string): string | null => {
    const context = { newId: 'new', hostile: {}, started: new Set<string>() }
    return sanitizeLine(Buffer.from(text), context)?.toString('utf8') ?? null
  }

  test.each([
    [': keep-alive\n', null],
    [':\n', null],
    ['\n', '\n'],
    ['\r\n', '\r\n'],
    ['event: x\n', 'event: x\n'],
    ['data: [DONE]\n', 'data: [DONE]\n'],
    ['data:{"id":"a"}\r\n', 'data: {"id":"new"}\n'],
    ['data: {"x":1}\r\n', 'data: {"x":1}\r\n'],
    ['data: {broken\n', 'data: {broken\n'],
  ])('%j becomes %j', (before, after) => {
    expect(line(before)).toBe(after)
  })
})

test('an endless line is let go before it fills the memory', () => {
  const events = new EventStream({ newId: 'new', hostile: {}, started: new Set() })
  const piece = Buffer.alloc(1024 * 1024, 'z')
  let held = 0
  for (let i = 0; i < 40; i++) {
    held += piece.length - events.push(piece).client.length
    expect(held).toBeLessThanOrEqual(MAX_LINE_BYTES)
  }
  expect(events.end().client.length).toBe(held)
})

test('a value that JSON cannot hold is a fault of the caller', () => {
  expect(() => toGoValue(undefined)).toThrow(TypeError)
  expect(encodeGoJson(toGoValue({ b: [1, '<'], a: null }), { escapeHtml: true })).toBe(
    '{"a":null,"b":[1,"\\u003c"]}',
  )
  expect(decodeGoJson(Buffer.from([0x22, 0xff, 0x22]), 'literal')).toBe('\ufffd')
})
