/**
 * One list of models from one address of an upstream, within bounds.
 *
 * @module
 */
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { Backend, Upstream } from './upstreams.ts'

/** Bytes of one upstream's list. */
export const MAX_MODELS_BYTES = 1024 * 1024
/** Models of one upstream's list. */
export const MAX_MODELS = 1024
/** Milliseconds for one upstream to answer. */
export const MODELS_MS = 10_000

export interface ModelsAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: Buffer
}

/** What an upstream sent is no list of models. */
export class InvalidModels extends Error {
  override readonly name = 'InvalidModels'
}

/** @throws InvalidModels, or what undici throws */
export async function askBackend(backend: Backend, left: AbortSignal): Promise<ModelsAnswer> {
  const { statusCode, headers, body } = await backend.modelsPool.request({
    path: '/v1/models',
    method: 'GET',
    headers: { accept: 'application/json' },
    headersTimeout: MODELS_MS,
    bodyTimeout: MODELS_MS,
    signal: left,
  })
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.length
    if (size > MAX_MODELS_BYTES) throw new InvalidModels('too large')
    chunks.push(chunk)
  }
  // A redirect would move the question to a place that nobody configured.
  if (statusCode >= 300 && statusCode < 400) throw new InvalidModels('a redirect')
  const type = headers['content-type']
  return {
    status: statusCode,
    contentType: typeof type === 'string' ? type : 'application/json',
    body: Buffer.concat(chunks),
  }
}

export interface Model {
  readonly id: string
  readonly entry: object
}

/** The models of one list that requests are routed to its upstream for. */
export function readModels(
  upstream: Pick<Upstream, 'models'>,
  answer: ModelsAnswer,
): readonly Model[] {
  const parsed = parseJson(answer.body)
  if (answer.status !== 200 || !parsed.ok || !isJsonObject(parsed.value)) {
    throw new InvalidModels('no answer that can be read')
  }
  const { data } = parsed.value
  if (!Array.isArray(data) || data.length > MAX_MODELS) throw new InvalidModels('no list')
  const models: Model[] = []
  for (const entry of data as readonly unknown[]) {
    if (typeof entry !== 'object' || entry === null || !('id' in entry)) {
      throw new InvalidModels('a model without an id')
    }
    if (typeof entry.id !== 'string') throw new InvalidModels('a model without an id')
    models.push({ id: entry.id, entry })
  }
  return upstream.models.length === 0
    ? models
    : models.filter(({ id }) => upstream.models.includes(id))
}

/** Ours, or undici's for headers or body: whichever fires first. */
export function isTimeout(error: unknown): boolean {
  return (
    error instanceof Error &&
    ['TimeoutError', 'HeadersTimeoutError', 'BodyTimeoutError'].includes(error.name)
  )
}
