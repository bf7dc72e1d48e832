/**
 * What an element holds, read with nothing left over.
 *
 * @module
 */
import type { XmlElement } from './parse-xml.ts'

const WHITE = /^[ \t\n]*$/

/** Expanded name as one string, e.g. `{http://www.w3.org/2000/09/xmldsig#}Signature`; bare where there is no namespace. */
export function expandedName({
  namespace,
  local,
}: Pick<XmlElement, 'namespace' | 'local'>): string {
  return namespace === '' ? local : `{${namespace}}${local}`
}

/** The child elements, between which only white space may stand. @returns null where there is other text */
export function elementsOf(element: XmlElement): readonly XmlElement[] | null {
  const elements: XmlElement[] = []
  for (const child of element.children) {
    if (typeof child !== 'string') elements.push(child)
    else if (!WHITE.test(child)) return null
  }
  return elements
}

/** The text of an element without child elements. @returns null where there is an element in it */
export function textOf(element: XmlElement): string | null {
  let text = ''
  for (const child of element.children) {
    if (typeof child !== 'string') return null
    text += child
  }
  return text
}

/** Attribute values by expanded name; the reader has refused any that is there twice. */
export function attributesOf(element: XmlElement): ReadonlyMap<string, string> {
  return new Map(element.attributes.map((attribute) => [expandedName(attribute), attribute.value]))
}
