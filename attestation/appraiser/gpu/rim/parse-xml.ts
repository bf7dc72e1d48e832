/**
 * A strict reader of the part of XML 1.0 (with Namespaces in XML 1.0) that NVIDIA's reference manifests use.
 *
 * A signature over XML covers a canonical form, so whatever that form leaves out or normalises could be changed without
 * breaking it and be read differently by somebody else. Such things are refused here instead of being handled: document
 * types and their entities, comments, CDATA sections, processing instructions, carriage returns, line ends and tabs in
 * attribute values, a byte order mark, and `xml:` attributes, which a fragment inherits from parents that are not signed.
 *
 * @module
 */
import { fromUtf8 } from '../../../protocol/utf8.ts'

/** More than twice the largest manifest seen (25,698 bytes, NVSwitch). */
export const MAX_XML_BYTES = 64 * 1024
/** Elements inside one another. The manifests reach six, in their signature. */
export const MAX_XML_DEPTH = 12
/** All elements of a document. The manifests have about 90. */
export const MAX_XML_ELEMENTS = 1024
/** Attributes of one element, namespace declarations included. */
export const MAX_XML_ATTRIBUTES = 64
/** Prefixes that are bound at one place. */
export const MAX_XML_PREFIXES = 32
/** Characters of one attribute value. */
export const MAX_XML_VALUE = 4096

const XMLNS_NAMESPACE = 'http://www.w3.org/2000/xmlns/'
const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace'

export interface XmlAttribute {
  /** As written, with its prefix. */
  readonly name: string
  /** Empty for a name without a prefix. */
  readonly namespace: string
  readonly local: string
  readonly value: string
}

export interface XmlElement {
  /** As written, with its prefix. */
  readonly name: string
  /** Empty where there is none. */
  readonly namespace: string
  readonly local: string
  /** In the order of the document, without namespace declarations. */
  readonly attributes: readonly XmlAttribute[]
  /** Prefixes in scope, the default one as ''; the parent's own map where the element declares nothing. */
  readonly scope: ReadonlyMap<string, string>
  readonly children: readonly (XmlElement | string)[]
}

export type XmlResult =
  { readonly ok: true; readonly root: XmlElement } | { readonly ok: false; readonly detail: string }

type Refusal = Extract<XmlResult, { ok: false }>

/** Char of XML 1.0 §2.2 without the carriage return, which a reader would have to turn into a line feed. */
const FOREIGN_CHARACTER = /[^\t\n\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u
const DECLARATION = /^<\?xml version="1\.0"(?: encoding="(?:UTF-8|utf-8)")?\?>/
const SPACE = /[ \t\n]*/y
const TEXT = /[^<]+/y
const START_TAG = /<([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)/y
const END_TAG = /<\/([\w.:-]+)[ \t\n]*>/y
const ATTRIBUTE =
  /[ \t\n]+([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)[ \t\n]*=[ \t\n]*(?:"([^<"\t\n]*)"|'([^<'\t\n]*)')/y
const TAG_END = /[ \t\n]*(\/?)>/y
const REFERENCE = /&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));|&/g
/**
 * Canonical XML 1.1 §1.3: a relative namespace name has to be refused. The characters of RFC 3986 §2 without brackets and
 * percent signs, whose place has rules, and without "&" and "'": libxml2 (2.9.14) writes a namespace name into the canonical
 * form without escaping it, against §2.3, so with those two the form would differ between NVIDIA's tools and the specification.
 */
