/**
 * How a verifying client reaches a service: evidence over a connection of its own, whose other end is then judged with it, and
 * everything else, once the service was accepted and that connection was bound, over connections that end on the same keys.
 *
 * @module
 */
import { fetch as undiciFetch } from 'undici'
import type { Agent } from 'undici'
import type { ObservedChannel } from '../../attestation/appraiser/channel/judge-channel.ts'
import type { Keyset } from '../../attestation/protocol/keyset.ts'
import { readBytes } from '../client/bytes.ts'
import { getOnce } from './get-once.ts'
import { AGENT_LIMITS, ChannelError, createPinnedAgent } from './pinned-agent.ts'
import type { AgentLimits } from './pinned-agent.ts'

/** Base URLs that connections are kept for; the oldest go first. */
export const MAX_BOUND = 256

export type Channel = 'bound' | 'intermediary'

export interface Evidence {
  readonly status: number
  /** Null where it is longer than was asked for. */
  readonly body: Uint8Array | null
  /** What it came on; null where nobody could look. */
  readonly channel: ObservedChannel | null
}

export interface EvidenceRequest {
  readonly authorization: string | null
  readonly maxBytes: number
  readonly timeoutMs: number
  /** The connection is not used for another request: a balancer then chooses anew. */
  readonly once?: boolean
}

export interface Channels {
  /** A GET. Rejects where there is no answer. */
  evidence(url: string, request: EvidenceRequest): Promise<Evidence>
  /** @param keyset what was accepted, over a connection that was bound; null: over one that was not */
  bind(base: string, keyset: Keyset | null): void
  /** By what a request to that URL would go now. */
  of(url: string): Channel
  /**
   * A `fetch` over what {@link Channels.of} says.
   *
   * Rejects with a {@link ChannelError} (or one that has it as a cause) before anything is sent, where the other end is not the
   * enclave any more, or was not known to be and is demanded.
   */
  readonly fetch: typeof fetch
  close(): Promise<void>
}

export interface ChannelOptions {
  /** By which everything goes that is not bound. */
  readonly fetch: typeof fetch
  /** Whether connections are made and looked at here; without it nothing is ever bound. */
  readonly observes: boolean
  /** `bound`: nothing is sent over a connection that is not, but the request for evidence, without credentials. */
  readonly demand: 'any' | 'bound'
  /** Unix seconds. */
  readonly now: () => number
  readonly limits?: AgentLimits
}

interface Bound {
  readonly keyset: Keyset
  /** What its keys are, as text. */
  readonly pins: string
  readonly agent: Agent
}

type Sent = NonNullable<Parameters<typeof undiciFetch>[1]>

/** What of a call goes over a bound connection. */
async function toSend(
  input: Parameters<typeof fetch>[0],
  init: NonNullable<Parameters<typeof fetch>[1]>,
): Promise<readonly [string, Sent]> {
  // A copy: whoever asks may have to send it again, over something else.
  const request = new Request(input instanceof Request ? input.clone() : input, init)
  const body = request.body === null ? null : new Uint8Array(await request.arrayBuffer())
  const { method, headers, signal, url } = request
  return [url, { method, headers: [...headers], signal, ...(body === null ? {} : { body }) }]
}

async function unobserved(
  { fetch, demand }: ChannelOptions,
  url: string,
  { authorization, maxBytes, timeoutMs, once }: EvidenceRequest,
): Promise<Evidence> {
  const credentials = authorization === null || demand === 'bound' ? {} : { authorization }
  const response = await fetch(url, {
    headers: {
      accept: 'application/json',
      ...credentials,
      ...(once === true ? { connection: 'close' } : {}),
    },
    signal: AbortSignal.timeout(timeoutMs),
  })
  const channel: ObservedChannel | null = url.startsWith('http:') ? { kind: 'plain' } : null
  const { status, body } = response
  if (status !== 200) {
    await body?.cancel()
    return { status, body: new Uint8Array(0), channel }
  }
  return { status, body: await readBytes(response, maxBytes), channel }
}

export function openChannels(options: ChannelOptions): Channels {
  const { observes, demand, now, limits = AGENT_LIMITS } = options
  const bound = new Map<string, Bound>()

  const forget = (base: string): void => {
    const known = bound.get(base)
    bound.delete(base)
    // Answers that are under way come to their end.
    void known?.agent.close().catch(() => undefined)
  }

  const find = (url: string): Bound | null => {
    let found: string | null = null
    for (const base of bound.keys()) {
      const below = url.startsWith(`${base}/`)
      if (below && (found === null || base.length > found.length)) found = base
    }
    const known = found === null ? undefined : bound.get(found)
    return known !== undefined && now() <= known.keyset.not_after ? known : null
  }

  return {
    async evidence(url, request) {
      if (!observes || !url.startsWith('https:')) return unobserved(options, url, request)
      const { authorization, maxBytes, timeoutMs } = request
      const shared = { maxBytes, timeoutMs }
      const headers = { accept: 'application/json' }
      // Without credentials: it is not known yet who is at the other end.
      const first = await getOnce(url, { ...shared, headers })
      const wanted = first.status === 401 || first.status === 403
      if (!wanted || authorization === null || demand === 'bound') return first
      // A broker that wants to know who asks is shown the credential as it always was: by WebPKI.
      return getOnce(url, {
        ...shared,
        headers: { ...headers, authorization },
        certificate: 'webpki',
      })
    },
    bind(base, keyset) {
      const known = bound.get(base)
      if (keyset === null || !observes) {
        forget(base)
        return
      }
      const pins = JSON.stringify(keyset.tls_public_keys)
      if (known?.pins !== pins) forget(base)
      const agent =
        known?.pins === pins ? known.agent : createPinnedAgent(keyset.tls_public_keys, limits)
      bound.delete(base)
      bound.set(base, { keyset, pins, agent })
      const oldest = bound.keys().next().value
      if (bound.size > MAX_BOUND && oldest !== undefined) forget(oldest)
    },
    of: (url) => (find(url) === null ? 'intermediary' : 'bound'),
    async fetch(input, init = {}) {
      const known = find(input instanceof Request ? input.url : String(input))
      if (known !== null) {
        const [url, sent] = await toSend(input, init)
        // A redirect points to somebody who was not looked at.
        return undiciFetch(url, { ...sent, redirect: 'manual', dispatcher: known.agent })
      }
      if (demand === 'bound') throw new ChannelError()
      return options.fetch(input, init)
    },
    async close() {
      await Promise.all([...bound.values()].map(({ agent }) => agent.destroy()))
      bound.clear()
    },
  }
}
