import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { CHECK_CODES } from '../../attestation/appraiser/codes.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import { filesOf } from '../../scripts/corpus/vector.ts'
import type { Vector } from '../../scripts/corpus/vector.ts'
import { transpile } from '../harness/transpile.ts'

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
  /** Files that do not hold what their generator makes. */
  changed(this: void, made: readonly Vector[]): string[]
}

export function openCorpus(kind: 'tdx' | 'gpu' | 'receipt'): PublishedCorpus {
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
    changed: (made) =>
      made.flatMap((vector) =>
        [...filesOf(vector)]
          .filter(([path, text]) => Buffer.from(published(path)).toString() !== text)
          .map(([path]) => path),
      ),
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

/** Of the commands, by verdict. */
export const EXIT_CODES: ReadonlyMap<string, number> = new Map([
  ['accepted-as-of', 0],
  ['rejected', 10],
  ['unsupported', 20],
  ['malformed', 30],
])

/** Every `step`th of them. */
export function sample(vectors: readonly PublishedVector[], step: number): PublishedVector[] {
  return vectors.filter((_vector, index) => index % step === 0)
}

const CODES: Readonly<Record<string, { readonly family: string }>> = CHECK_CODES

/** Vectors whose code nobody gives, or whose verdict is not the one that follows from the family of their code. */
export function unfitting(vectors: readonly PublishedVector[]): PublishedVector[] {
  return vectors.filter(({ verdict, code }) => {
    if (code === 'ok') return verdict !== 'accepted-as-of'
    const family = code === 'not_met' ? 'policy' : CODES[code]?.family
    if (family === undefined) return true
    return verdict !== (family === 'malformed' || family === 'unsupported' ? family : 'rejected')
  })
}

/** Codes of the tables in which no vector ends. */
export function unreached(
  vectors: readonly PublishedVector[],
  tables: readonly object[],
): string[] {
  const reached = new Set(vectors.map(({ code }) => code))
  return tables
    .flatMap((table) => Object.keys(table))
    .filter((code) => !reached.has(code))
    .toSorted()
}

export interface CorpusCommand {
  /** Judges the vector as a process of its own, which must end as it was published. */
  expectPublished(this: void, vector: PublishedVector): void
  remove(this: void): Promise<void>
}

/** @param name of the command, whose file exports `verb` */
export async function openCommand(name: string, verb: string): Promise<CorpusCommand> {
  const built = await transpile(`src/cli/${name}.ts`)
  const script = fileURLToPath(new URL(`run-${name}.mjs`, built.url))
  const imported = `import { ${verb} } from ${JSON.stringify(built.url)}`
  writeFileSync(script, `${imported}\nprocess.exitCode = await ${verb}()`)
  return {
    expectPublished({ input, verdict, code }) {
      const run = spawnSync(process.execPath, [script], { input, timeout: 20_000 })
      expect(run.stderr.toString()).toBe('')
      expect(run.status).toBe(EXIT_CODES.get(verdict))
      expect(JSON.parse(run.stdout.toString())).toMatchObject({ verdict, code })
    },
    remove: () => built.remove(),
  }
}