const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:[\w.~:/?@!$()*+,;=-]+(?:#[\w.~:/?@!$()*+,;=-]*)?$/

const PREDEFINED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

function refuse(detail: string): Refusal {
  return { ok: false, detail }
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

function isXmlCharacter(code: number): boolean {
  return (
    code === 0x9 ||
    code === 0xa ||
    code === 0xd ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff)
  )
}

/** Replaces character references and the five predefined entities. @returns null where there is any other `&` */
function decode(text: string): string | null {
  if (!text.includes('&')) return text
  let bad = false
  const decoded = text.replaceAll(
    REFERENCE,
    (_whole, decimal?: string, hexadecimal?: string, entity?: string) => {
      const known = PREDEFINED.get(entity ?? '')
      if (known !== undefined) return known
      const code = decimal === undefined ? parseInt(hexadecimal ?? '', 16) : parseInt(decimal, 10)
      if (isXmlCharacter(code)) return String.fromCodePoint(code)
      bad = true
      return ''
    },
  )
  return bad ? null : decoded
}

function split(name: string): { readonly prefix: string; readonly local: string } {
  const colon = name.indexOf(':')
  return colon === -1
    ? { prefix: '', local: name }
    : { prefix: name.slice(0, colon), local: name.slice(colon + 1) }
}

/** Namespaces in XML 1.0 §3: what may not be declared. */
function declarationFault(prefix: string, uri: string): string | null {
  if (prefix === 'xml' || prefix === 'xmlns') return `prefix ${prefix} declared`
  if (uri === XML_NAMESPACE || uri === XMLNS_NAMESPACE) return 'a reserved namespace declared'
  if (uri === '') return prefix === '' ? null : `prefix ${prefix} undeclared`
  return ABSOLUTE_URI.test(uri) ? null : 'a namespace name that is no absolute URI'
}

interface Written {
  readonly name: string
  readonly value: string
}

/** The attributes of the start tag whose name ends at `at`. */
function readAttributes(text: string, at: number): { written: Written[]; end: number } | Refusal {
  const written: Written[] = []
  let end = at
  for (;;) {
    const [whole, name, double, single] = match(ATTRIBUTE, text, end) ?? []
    if (whole === undefined || name === undefined) return { written, end }
    const raw = double ?? single ?? ''
    if (written.length === MAX_XML_ATTRIBUTES) {
      return refuse(`more than ${MAX_XML_ATTRIBUTES} attributes`)
    }
    if (raw.length > MAX_XML_VALUE) {
      return refuse(`an attribute of more than ${MAX_XML_VALUE} characters`)
    }
    const value = decode(raw)
    if (value === null) return refuse('an entity that is not predefined')
    written.push({ name, value })
    end += whole.length
  }
}

function declare(
  written: readonly Written[],
  parent: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> | Refusal {
  const declared = new Map<string, string>()
  for (const { name, value } of written) {
    const isDefault = name === 'xmlns'
    if (!isDefault && !name.startsWith('xmlns:')) continue
    const prefix = isDefault ? '' : name.slice('xmlns:'.length)
    const fault = declarationFault(prefix, value)
    if (fault !== null) return refuse(fault)
    if (declared.has(prefix)) return refuse(`attribute ${name} twice`)
    declared.set(prefix, value)
  }
  if (declared.size === 0) return parent
  const scope = new Map(parent)
  for (const [prefix, uri] of declared) {
    if (uri === '') scope.delete(prefix)
    else scope.set(prefix, uri)
  }
  return scope.size > MAX_XML_PREFIXES
    ? refuse(`more than ${MAX_XML_PREFIXES} prefixes in scope`)
    : scope
}

/** Names of attributes without a prefix are in no namespace, whatever the default one is (§6.2). */
function resolve(
  written: readonly Written[],
  scope: ReadonlyMap<string, string>,
): readonly XmlAttribute[] | Refusal {
  const attributes: XmlAttribute[] = []
  const seen = new Set<string>()
  for (const { name, value } of written) {
    if (name === 'xmlns' || name.startsWith('xmlns:')) continue
    const { prefix, local } = split(name)
    const namespace = prefix === '' ? '' : scope.get(prefix)
    if (namespace === undefined) return refuse(`prefix ${prefix} is not declared`)
    // By namespace, not by prefix: two prefixes of one namespace could name one attribute twice.
    const expanded = `${namespace} ${local}`
    if (seen.has(expanded)) return refuse(`attribute ${name} twice`)
    seen.add(expanded)
    attributes.push({ name, namespace, local, value })
  }
  return attributes
}

interface Opened {
  readonly element: XmlElement
  readonly children: (XmlElement | string)[]
}

/** The element whose start tag has this name, with `at` behind it. */
function open(
  text: string,
  at: number,
  name: string,
  parent: ReadonlyMap<string, string>,
): { opened: Opened; end: number } | Refusal {
  const read = readAttributes(text, at)
  if ('ok' in read) return read
  const scope = declare(read.written, parent)
  if ('ok' in scope) return scope
  const attributes = resolve(read.written, scope)
  if ('ok' in attributes) return attributes
  const { prefix, local } = split(name)
  const namespace = scope.get(prefix) ?? (prefix === '' ? '' : undefined)
  if (namespace === undefined) return refuse(`prefix ${prefix} is not declared`)
  const children: Opened['children'] = []
  return {
    opened: { element: { name, namespace, local, attributes, scope, children }, children },
    end: read.end,
  }
}

const NO_PREFIXES: ReadonlyMap<string, string> = new Map()

/** The one element of a document, from `start`. */
function readElements(text: string, start: number): { root: XmlElement; end: number } | Refusal {
  const stack: Opened[] = []
  let at = start
  let elements = 0
  for (;;) {
    const parent = stack.at(-1)
    const [content] = parent === undefined ? [] : (match(TEXT, text, at) ?? [])
    if (parent !== undefined && content !== undefined) {
      const decoded = decode(content)
      if (decoded === null) return refuse('an entity that is not predefined')
      if (content.includes(']]>')) return refuse('"]]>" in text')
      parent.children.push(decoded)
      at += content.length
    }
    const [endTag, closed] = match(END_TAG, text, at) ?? []
    if (endTag !== undefined) {
      const last = stack.pop()
      if (last === undefined || last.element.name !== closed)
        return refuse('an end tag out of place')
      at += endTag.length
      if (stack.length === 0) return { root: last.element, end: at }
      continue
    }
    const [startTag, name] = match(START_TAG, text, at) ?? []
    if (startTag === undefined || name === undefined) {
      return refuse(`neither an element nor text at character ${at}`)
    }
    if (stack.length === MAX_XML_DEPTH) return refuse(`deeper than ${MAX_XML_DEPTH} elements`)
    elements++
    if (elements > MAX_XML_ELEMENTS) return refuse(`more than ${MAX_XML_ELEMENTS} elements`)
    const read = open(text, at + startTag.length, name, parent?.element.scope ?? NO_PREFIXES)
    if ('ok' in read) return read
    const [tagEnd, slash] = match(TAG_END, text, read.end) ?? []
    if (tagEnd === undefined) return refuse(`start tag of ${name} does not end`)
    parent?.children.push(read.opened.element)
    at = read.end + tagEnd.length
    if (slash === '') stack.push(read.opened)
    else if (parent === undefined) return { root: read.opened.element, end: at }
  }
}

/**
 * Reads one document. Never throws.
 *
 * @param bytes UTF-8, at most {@link MAX_XML_BYTES}
 */
export function parseXml(bytes: Uint8Array): XmlResult {
  if (bytes.length > MAX_XML_BYTES) return refuse(`longer than ${MAX_XML_BYTES} bytes`)
  const text = fromUtf8(bytes)
  if (text === null) return refuse('not UTF-8')
  if (FOREIGN_CHARACTER.test(text)) return refuse('a character that is refused')
  const declaration = DECLARATION.exec(text)?.[0].length ?? 0
  const read = readElements(text, declaration + (match(SPACE, text, declaration)?.[0].length ?? 0))
  if ('ok' in read) return read
  const rest = read.end + (match(SPACE, text, read.end)?.[0].length ?? 0)
  return rest === text.length
    ? { ok: true, root: read.root }
    : refuse('more after the root element')
}
