/**
 * Relays the list of models. One upstream that takes any model: its answer as it is. Otherwise the lists of those that
 * answer, merged: an upstream that is down hides its own models and no others, and a model that requests would not be
 * routed to does not appear.
 *
 * @module
 */
import type { ServerResponse } from 'node:http'
import type { ServiceErrorCode } from '../errors.ts'
import { InvalidModels, MODELS_MS, askBackend, isTimeout, readModels } from './ask-models.ts'
import type { ModelsAnswer } from './ask-models.ts'
import { replyError } from './reply.ts'
import type { Upstream, Upstreams } from './upstreams.ts'

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
