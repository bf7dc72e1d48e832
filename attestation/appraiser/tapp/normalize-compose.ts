/**
 * TAPP's normal form of a compose text, whose SHA-384 it measures (0g-tapp, `src/boot/measurement.rs`, read 2026-11-27): YAML
 * read by serde_yaml 0.9, written as JSON by serde_json with keys in the order of their code points, two spaces a level, no line
 * feed at the end.
 *
 * The form forgets how a value was spelt, and TAPP hands the text itself to Docker's Compose. Two texts of one form can therefore
 * mean two things there: `0755` and `"0755"` are one text to TAPP, and the number 493 and a text to Compose, which reads
 * numbers by YAML 1.1. A text with such a value is refused in either spelling, and so is what this reader does not
 * compute exactly as theirs: anchors, tags, merge keys, keys that are no texts, odd numbers. The syntax is read by `yaml` (YAML
 * 1.2) with every value left as text; what a text stands for is decided here.
 *
 * @module
 */
import { isMap, isPair, isScalar, isSeq, parseDocument } from 'yaml'
import { READ_DIFFERENTLY } from '../../protocol/plain-lines.ts'

/** Levels of nesting. */
export const MAX_COMPOSE_DEPTH = 32
/** Digits of a number with a point; beyond them readers round differently. */
const MAX_FLOAT_DIGITS = 15
const MIN_FLOAT = 1e-5
const INTEGER = /^[-+]?(?:0|[1-9][0-9]*)$/
const MIN_INTEGER = -(2n ** 63n)
const MAX_INTEGER = 2n ** 64n - 1n
const FLOAT = /^[-+]?(?:0|[1-9][0-9]*)\.[0-9]+$/
const NULLS: ReadonlySet<string> = new Set(['', '~', 'null', 'Null', 'NULL'])
const TRUTHS: ReadonlySet<string> = new Set(['true', 'True', 'TRUE'])
const LIES: ReadonlySet<string> = new Set(['false', 'False', 'FALSE'])
/** A number to serde_yaml or, without underscores, to go-yaml 3. */
const NUMBER =
  /^[-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF|nan|NaN|NAN))$/
/** A point in time to go-yaml 3, a text to serde_yaml. */
const DATE = /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}/
/** What of {@link NUMBER} serde_yaml takes for a text: leading zeros, and prefixes in capitals. */
const TEXT_TO_SERDE = /^[-+]?0(?:[0-9]+$|[XOB])/

/** Where a text of several lines begins. */
const BLOCK_HEADER = /[|>][-+1-9]* *(?:#.*)?$/m

/** Thrown and caught in this module only. */
class Ambiguous extends Error {}

const isNumber = (text: string): boolean => NUMBER.test(text.replaceAll('_', ''))

/** The same text without quotes would be one to TAPP, and something else to Compose. */
function isSpeltTwice(text: string): boolean {
  if (DATE.test(text)) return true
  return isNumber(text) && (text.includes('_') || TEXT_TO_SERDE.test(text))
}

function quoted(text: string): string {
  if (!text.isWellFormed()) throw new Ambiguous('half a surrogate pair')
  if (isSpeltTwice(text)) throw new Ambiguous(`the value ${text.slice(0, 32)}`)
  return JSON.stringify(text)
}

/** As serde_json writes it: shortest digits, and a point in every number that had one. */
function float(text: string): string {
  const value = Number(text)
  const digits = text.replaceAll(/[-+.]/g, '').replace(/^0+/, '')
  const size = Math.abs(value)
  if (digits.length > MAX_FLOAT_DIGITS || size < MIN_FLOAT) {
    if (value !== 0 || text.startsWith('-')) throw new Ambiguous(`the number ${text.slice(0, 32)}`)
  }
  return Number.isInteger(value) ? `${value}.0` : String(value)
}

function plain(text: string): string {
  if (NULLS.has(text)) return 'null'
  if (TRUTHS.has(text)) return 'true'
  if (LIES.has(text)) return 'false'
  if (INTEGER.test(text)) {
    const value = BigInt(text.replace(/^\+/, ''))
    if (value < MIN_INTEGER || value > MAX_INTEGER) throw new Ambiguous('a number out of range')
    return value.toString()
  }
  if (FLOAT.test(text)) return float(text)
  if (isNumber(text)) throw new Ambiguous(`the number ${text.slice(0, 32)}`)
  return quoted(text)
}

/** Rust orders texts by their bytes in UTF-8, which is the order of code points. */
function byCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]]
  for (const [index, character] of left.entries()) {
    const other = right[index]
    if (other === undefined) return 1
    if (character !== other) return (character.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0)
  }
  return left.length - right.length
}

