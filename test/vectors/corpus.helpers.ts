import { readdirSync, readFileSync } from 'node:fs'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'

export interface PublishedVector {
  readonly id: string
  readonly input: Uint8Array
  readonly verdict: string
  readonly code: string
}

export interface PublishedCorpus {
  readonly folder: URL
  published(this: void, path: string): Uint8Array
  /** Ids of the vectors as they lie in the repository. */
  publishedIds(this: void): string[]
  publishedVectors(this: void): PublishedVector[]
}

export function openCorpus(kind: 'tdx' | 'gpu'): PublishedCorpus {
  const folder = new URL(`${kind}/`, import.meta.url)
  const published = (path: string): Uint8Array =>
    new Uint8Array(readFileSync(new URL(path, folder)))
  const publishedIds = (): string[] =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .toSorted()
  return {
    folder,
    published,
    publishedIds,
    publishedVectors: () =>
      publishedIds().map((id) => {
        const text = Buffer.from(published(`${id}/expected.json`)).toString('utf8')
        const parsed = parseJsonText(text)
        if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error(`${id}/expected.json`)
        const { verdict, code } = parsed.value
        if (typeof verdict !== 'string' || typeof code !== 'string') throw new Error(id)
        return { id, input: published(`${id}/input.json`), verdict, code }
      }),
  }
}
