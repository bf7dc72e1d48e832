import { readdirSync, readFileSync } from 'node:fs'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'

export const CORPUS = new URL('tdx/', import.meta.url)

export interface PublishedVector {
  readonly id: string
  readonly input: Uint8Array
  readonly verdict: string
  readonly code: string
}

export function published(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(path, CORPUS)))
}

/** Ids of the vectors as they lie in the repository. */
export function publishedIds(): string[] {
  return readdirSync(CORPUS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted()
}

export function publishedVectors(): PublishedVector[] {
  return publishedIds().map((id) => {
    const parsed = parseJsonText(readFileSync(new URL(`${id}/expected.json`, CORPUS), 'utf8'))
    if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error(`${id}/expected.json`)
    const { verdict, code } = parsed.value
    if (typeof verdict !== 'string' || typeof code !== 'string') throw new Error(id)
    return { id, input: published(`${id}/input.json`), verdict, code }
  })
}
