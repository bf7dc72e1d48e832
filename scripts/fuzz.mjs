// node scripts/fuzz.mjs [seconds] [seed]: mutated inputs for what reads bytes of strangers, after a build. Each target has an
// oracle: the event-stream scanner a reader that sees the whole text at once (WHATWG HTML §9.2.6), whatever the pieces; the
// strict JSON parser JSON.parse, of which it takes a subset; the rewrite that takes a member out of a body the parsed object
// without it. A counterexample is printed as base64 and ends the run with 1; the seed repeats it.
import { isDeepStrictEqual } from 'node:util'
import { isUtf8 } from 'node:buffer'
import { parseJson, isJsonObject } from '../dist/attestation/protocol/json.js'
import { applyEdits, documentStart, memberSpans, removal } from '../dist/src/relay/json-spans.js'
import { SseScanner } from '../dist/src/relay/sse-scanner.js'

const SECONDS = Number(process.argv[2] ?? 60)
const SEED = Number(process.argv[3] ?? Date.now() % 2 ** 31)

// mulberry32: small, seeded, good enough to choose mutations.
let state = SEED >>> 0
const random = () => {
  state = (state + 0x6d2b79f5) >>> 0
  let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
const below = (count) => Math.floor(random() * count)
const pick = (list) => list[below(list.length)]

function mutated(corpus, tokens) {
  let bytes = Buffer.from(pick(corpus))
  for (let i = below(6); i >= 0; i--) {
    const at = below(bytes.length + 1)
    const to = Math.min(bytes.length, at + below(12))
    const parts = [
      () => [bytes.subarray(0, at), pick(tokens), bytes.subarray(at)],
      () => [bytes.subarray(0, at), pick(tokens), bytes.subarray(to)],
      () => [bytes.subarray(0, at), bytes.subarray(to)],
      () => [bytes.subarray(0, to), bytes.subarray(at)],
      () => [bytes.subarray(0, at), Buffer.of(below(256)), bytes.subarray(at + 1)],
      () => [bytes.subarray(0, at), pick(corpus).subarray(below(40))],
    ]
    bytes = Buffer.concat(pick(parts)()).subarray(0, 4096)
  }
  return bytes
}
const buffers = (list) => list.map((text) => Buffer.from(text, 'latin1'))

const SSE = {
  corpus: [
    Buffer.from(
      '\ufeff: ping\r\ndata: {"a":"Grüße 東京 👩‍🚀"}\r\n\r\nevent: x\ndata:one\ndata: two\n\n',
    ),
    Buffer.from('data: {"a":1}\n\ndata: {"b":[1,2]}\n\ndata: [DONE]\n\n'),
    Buffer.from('id: 1\rdata: three\r\rdata\n\ndatax: no\n\ndata: [DONE]\r\n\r\n: bye'),
  ],
  tokens: buffers([
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    ':',
    ' ',
    'data',
    'data:',
    'data: ',
    'data: {',
    '[DONE]',
    'data: [DONE]\n\n',
    '\xef\xbb\xbf',
    '\xe6\x9d',
    '\xf0\x9f',
    '\0',
    'x'.repeat(70),
  ]),
  check(bytes) {
    const events = []
    const scanner = new SseScanner(
      {
        onData: (data) => events.push(data),
        onEvent: (_all, piece, start, end) => events.push(piece.toString('utf8', start, end)),
      },
      8192,
    )
    let waiting = []
    const read = () => {
      if (waiting.length > 0) scanner.readWaiting(Buffer.concat(waiting))
      waiting = []
    }
    for (let at = 0; at < bytes.length;) {
      const to = Math.min(bytes.length, at + 1 + below(random() < 0.5 ? 4 : 400))
      const piece = bytes.subarray(at, to)
      if (scanner.canWait(piece)) waiting.push(piece)
      else {
        read()
        scanner.push(piece)
      }
      at = to
    }
    read()
    return isDeepStrictEqual(events, plainReader(bytes.toString('utf8')))
  },
}

function plainReader(text) {
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/)
  lines.pop()
  const events = []
  let data = []
  for (const line of lines) {
    if (line === '' && data.length > 0) events.push(data.join('\n'))
    if (line === '') data = []
    if (line === 'data') data.push('')
    if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
  }
  return events
}

