/** Documents for the XML reader, in spellings that it has to take for the same. */
import fc from 'fast-check'

/** What a document is, before it is spelled: choices among what is possible where they are made. */
export interface Plan {
  readonly declared: readonly (readonly [prefix: number, uri: number])[]
  readonly prefix: number
  readonly name: number
  readonly attributes: readonly (readonly [prefix: number, name: number, value: string])[]
  readonly children: readonly (Plan | string)[]
  readonly spelling: number
}

const PREFIXES = ['', 'a', 'b', 'B', 'a-1'] as const
const URIS = ['urn:a', 'urn:b', 'http://c.invalid/?x=1;y=(2)#z', 'urn:A'] as const
const NAMES = ['a', 'b', 'B', 'x.y', '_z', 'a1'] as const

const character = fc.constantFrom(
  ...['x', '7', 'é', '東', '👩', '&', '<', '>', '"', "'", ' ', '\t', '\n', '\r', ']', ';', '#'],
)
const content = fc.string({ unit: character, maxLength: 8 })

export const { plan } = fc.letrec<{ plan: Plan }>((tie) => ({
  plan: fc.record({
    declared: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 3 }),
    prefix: fc.nat(),
    name: fc.nat(),
    attributes: fc.array(fc.tuple(fc.nat(), fc.nat(), content), { maxLength: 5 }),
    children: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'plan' },
      fc.constant([]),
      fc.array(fc.oneof(tie('plan'), content), { maxLength: 4 }),
    ),
    spelling: fc.nat(255),
  }),
}))

export function at<T>(list: readonly T[], choice: number): T {
  const found = list[choice % list.length]
  if (found === undefined) throw new Error('nothing to choose from')
  return found
}

/** Spells `text`; what could be read otherwise goes by reference, some of the rest too. */
function spell(text: string, must: RegExp, spelling: number): string {
  return [...text]
    .map((one, index) => {
      const code = one.codePointAt(0) ?? 0
      const style = (spelling + index) % 4
      if (must.test(one)) return style < 2 ? `&#${code};` : `&#x${code.toString(16)};`
      return style === 3 ? `&#${code};` : one
    })
    .join('')
}

/** @param scope prefixes that are bound around the element */
export function render(node: Plan, scope: ReadonlyMap<string, string>): string {
  const inner = new Map(scope)
  const tag: string[] = []
  const fresh = new Set<string>()
  for (const [choice, uriChoice] of node.declared) {
    const prefix = at(PREFIXES, choice)
    if (fresh.has(prefix)) continue
    fresh.add(prefix)
    // The default namespace can be taken away again, others cannot (Namespaces in XML 1.0 §6.2).
    const uri = prefix === '' && uriChoice % 5 === 0 ? '' : at(URIS, uriChoice)
    inner.set(prefix, uri)
    tag.push(`xmlns${prefix === '' ? '' : `:${prefix}`}="${spell(uri, /[&<"]/, node.spelling)}"`)
  }
  const bound = [...inner.keys()].filter((prefix) => prefix !== '')
  const qualified = (choice: number, name: number): string => {
    const prefix = at(['', ...bound], choice)
    return prefix === '' ? at(NAMES, name) : `${prefix}:${at(NAMES, name)}`
  }
  const seen = new Set<string>()
  for (const [choice, nameChoice, value] of node.attributes) {
    const name = qualified(choice, nameChoice)
    const [local = '', prefix] = name.split(':').toReversed()
    const expanded = `${prefix === undefined ? '' : inner.get(prefix)} ${local}`
    if (seen.has(expanded)) continue
    seen.add(expanded)
    const quote = nameChoice % 2 === 0 ? '"' : "'"
    tag.push(`${name} = ${quote}${spell(value, /[&<"'\t\n\r]/, node.spelling)}${quote}`)
  }
  const name = qualified(node.prefix, node.name)
  const order = node.spelling % 2 === 0 ? tag : tag.toReversed()
  const head = [`<${name}`, ...order].join(node.spelling % 3 === 0 ? '\n' : '  ')
  const body = node.children
    .map((child) =>
      typeof child === 'string' ? spell(child, /[&<>\r]/, node.spelling) : render(child, inner),
    )
    .join('')
  return body === '' && node.spelling % 2 === 0 ? `${head} />` : `${head}>${body}</${name} >`
}

/** Texts of whole documents. */
export const documents: fc.Arbitrary<string> = plan.map((node) => render(node, new Map()))
