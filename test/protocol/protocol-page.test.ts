import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

test('the protocol page names each vector, and no vector that is not there', () => {
  const page = read('../../docs/protocol.md')
  const text = read('../vectors/protocol.json')
  const ids = new Set(
    [...text.matchAll(/"id": "([a-z0-9_]+(?:\.[a-z0-9_]+)*)"/g)].map(([, id]) => id),
  )
  const vectors = [...ids].filter((id) => id !== undefined && !id.startsWith('call_'))
  const list = page.slice(page.indexOf('## 10. All vectors'))
  const named = new Set([...list.matchAll(/`([a-z0-9_.]+)`/g)].map(([, id]) => id))
  expect(named.size).toBeGreaterThan(50)
  expect([...named].filter((id) => !ids.has(id ?? ''))).toEqual([])
  expect(
    vectors.filter(
      (id) => /^[a-z_]+(\.|$)/.test(id ?? '') && isVector(id ?? '', text) && !named.has(id),
    ),
  ).toEqual([])
})

/** Ids also stand inside inputs; a vector's own is followed by its input. */
function isVector(id: string, text: string): boolean {
  return new RegExp(`"id": "${id.replaceAll('.', '\\.')}",\\s*"(?:assumes|input)"`).test(text)
}
