/** The vectors of content: one answer each, in every framing that says the same. */
import { readFileSync, readdirSync } from 'node:fs'
import { CONTENT_KINDS } from '../../attestation/protocol/content.ts'
import type { ContentKind } from '../../attestation/protocol/content.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'

export const CONTENT_CORPUS = new URL('./content/', import.meta.url)

export interface Framing {
  readonly name: string
  readonly form: 'body' | 'stream'
  /** As it arrived, piece by piece. */
  readonly pieces: readonly Buffer[]
  readonly bytes: Buffer
}

export interface ContentVector {
  readonly name: string
  readonly title: string
  readonly kind: ContentKind
  readonly opening: Buffer
  readonly framings: readonly Framing[]
  readonly expected: {
    readonly status: string
    readonly uncovered: readonly string[]
    /** RFC 8785. */
    readonly text: string | null
    readonly digest: string | null
  }
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Error('a vector lacks a text')
  return value
}

function framing(value: unknown): Framing {
  if (!isJsonObject(value)) throw new Error('a framing is no object')
  const { name, form, cuts = [] } = value
  const bytes =
    value['base64'] === undefined
      ? Buffer.from(text(value['text']))
      : Buffer.from(text(value['base64']), 'base64')
  const ends = [0, ...(cuts as readonly number[]), bytes.length]
  const pieces = ends.slice(1).map((end, at) => bytes.subarray(ends[at], end))
  if (form !== 'body' && form !== 'stream') throw new Error('a framing has no form')
  return { name: text(name), form, pieces, bytes }
}

function load(file: string): ContentVector {
  const value: unknown = JSON.parse(readFileSync(new URL(file, CONTENT_CORPUS), 'utf8'))
  if (!isJsonObject(value)) throw new Error(`${file} is no object`)
  const kind = CONTENT_KINDS.find((each) => each === value['kind'])
  if (kind === undefined) throw new Error(`${file} has no kind`)
  return {
    name: file.replace(/\.json$/, ''),
    title: text(value['title']),
    kind,
    opening: Buffer.from(text(value['opening']), 'hex'),
    framings: (value['framings'] as readonly unknown[]).map(framing),
    expected: value['expected'] as ContentVector['expected'],
  }
}

export const CONTENT_VECTORS: readonly ContentVector[] = readdirSync(CONTENT_CORPUS)
  .filter((file) => file.endsWith('.json'))
  .toSorted()
  .map(load)
