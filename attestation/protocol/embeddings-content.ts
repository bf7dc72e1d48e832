/**
 * Content of an embeddings answer (`POST /v1/embeddings`), kind `embeddings/v1`: one digest for each vector.
 *
 * Numbers are taken as IEEE 754 doubles, little-endian, so an answer in JSON numbers and one in base64 (single precision,
 * little-endian, as the OpenAI clients ask for and read) agree where they hold the same values: every single is a double.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import { decodeBase64 } from './base64.ts'
import { ContentAccumulator, inOrder, isIndex } from './content.ts'
import { toSha256Digest } from './hex.ts'
import type { Sha256Digest } from './hex.ts'
import { isJsonObject } from './json.ts'

/** Vectors in one answer, and numbers in one vector. */
export const MAX_VECTORS = 16_384
export const MAX_DIMENSIONS = 65_536

export interface EmbeddingVector {
  readonly dimensions: number
  readonly index: number
  /** SHA-256 of the numbers as doubles, little-endian; -0 is 0. */
  readonly vector: Sha256Digest
}

export interface EmbeddingsContent {
  readonly data: readonly EmbeddingVector[]
  readonly kind: 'embeddings/v1'
}

/** Members that say how an answer was made, framed or counted, not what it says. */
const FRAMING = new Set(['id', 'object', 'created', 'model', 'usage', 'data'])
const ENTRY_MEMBERS = new Set(['embedding', 'index', 'object'])

function fromNumbers(values: readonly unknown[]): Uint8Array | null {
  if (values.length > MAX_DIMENSIONS) return null
  const out = new DataView(new ArrayBuffer(values.length * 8))
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value !== 'number' || !Number.isFinite(value)) return null
    // JSON texts of -0 differ from reader to reader; adding 0 makes it 0.
    out.setFloat64(i * 8, value + 0, true)
  }
  return new Uint8Array(out.buffer)
}

function fromBase64(text: string): Uint8Array | null {
  const bytes = decodeBase64(text)
  if (bytes === null || bytes.length % 4 !== 0) return null
  const count = bytes.length / 4
  if (count > MAX_DIMENSIONS) return null
  const singles = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const values = Array.from({ length: count }, (_, i) => singles.getFloat32(i * 4, true))
  return fromNumbers(values)
}

/** @returns the doubles of one `embedding` member, or null where it is neither numbers nor base64 of singles */
function readVector(embedding: unknown): Uint8Array | null {
  if (typeof embedding === 'string') return fromBase64(embedding)
  return Array.isArray(embedding) ? fromNumbers(embedding as unknown[]) : null
}

export class EmbeddingsAccumulator extends ContentAccumulator<EmbeddingsContent> {
  readonly #crypto: CryptoPort
  readonly #vectors = new Map<number, EmbeddingVector>()

  constructor(crypto: CryptoPort) {
    super()
    this.#crypto = crypto
  }

  add(event: unknown): void {
    if (!isJsonObject(event)) {
      this.malformed = true
      return
    }
    this.coverRest('', event, FRAMING)
    for (const entry of this.list(event['data'])) this.#addEntry(entry)
  }

  /** Vectors do not end by themselves. */
  finishReasons(): (string | null)[] {
    return []
  }

  get vectors(): number {
    return this.#vectors.size
  }

  protected content(): EmbeddingsContent | null {
    if (this.#vectors.size === 0) return null
    return { data: inOrder(this.#vectors).map(([, vector]) => vector), kind: 'embeddings/v1' }
  }

  #addEntry(entry: unknown): void {
    const index = isJsonObject(entry) ? entry['index'] : undefined
    const bytes = isJsonObject(entry) ? readVector(entry['embedding']) : null
    if (
      !isJsonObject(entry) ||
      bytes === null ||
      !isIndex(index, MAX_VECTORS) ||
      this.#vectors.has(index)
    ) {
      this.malformed = true
      return
    }
    this.coverRest('data.', entry, ENTRY_MEMBERS)
    const vector = toSha256Digest(this.#crypto.sha256(bytes))
    this.#vectors.set(index, { dimensions: bytes.length / 8, index, vector })
  }
}