const BODIES = [
  '{"model":"m","messages":[{"role":"user","content":"Gr\\u00fc\\u00dfe \\ud83d\\udc69"}],"n":1.50e+2,"stream":true}',
  '{"provider":{"aci_verified":true},"a":[{"provider":2}],"b":"\\\\","c":-0,"d":null}',
  '{"x":"\\"provider\\":{}","y":{"provider":1}, "\\u0070rovider" : [1,2,{}] }',
  '[[[[{}]]],1e400,"",{"__proto__":1}]',
].map((text) => Buffer.from(text))
const JSON_TOKENS = buffers([
  '"',
  '\\',
  '\\u',
  '\\ud800',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '0',
  '-',
  '1e999',
  'null',
  ' ',
  '\n',
  '\0',
  '\xff',
  '\xef\xbb\xbf',
  '"provider":',
  '"a":1,',
  '['.repeat(70),
])

const JSON_DOCUMENTS = {
  corpus: BODIES,
  tokens: JSON_TOKENS,
  check(bytes) {
    const parsed = parseJson(bytes)
    let theirs
    try {
      theirs = { value: JSON.parse(bytes.toString('utf8')) }
    } catch {
      theirs = null
    }
    // A byte-order mark is not JSON to either, bytes that are no UTF-8 are none to us alone.
    if (!isUtf8(bytes)) return !parsed.ok
    if (parsed.ok)
      return theirs !== null && isDeepStrictEqual(plain(parsed.value), plain(theirs.value))
    return parsed.fault !== 'not_json' || theirs === null
  },
}

// Without prototypes, which the two parsers set differently.
const plain = (value) => JSON.parse(JSON.stringify(value))

// Bodies that were taken, so that a run in which all were refused does not look like one that tried something.
let accepted = 0
const REWRITES = {
  corpus: BODIES,
  tokens: JSON_TOKENS,
  check(bytes) {
    const parsed = parseJson(bytes)
    if (!parsed.ok || !isJsonObject(parsed.value)) return true
    accepted++
    const members = [...memberSpans(bytes, documentStart(bytes))]
    if (
      !isDeepStrictEqual(
        new Set(members.map(({ name }) => name)),
        new Set(Object.keys(parsed.value)),
      )
    )
      return false
    return members.every((member) => {
      const value = JSON.parse(bytes.toString('utf8', member.value.from, member.value.to))
      const after = parseJson(applyEdits(bytes, [removal(member)]))
      const { [member.name]: gone, ...rest } = parsed.value
      return (
        isDeepStrictEqual(plain(value), plain(gone)) &&
        after.ok &&
        isDeepStrictEqual(plain(after.value), plain(rest))
      )
    })
  },
}

const TARGETS = {
  'event streams': SSE,
  'JSON documents': JSON_DOCUMENTS,
  'member cut out': REWRITES,
}
const runs = Object.fromEntries(Object.keys(TARGETS).map((name) => [name, 0]))
const until = performance.now() + SECONDS * 1000
let failed = false
while (!failed && performance.now() < until) {
  for (const [name, target] of Object.entries(TARGETS)) {
    for (let i = 0; i < 200 && !failed; i++) {
      const bytes = mutated(target.corpus, target.tokens)
      let ok = false
      let error = null
      try {
        ok = target.check(bytes)
      } catch (thrown) {
        error = String(thrown)
      }
      runs[name]++
      if (ok) continue
      failed = true
      console.log(JSON.stringify({ target: name, counterexample: bytes.toString('base64'), error }))
    }
  }
}
console.log(
  JSON.stringify({ ok: !failed && accepted > 0, seed: SEED, seconds: SECONDS, runs, accepted }),
)
process.exitCode = failed || accepted === 0 ? 1 : 0
