/**
 * Relays the list of models: one upstream's answer as it is, several merged.
 *
 * @module
 */
import type { ServerResponse } from 'node:http'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { ServiceErrorCode } from '../errors.ts'
import { replyError } from './reply.ts'
import type { Upstream, Upstreams } from './upstreams.ts'

/** Bytes of one upstream's list. */
export const MAX_MODELS_BYTES = 1024 * 1024
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

async function fetchModels(upstream: Upstream, left: AbortSignal): Promise<ModelsAnswer> {
  const { statusCode, headers, body } = await upstream.pool.request({
    path: '/v1/models',
    method: 'GET',
    headers: { accept: 'application/json' },
    headersTimeout: MODELS_MS,
    bodyTimeout: MODELS_MS,
    signal: AbortSignal.any([left, AbortSignal.timeout(MODELS_MS)]),
  })
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.length
    if (size > MAX_MODELS_BYTES) throw new InvalidModels('too large')
    chunks.push(chunk)
  }
  const type = headers['content-type']
  return {
    status: statusCode,
    contentType: typeof type === 'string' ? type : 'application/json',
    body: Buffer.concat(chunks),
  }
}

function merge(answers: readonly ModelsAnswer[]): Buffer | null {
  const data: unknown[] = []
  for (const answer of answers) {
    const parsed = parseJson(answer.body)
    if (answer.status !== 200 || !parsed.ok || !isJsonObject(parsed.value)) return null
    const list = parsed.value['data']
    if (!Array.isArray(list)) return null
    data.push(...(list as unknown[]))
  }
  return Buffer.from(JSON.stringify({ object: 'list', data }))
}

/** Ours, or undici's for headers or body: whichever fires first. */
function isTimeout(error: unknown): boolean {
  return (
    error instanceof Error &&
    ['TimeoutError', 'HeadersTimeoutError', 'BodyTimeoutError'].includes(error.name)
  )
}

export interface ModelsOptions {
  readonly upstreams: Upstreams
  readonly headers: readonly string[]
}

export function relayModels(options: ModelsOptions, res: ServerResponse, done: () => void): void {
  const left = new AbortController()
  const leave = () => left.abort()
  res.once('close', leave)
  const answer = async (): Promise<ModelsAnswer> => {
    const answers = await Promise.all(
      options.upstreams.all.map((upstream) => fetchModels(upstream, left.signal)),
    )
    const [only] = answers
    if (answers.length === 1 && only !== undefined) return only
    const body = merge(answers)
    if (body === null) throw new InvalidModels('not a list')
    return { status: 200, contentType: 'application/json', body }
  }
  const fail = (code: ServiceErrorCode) => {
    if (!res.headersSent) replyError(res, code, options.headers)
  }
  answer()
    .then(
      ({ status, contentType, body }) => {
        if (status >= 300 && status < 400) {
          fail('upstream_invalid')
          return
        }
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
        if (error instanceof InvalidModels) fail('upstream_invalid')
        else fail(isTimeout(error) ? 'upstream_timeout' : 'upstream_unreachable')
      },
    )
    .finally(() => {
      res.off('close', leave)
      done()
    })
}
