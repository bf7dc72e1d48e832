/**
 * Every value of evidence that is accepted, put in another way that some reader could take for the same or for nothing: other
 * types, look-alike characters, numbers beyond what a double holds, members named like those of every object, names twice.
 */
import { describe, expect, test } from 'vitest'
import type { Check } from '../../attestation/appraiser/check.ts'
import type { JsonValue } from '../../attestation/protocol/json.ts'
import { appraise, newNonce } from './document.helpers.ts'
import { NONCE, aci, dstackReport, isAccepted, judge, vllmReport, world } from './report.helpers.ts'
import { hex } from './x509.helpers.ts'

/** A JSON text with one value in another place; texts are put in raw. */
interface Odd {
  readonly path: string
  readonly what: string
  readonly text: string
}

/** Elements of one list that are tried. */
const TRIED = 2
const FULL_WIDTH = 0xfee0

const quoted = (text: string): string => JSON.stringify(text)

function oddTexts(text: string): (readonly [string, string])[] {
  const first = text.charCodeAt(0)
  const alike = first > 0x20 && first < 0x7f ? String.fromCharCode(first + FULL_WIDTH) : 'x'
  return [
    ['a space behind', quoted(`${text} `)],
    ['a NUL behind', quoted(`${text}\0`)],
    ['a byte-order mark before', quoted(`\ufeff${text}`)],
    ['an invisible character inside', quoted(`${text.slice(0, 1)}\u200b${text.slice(1)}`)],
    ['a look-alike first', quoted(alike + text.slice(1))],
    ['upper case', quoted(text.toUpperCase())],
    ['half a pair behind', `${quoted(text).slice(0, -1)}\\ud800"`],
    ['a list of it', `[${quoted(text)}]`],
    ['nothing', '""'],
  ]
}

function oddValues(value: JsonValue): (readonly [string, string])[] {
  const any = [
    ['null', 'null'],
    ['a number', '7'],
    ['true', 'true'],
    ['an overflow', '1e999'],
    ['a list', '[]'],
    ['an object', '{}'],
  ] as const
  if (typeof value === 'string') return [...any, ...oddTexts(value)]
  if (typeof value === 'number') {
    return [
      ...any,
      ['its text', quoted(String(value))],
      ['a half more', String(value + 0.5)],
      ['beyond a double', `${String(2 ** 53)}1`],
      ['negative', String(-value - 1)],
    ]
  }
  return [...any]
}

/** `text` with each of its values in turn put in an odd way. */
function* oddities(
  value: JsonValue,
  path: string,
  around: (text: string) => string,
): Generator<Odd> {
  const own = JSON.stringify(value)
  for (const [what, text] of oddValues(value)) {
    if (text !== own) yield { path, what, text: around(text) }
  }
  if (Array.isArray(value)) {
    const items = value as readonly JsonValue[]
    for (const [index, item] of items.slice(0, TRIED).entries()) {
      yield* oddities(item, `${path}[]`, (text) =>
        around(`[${items.map((one, at) => (at === index ? text : JSON.stringify(one))).join()}]`),
      )
    }
    if (items.length > 0) {
      yield { path, what: 'its last dropped', text: around(JSON.stringify(items.slice(0, -1))) }
    }
  } else if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
    const written = (entries: readonly (readonly [string, string])[]): string =>
      around(`{${entries.map(([name, text]) => `${quoted(name)}:${text}`).join()}}`)
    const plain = members.map(([name, item]) => [name, JSON.stringify(item)] as const)
    for (const name of ['__proto__', 'constructor', 'toString', '']) {
      yield { path, what: `a member ${name}`, text: written([...plain, [name, '{}']]) }
    }
    const [first] = plain
    if (first !== undefined) {
      yield { path, what: 'a member twice', text: written([first, ...plain]) }
      yield { path, what: 'a member missing', text: written(plain.slice(1)) }
    }
    for (const [index, [name, item]] of members.entries()) {
      yield* oddities(item, path === '' ? name : `${path}.${name}`, (text) =>
        written(plain.map((one, at) => (at === index ? ([name, text] as const) : one))),
      )
    }
  }
}

/** What an appraisal says; null: refused. */
type Judge = (text: string) => readonly Check[] | null

const told = (checks: readonly Check[]): string =>
  JSON.stringify(checks.map(({ id, status, code, detail }) => [id, status, code, detail]))

/**
 * The oddities that are accepted though nothing is said about them: neither does another check come out otherwise, nor is the
 * member named as one that nothing is compared with.
 */
function untold(genuine: JsonValue, judge: Judge): string[] {
  const checks = judge(JSON.stringify(genuine))
  if (checks === null) throw new Error('the genuine evidence is refused')
  const named = checks
    .filter(({ code }) => code === 'report_claims_uncompared')
    .flatMap(({ detail }) => detail.split(', '))
  const found: string[] = []
  for (const { path, what, text } of oddities(genuine, '', (text) => text)) {
    const outcome = judge(text)
    if (outcome === null || told(outcome) !== told(checks)) continue
    if (!named.some((name) => path.endsWith(name))) found.push(`${path}: ${what}`)
  }
  return found
}

const parse = (text: string): JsonValue => JSON.parse(text) as JsonValue
const report: Judge = (text) => {
  const appraisal = judge(text)
  return isAccepted(appraisal) ? appraisal.verdict.checks : null
}

describe('no value of accepted evidence can be put otherwise unless that is said', () => {
  // White space around a JSON text is none of its value.
  const spaces = (...paths: readonly string[]): string[] =>
    paths.map((path) => `${path}: a space behind`)

  test('in a dstack report', () => {
    expect(untold(dstackReport(hex(NONCE)), report)).toEqual(spaces('event_log', 'vm_config'))
  })

  test('in a vllm-proxy report', async () => {
    // What is beside the report in it has tests of its own.
    const { all_attestations: _, info: _info, ...whole } = await vllmReport('ecdsa')
    expect(untold(whole, report)).toEqual([
      // A second copy of intel_quote, which must be the same where it stands.
      'quote: null',
      ...spaces('nvidia_payload', 'event_log', 'vm_config'),
    ])
  }, 60_000)

  test('in an ACI report', async () => {
    const evidence = 'attestation.evidence'
    expect(untold(await aci(), report)).toEqual([
      // A second statement of the quote's own report data.
      `${evidence}.quote_report_data: null`,
      ...spaces(`${evidence}.event_log`, `${evidence}.vm_config`, `${evidence}.countersign`),
      'service_capabilities.supported_e2ee_versions: null',
    ])
  }, 60_000)

  test('in an attestation document', async () => {
    const nonce = newNonce()
    const document = parse(await world.attestor.document(nonce))
    const judged: Judge = (text) => {
      const { trusted, verdict } = appraise(world, text, { nonce })
      return trusted === null ? null : verdict.checks
    }
    expect(untold(document, judged)).toEqual(spaces('evidence.event_log', 'evidence.vm_config'))
  }, 60_000)
})
