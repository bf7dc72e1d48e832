/**
 * Relays the list of models. One upstream that takes any model: its answer as it is. Otherwise the lists of those that
 * answer, merged: an upstream that is down hides its own models and no others, and a model that requests would not be
 * routed to does not appear.
 *
 * @module
 */
import type { ServerResponse } from 'node:http'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { ServiceErrorCode } from '../errors.ts'
import { replyError } from './reply.ts'
import type { Backend, Upstream, Upstreams } from './upstreams.ts'

/** Bytes of one upstream's list. */
export const MAX_MODELS_BYTES = 1024 * 1024
/** Models of one upstream's list. */
export const MAX_MODELS = 1024
/** Milliseconds for one upstream to answer. */
export const MODELS_MS = 10_000

interface ModelsAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: Buffer
}

/** What an upstream sent is no list of models. */
class InvalidModels extends Error {
  override readonly name = 'InvalidModels'
}

async function askBackend(backend: Backend, left: AbortSignal): Promise<ModelsAnswer> {
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

/** The first of its addresses that can be reached; those that may be used first. All within one time. */
async function askUpstream(upstream: Upstream, left: AbortSignal): Promise<ModelsAnswer> {
  const signal = AbortSignal.any([left, AbortSignal.timeout(MODELS_MS)])
  const backends = upstream.backends.toSorted(
    (a, b) => Number(b.health.usable) - Number(a.health.usable),
  )
  let last: unknown = new InvalidModels('no address')
  for (const backend of backends) {
    try {
      return await askBackend(backend, signal)
    } catch (error) {
      last = error
      if (signal.aborted || error instanceof InvalidModels) break
    }
  }
  throw last
}

interface Model {
  readonly id: string
  readonly entry: object
}

/** The models of one list that requests are routed to its upstream for. */
function readModels(upstream: Upstream, answer: ModelsAnswer): readonly Model[] {
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

async function askAll(upstreams: Upstreams, left: AbortSignal): Promise<ModelsAnswer> {
  const { all } = upstreams
  const [only] = all
  if (all.length === 1 && only?.models.length === 0) return askUpstream(only, left)
  const lists = await Promise.allSettled(
    all.map(async (upstream) => readModels(upstream, await askUpstream(upstream, left))),
  )
  const failed = lists.filter((list) => list.status === 'rejected')
  if (failed.length === all.length) throw failed[0]?.reason
  const byId = new Map<string, object>()
  for (const [index, list] of lists.entries()) {
    if (list.status === 'rejected') continue
    for (const { id, entry } of list.value) {
      if (upstreams.forModel(id) === all[index]) byId.set(id, entry)
    }
  }
  const body = Buffer.from(JSON.stringify({ object: 'list', data: [...byId.values()] }))
  return { status: 200, contentType: 'application/json', body }
}

/** Ours, or undici's for headers or body: whichever fires first. */
function isTimeout(error: unknown): boolean {
  return (
    error instanceof Error &&
    ['TimeoutError', 'HeadersTimeoutError', 'BodyTimeoutError'].includes(error.name)
  )
}

function codeOf(error: unknown): ServiceErrorCode {
  if (error instanceof InvalidModels) return 'upstream_invalid'
  return isTimeout(error) ? 'upstream_timeout' : 'upstream_unreachable'
}

export interface ModelsOptions {
  readonly upstreams: Upstreams
  readonly headers: readonly string[]
}

export function relayModels(options: ModelsOptions, res: ServerResponse, done: () => void): void {
  const left = new AbortController()
  const leave = () => left.abort()
  res.once('close', leave)
  askAll(options.upstreams, left.signal)
    .then(
      ({ status, contentType, body }) => {
        if (res.headersSent) return
        res.writeHead(status, [
          ...options.headers,
          'Content-Type',
          contentType,
          'Content-Length',
          String(body.length),
        ])
        res.end(body)
      },
      (error: unknown) => {
        if (!res.headersSent) replyError(res, codeOf(error), options.headers)
      },
    )
    .finally(() => {
      res.off('close', leave)
      done()
    })
}
