/**
 * XML as far as simulated RIM files need it: a tree that is written in two ways, as NVIDIA's files spell it and as it is
 * signed (Canonical XML 1.1, W3C 2008, without comments).
 *
 * @module
 */

export interface XmlElement {
  /** With its prefix. */
  readonly name: string
  /** Declarations made here, the default namespace under the empty prefix. */
  readonly namespaces?: readonly (readonly [prefix: string, uri: string])[]
  /** In the order of the file. */
  readonly attributes?: readonly (readonly [name: string, value: string])[]
  readonly children?: readonly (XmlElement | string)[]
}

type Scope = ReadonlyMap<string, string>

function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#xD;')
}

function escapeAttribute(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\t', '&#x9;')
    .replaceAll('\n', '&#xA;')
    .replaceAll('\r', '&#xD;')
}

function declaration([prefix, uri]: readonly [string, string]): string {
  return ` ${prefix === '' ? 'xmlns' : `xmlns:${prefix}`}="${escapeAttribute(uri)}"`
}

function attribute([name, value]: readonly [string, string]): string {
  return ` ${name}="${escapeAttribute(value)}"`
}

/** As in a file: declarations first, attributes in their order, an element without children in one tag. */
export function writeXml(element: XmlElement): string {
  const { name, namespaces = [], attributes = [], children = [] } = element
  const head = `<${name}${namespaces.map(declaration).join('')}${attributes.map(attribute).join('')}`
  if (children.length === 0) return `${head}/>`
  const inner = children.map((child) =>
    typeof child === 'string' ? escapeText(child) : writeXml(child),
  )
  return `${head}>${inner.join('')}</${name}>`
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Attributes without a prefix come first, in no namespace; then by namespace, then by local name (C14N §2.2). */
function attributeOrder(name: string, scope: Scope): readonly [uri: string, local: string] {
  const [prefix, local] = name.includes(':') ? (name.split(':', 2) as [string, string]) : ['', name]
  return [prefix === '' ? '' : (scope.get(prefix) ?? ''), local]
}

/**
 * The octets that are digested and signed.
 * @param inherited declarations of the ancestors where `element` is not the root: all of them stand in its tag
 */
export function canonicalXml(element: XmlElement, inherited: Scope = new Map()): string {
  return write(element, new Map(), new Map([...inherited, ...(element.namespaces ?? [])]))
}

function write(element: XmlElement, written: Scope, scope: Scope): string {
  const { name, attributes = [], children = [] } = element
  const fresh = [...scope]
    .filter(([prefix, uri]) => written.get(prefix) !== uri)
    .toSorted(([a], [b]) => byText(a, b))
  const sorted = attributes.toSorted(([a], [b]) => {
    const [uriA, localA] = attributeOrder(a, scope)
    const [uriB, localB] = attributeOrder(b, scope)
    return byText(uriA, uriB) || byText(localA, localB)
  })
  const inner = children.map((child) =>
    typeof child === 'string'
      ? escapeText(child)
      : write(child, scope, new Map([...scope, ...(child.namespaces ?? [])])),
  )
  return `<${name}${fresh.map(declaration).join('')}${sorted.map(attribute).join('')}>${inner.join('')}</${name}>`
}