function scalarText(node: unknown): { readonly text: string; readonly isPlain: boolean } {
  if (node === null) return { text: '', isPlain: true }
  if (!isScalar(node)) throw new Ambiguous('an alias')
  if (node.tag !== undefined || node.anchor !== undefined) throw new Ambiguous('a tag or an anchor')
  if (node.value === null || node.value === undefined) return { text: '', isPlain: true }
  if (typeof node.value !== 'string') throw new Ambiguous('a value that is no text')
  const isPlain = node.type === 'PLAIN' || node.type === undefined
  // Inside brackets libyaml, which serde_yaml reads with, takes it for the mark of a key.
  if (isPlain && node.value.startsWith('?')) throw new Ambiguous('a value with a question mark')
  return { text: node.value, isPlain }
}

function keyOf(node: unknown): string {
  const { text, isPlain } = scalarText(node)
  if (text === '<<') throw new Ambiguous('a merge key')
  const written = isPlain ? plain(text) : quoted(text)
  if (!written.startsWith('"')) throw new Ambiguous(`the key ${text.slice(0, 32)}`)
  return text
}

function write(node: unknown, depth: number): string {
  if (depth > MAX_COMPOSE_DEPTH) throw new Ambiguous('nested too deeply')
  const inner = '  '.repeat(depth + 1)
  const end = `\n${'  '.repeat(depth)}`
  if (isSeq(node) || isMap(node)) {
    if (node.tag !== undefined || node.anchor !== undefined) {
      throw new Ambiguous('a tag or an anchor')
    }
  }
  if (isSeq(node)) {
    const items = node.items.map((item) => `\n${inner}${write(item, depth + 1)}`)
    return items.length === 0 ? '[]' : `[${items.join(',')}${end}]`
  }
  if (isMap(node)) {
    const members = new Map<string, unknown>()
    for (const item of node.items) {
      if (!isPair(item)) throw new Ambiguous('a map of something else')
      const key = keyOf(item.key)
      if (members.has(key)) throw new Ambiguous('a key that stands twice')
      members.set(key, item.value)
    }
    const written = [...members]
      .toSorted(([a], [b]) => byCodePoints(a, b))
      .map(([key, value]) => `\n${inner}${JSON.stringify(key)}: ${write(value, depth + 1)}`)
    return written.length === 0 ? '{}' : `{${written.join(',')}${end}}`
  }
  const { text, isPlain } = scalarText(node)
  return isPlain ? plain(text) : quoted(text)
}

export type NormalCompose =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly detail: string }

/** Never throws. @param text the compose text as TAPP gives it, of a length that the caller bounds */
export function normalizeCompose(text: string): NormalCompose {
  if (READ_DIFFERENTLY.test(text)) return { ok: false, detail: 'a character that is no plain text' }
  if (/^%/m.test(text)) return { ok: false, detail: 'a directive' }
  try {
    const document = parseDocument(text, {
      version: '1.2',
      schema: 'failsafe',
      merge: false,
      strict: true,
      uniqueKeys: true,
      // With 'silent' the library would also be silent about a second document.
      logLevel: 'error',
    })
    if (document.errors.length > 0 || document.warnings.length > 0) {
      return { ok: false, detail: 'not one document of strict YAML' }
    }
    // At the end of such a text libyaml gives the last line of a block no line feed.
    if (!text.endsWith('\n') && BLOCK_HEADER.test(text)) {
      return { ok: false, detail: 'no line feed at the end' }
    }
    if (!isMap(document.contents)) return { ok: false, detail: 'not a map' }
    return { ok: true, text: write(document.contents, 0) }
  } catch (error) {
    // The library throws on nesting that exhausts its stack.
    const detail = error instanceof Ambiguous ? error.message : 'not readable'
    return { ok: false, detail }
  }
}
