/** What our YAML reader accepts, libyaml by way of PyYAML reads the same: YAML 1.1, from which the reader in Compose descends. */
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isYamlMap, parseYaml } from '../../src/compose/parse-yaml.ts'
import type { YamlValue } from '../../src/compose/parse-yaml.ts'
import { YAML } from './compose.helpers.ts'

/** Every scalar as text, since the two have other words for true and other numbers; Compose converts by what it expects. */
const PYTHON = `
import json, sys, yaml
def shape(value):
    if isinstance(value, dict): return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else value
def read(text):
    try: return shape(yaml.load(text, Loader=yaml.BaseLoader))
    except yaml.YAMLError: return {'unread': text}
print(json.dumps([read(text) for text in json.load(sys.stdin)]))
`

/** Ours with texts as they are, and null for every other scalar. */
function plain(value: YamlValue): unknown {
  if (isYamlMap(value)) {
    return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]))
  }
  if (Array.isArray(value)) return value.map((item: YamlValue) => plain(item))
  return typeof value === 'string' ? value : null
}

/** Theirs with null wherever ours has it. */
function alike(theirs: unknown, ours: unknown): unknown {
  if (ours === null && typeof theirs === 'string') return null
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    return theirs.map((item, at) => alike(item, ours[at]))
  }
  if (typeof theirs !== 'object' || theirs === null) return theirs
  const own = new Map(Object.entries(typeof ours === 'object' && ours !== null ? ours : {}))
  return Object.fromEntries(
    Object.entries(theirs).map(([key, item]) => [key, alike(item, own.get(key))]),
  )
}

/** A part of the shipped text that has a form of everything in it. */
const BASE = `${YAML.split('\n').slice(0, 45).join('\n')}\nnetworks:\n  default: {}\n`
const PIECE = fc.constantFrom(
  ...[
    '#',
    ' # ',
    '\n',
    '  ',
    '\t',
    '"',
    "'",
    ': ',
    ':',
    '- ',
    '|\n',
    '>\n',
    '{',
    '}',
    '[',
    ']',
    ',',
  ],
  ...[
    '? ',
    '&a',
    '*a',
    '!',
    '%',
    '\\',
    '---\n',
    '...\n',
    '<<',
    '~',
    '\u00a0',
    '\u3000',
    'é',
    '=',
    '',
  ],
  ...['\r', '\u0085', '\u2028', '\u2029', '\ufeff', '\f', '\v', '\u0000', '\u200b'],
  ...['\n    privileged: true\n', '\u2028    privileged: true\n', '\r    privileged: true\n'],
)
const CHANGE = fc.tuple(fc.nat(BASE.length), fc.constantFrom(0, 0, 0, 1, 5), PIECE)
const TEXT = fc
  .array(CHANGE, { minLength: 1, maxLength: 3 })
  .map((changes) =>
    changes.reduce(
      (text, [at, cut, piece]) => text.slice(0, at) + piece + text.slice(at + cut),
      BASE,
    ),
  )

test('no text that we accept is read otherwise by PyYAML', (context) => {
  const version = spawnSync('python3', ['-c', 'import yaml'])
  if (version.status !== 0) context.skip('SKIPPED: python3 with PyYAML is not installed here')
  const accepted = fc.sample(TEXT, { numRuns: 500, seed: 20_261_126 }).flatMap((text) => {
    const read = parseYaml(text)
    return read.ok ? [{ text, ours: plain(read.value) }] : []
  })
  expect(accepted.length).toBeGreaterThan(100)
  const python = spawnSync('python3', ['-c', PYTHON], {
    input: JSON.stringify(accepted.map(({ text }) => text)),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const theirs: unknown = JSON.parse(python.stdout)
  if (!Array.isArray(theirs)) throw new Error('no list')
  const different = accepted.filter(({ ours }, at) => {
    return JSON.stringify(alike(theirs[at], ours)) !== JSON.stringify(ours)
  })
  expect(different.map(({ text }) => text)).toEqual([])
})
