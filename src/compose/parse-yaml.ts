/**
 * YAML as a compose file needs it and no more: one document of maps with text keys, lists and plain values.
 *
 * What the guest's Compose and a reviewer could read differently is refused: keys that stand twice, anchors, aliases, merge
 * keys, tags, directives and further documents. The parser is `yaml` (YAML 1.2, core schema).
 *
 * @module
 */
import { isMap, isPair, isScalar, isSeq, parseDocument, visit } from 'yaml'
import type { Document } from 'yaml'
import { READ_DIFFERENTLY } from '../../attestation/protocol/plain-lines.ts'

/** Levels of nesting. */
export const MAX_YAML_DEPTH = 32

export type YamlScalar = string | number | boolean | null
export type YamlValue = YamlScalar | readonly YamlValue[] | YamlMap
export type YamlMap = ReadonlyMap<string, YamlValue>

export type YamlFault = 'yaml_malformed' | 'yaml_duplicate_key' | 'yaml_anchor'
export type ParsedYaml =
  | { readonly ok: true; readonly value: YamlValue }
  | { readonly ok: false; readonly fault: YamlFault }

/** What a node says that does not stand where it is read. */
function hasIndirection(document: Document): boolean {
  let found = false
  visit(document, {
    Alias: () => {
      found = true
      return visit.BREAK
    },
    Node: (_key, node) => {
      const anchored = 'anchor' in node && node.anchor !== undefined
      if (!anchored && node.tag === undefined) return undefined
      found = true
      return visit.BREAK
    },
    Pair: (_key, pair) => {
      if (!isScalar(pair.key) || pair.key.value !== '<<') return undefined
      found = true
      return visit.BREAK
    },
  })
  return found
}

/** Thrown to leave the walk; never leaves this module. */
class Unreadable extends Error {}

function valueOf(node: unknown, depth: number): YamlValue {
  if (depth > MAX_YAML_DEPTH) throw new Unreadable()
  if (node === null) return null
  if (isSeq(node)) return node.items.map((item) => valueOf(item, depth + 1))
  if (isMap(node)) {
    const map = new Map<string, YamlValue>()
    for (const item of node.items) {
      if (!isPair(item) || !isScalar(item.key) || typeof item.key.value !== 'string') {
        throw new Unreadable()
      }
      map.set(item.key.value, valueOf(item.value, depth + 1))
    }
    return map
  }
  if (!isScalar(node)) throw new Unreadable()
  const { value } = node
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new Unreadable()
}

export function isYamlMap(value: YamlValue | undefined): value is YamlMap {
  return value instanceof Map
}

export function isYamlList(value: YamlValue | undefined): value is readonly YamlValue[] {
  return Array.isArray(value)
}

export function parseYaml(text: string): ParsedYaml {
  if (READ_DIFFERENTLY.test(text)) return { ok: false, fault: 'yaml_malformed' }
  // A directive could turn the rules of an older YAML on, by which other texts are booleans.
  if (/^%/m.test(text)) return { ok: false, fault: 'yaml_malformed' }
  let document: Document
  try {
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      strict: true,
      uniqueKeys: true,
      stringKeys: false,
      // With 'silent' the library would also be silent about a second document.
      logLevel: 'error',
    })
  } catch {
    // The library throws on nesting that exhausts its stack.
    return { ok: false, fault: 'yaml_malformed' }
  }
  if (document.errors.some(({ code }) => code === 'DUPLICATE_KEY')) {
    return { ok: false, fault: 'yaml_duplicate_key' }
  }
  if (document.errors.length > 0) return { ok: false, fault: 'yaml_malformed' }
  // Before the warnings: an unknown tag is one of them.
  if (hasIndirection(document)) return { ok: false, fault: 'yaml_anchor' }
  if (document.warnings.length > 0) return { ok: false, fault: 'yaml_malformed' }
  try {
    return { ok: true, value: valueOf(document.contents, 0) }
  } catch (error) {
    if (error instanceof Unreadable) return { ok: false, fault: 'yaml_malformed' }
    throw error
  }
}
