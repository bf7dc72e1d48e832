/**
 * What an answer says, apart from how it was framed: the value behind the content digest, and what all kinds of it share.
 *
 * A streamed and a buffered answer, an SDK's parsed object and a body that a broker re-serialised give the same value,
 * so an answer can be checked where its bytes are gone. Each kind has an accumulator that takes the events of a stream
 * in order of arrival, or one buffered body.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import type { Sha256Digest } from './hex.ts'
import { canonicalize } from './jcs.ts'
import type { JsonObject } from './json.ts'
import { saltedDigest } from './salted-digest.ts'

/** Names listed in `uncovered`, and the length of one. */
export const MAX_UNCOVERED = 32
export const MAX_UNCOVERED_NAME = 128
/** Names remembered before they are sorted and cut. */
const MAX_UNCOVERED_SEEN = 1024

export const CONTENT_KINDS = [
  'chat/v1',
  'text/v1',
  'messages/v1',
  'responses/v1',
  'embeddings/v1',
] as const
export type ContentKind = (typeof CONTENT_KINDS)[number]

/** A canonical object; its other members depend on the kind. */
export interface Content {
  readonly kind: ContentKind
}

/**
 * covered: the digest speaks for everything said. partial: other non-null members were there, listed by name.
 * ambiguous: two members that mean the same disagree. none: not an answer of this kind. The last two have no digest.
 */
export type ContentStatus = 'covered' | 'partial' | 'ambiguous' | 'none'

export interface ContentSummary<C extends Content = Content> {
  readonly status: ContentStatus
  readonly content: C | null
  readonly uncovered: readonly string[]
}

/**
 * UTF-16 code units of all texts that an answer states, repetitions included. An answer beyond it has content `none`: whoever
 * reads it would have to hold all of it, and a string has an end.
 */
export const MAX_CONTENT_UNITS = 16 * 1024 * 1024

/** Counts the texts of one answer. */
export interface TextRoom {
  /** @returns whether there is room for this one too */
  take(text: string): boolean
}

export function createTextRoom(): TextRoom {
  let units = 0
  return { take: (text) => (units += text.length) <= MAX_CONTENT_UNITS }
}

/** Collects one answer: the events of a stream in order of arrival, or one buffered body. */
export abstract class ContentAccumulator<C extends Content = Content> {
  readonly #uncovered = new Set<string>()
  readonly #room = createTextRoom()
  /** Two members that mean the same disagree. */
  protected ambiguous = false
  /** Not an answer of this kind. */
  protected malformed = false

  /** Takes one parsed event, or the parsed body. Unexpected types make the content `none`. */
  abstract add(event: unknown): void

  /** How the answer ended, one for each part of it that ends by itself; null for one that has not. */
  abstract finishReasons(): (string | null)[]

  /** The canonical object, null where nothing was said. */
  protected abstract content(): C | null

  summarize(): ContentSummary<C> {
    const content = this.malformed ? null : this.content()
    if (content === null) return { status: 'none', content: null, uncovered: [] }
    if (this.ambiguous) return { status: 'ambiguous', content: null, uncovered: [] }
    const uncovered = [...this.#uncovered].sort().slice(0, MAX_UNCOVERED)
    return { status: uncovered.length === 0 ? 'covered' : 'partial', content, uncovered }
  }

  /** Notes a member that the digest does not speak for. */
  protected cover(name: string): void {
    if (this.#uncovered.size < MAX_UNCOVERED_SEEN) {
      this.#uncovered.add(name.toWellFormed().slice(0, MAX_UNCOVERED_NAME).toWellFormed())
    }
  }

  /** Notes every member of `object` that is neither null nor one of `known`. */
  protected coverRest(prefix: string, object: JsonObject, known: ReadonlySet<string>): void {
    for (const name in object) {
      if (!known.has(name) && object[name] !== null) this.cover(prefix + name)
    }
  }

  /** Absent and null are "". */
  protected text(value: unknown): string {
    const text = this.#read(value)
    if (this.#room.take(text)) return text
    this.malformed = true
    return ''
  }

  #read(value: unknown): string {
    if (value === undefined || value === null) return ''
    if (typeof value === 'string') return value
    this.malformed = true
    return ''
  }

  /** A member that is stated once; stated again it must agree. */
  protected once(known: string | null, value: unknown): string | null {
    const text = orNull(this.#read(value))
    if (text === null) return known
    if (known !== null && known !== text) this.ambiguous = true
    return known ?? text
  }

  /** Absent and null are no entries. */
  protected list(value: unknown): readonly unknown[] {
    if (value === undefined || value === null) return []
    if (Array.isArray(value)) return value as unknown[]
    this.malformed = true
    return []
  }
}

export function orNull(text: string | null): string | null {
  return text === '' ? null : text
}

export function isIndex(value: unknown, limit: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < limit
}

/** Values in order of their index. */
export function inOrder<T>(entries: ReadonlyMap<number, T>): readonly (readonly [number, T])[] {
  return [...entries].sort((a, b) => a[0] - b[0])
}

/** SHA-256(`countersign.content.v1` ‖ 0 ‖ salt ‖ JCS(content)); null where a text is not well-formed Unicode. */
export function contentDigest(
  content: Content,
  salt: Uint8Array,
  crypto: CryptoPort,
): Sha256Digest | null {
  let canonical: string
  try {
    canonical = canonicalize(content)
  } catch {
    return null
  }
  return saltedDigest('countersign.content.v1', salt, canonical, crypto)
}
