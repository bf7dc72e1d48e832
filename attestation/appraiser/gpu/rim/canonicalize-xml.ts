/**
 * Canonical XML 1.1 without comments (W3C Recommendation of 2 May 2008) of a tree that {@link parseXml} read.
 *
 * What 1.1 adds to 1.0 concerns `xml:` attributes, and those are refused by the reader, so the two give the same here.
 *
 * @module
 */
import type { XmlAttribute, XmlElement } from './parse-xml.ts'

const TEXT_SPECIAL = /[&<>\r]/g
const VALUE_SPECIAL = /[&<"\t\n\r]/g
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ['\t', '&#x9;'],
  ['\n', '&#xA;'],
  ['\r', '&#xD;'],
])

function escape(text: string, special: RegExp): string {
  return text.replace(special, (character) => ESCAPES.get(character) ?? '')
}

/** Prefixes, local names and namespace names are ASCII, so UTF-16 order is the order by code point that §2.2 asks for. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** §2.2: by namespace name, those in none first, then by local name. */
function compareAttributes(a: XmlAttribute, b: XmlAttribute): number {
  return compare(a.namespace, b.namespace) || compare(a.local, b.local)
}

/** §2.3: the namespace nodes that the nearest written ancestor does not have, by prefix. The reader takes no name to escape. */
function writeNamespaces(
  scope: ReadonlyMap<string, string>,
  written: ReadonlyMap<string, string>,
): string {
  if (scope === written) return ''
  let out = written.has('') && !scope.has('') ? ' xmlns=""' : ''
  for (const [prefix, uri] of [...scope].sort(([a], [b]) => compare(a, b))) {
    if (written.get(prefix) === uri) continue
    out += ` xmlns${prefix === '' ? '' : `:${prefix}`}="${uri}"`
  }
  return out
}

const NOTHING_WRITTEN: ReadonlyMap<string, string> = new Map()

function write(
  element: XmlElement,
  omitted: XmlElement | null,
  written: ReadonlyMap<string, string>,
): string {
  let out = `<${element.name}${writeNamespaces(element.scope, written)}`
  for (const { name, value } of [...element.attributes].sort(compareAttributes)) {
    out += ` ${name}="${escape(value, VALUE_SPECIAL)}"`
  }
  out += '>'
  for (const child of element.children) {
    if (typeof child === 'string') out += escape(child, TEXT_SPECIAL)
    else if (child !== omitted) out += write(child, omitted, element.scope)
  }
  return `${out}</${element.name}>`
}

/**
 * @param element the apex of what is written; namespaces that its ancestors declare are written with it
 * @param omitted one descendant, by identity, that is left out with all it holds: the enveloped-signature transform
 */
export function canonicalizeXml(element: XmlElement, omitted: XmlElement | null): string {
  return write(element, omitted, NOTHING_WRITTEN)
}
