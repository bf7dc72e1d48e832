/**
 * One call to dstack's guest agent: `POST /<Method>` with JSON over a unix socket (dstack v0.3.6 to v0.5.11,
 * 2026-05-11). Own code because the published JavaScript SDK (0.5.8) counts characters as bytes and never looks at the HTTP status.
 *
 * @module
 */
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { awaitAnswer, NoAnswer } from '../../http/await-answer.ts'
import { readAnswer as readBody } from '../../http/read-answer.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { GuestAgentError } from './guest-agent-error.ts'

/** For the whole call, its retries included. A quote waits behind all quotes asked for before it. */
export const AGENT_DEADLINE_MS = 30_000
/** An answer may be this long; the agent's own limit. */
export const MAX_AGENT_ANSWER_BYTES = 10 * 1024 * 1024
/** Before the first retry; doubled before each further one. */
export const AGENT_RETRY_PAUSE_MS = 100
/** Of a call that the agent refused: its passing faults look like refusals, and so does everything it will never do. */
export const AGENT_RETRIES = 1
/** Of a quote: the driver makes one at a time and says that it is busy to whoever asks meanwhile. */
export const QUOTE_RETRIES = 4

const MAX_ERROR_TEXT = 200
/** Long enough to leave sizes and ids readable, too short for a key or a seed. */
const LONG_HEX = /[0-9a-fA-F]{16,}/g

export interface AgentCallOptions {
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Default {@link AGENT_DEADLINE_MS}. */
  readonly deadlineMs?: number
  /** Default {@link AGENT_RETRIES}. */
  readonly retries?: number
}

export interface AgentAnswer {
  /** The body as received. */
  readonly text: string
  readonly value: JsonObject
}

interface Exchange {
  readonly status: number
  readonly body: Buffer
}

/**
 * @param method e.g. `GetQuote`, or below tappd's service `prpc/Tappd.RawQuote`
 * @param request sent as UTF-8 JSON
 * @throws GuestAgentError `agent_unreachable`, `agent_denied`, `agent_timeout`, `agent_refused` or `agent_malformed`
 */
export async function callGuestAgent(
  socketPath: string,
  method: string,
  request: JsonObject,
  options: AgentCallOptions = {},
): Promise<AgentAnswer> {
  // A timer that holds the process: that of AbortSignal.timeout lets it end in the middle of a call.
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), options.deadlineMs ?? AGENT_DEADLINE_MS)
  const deadline = late.signal
  const signal =
    options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline])
  const body = Buffer.from(JSON.stringify(request), 'utf8')
  const attempt = async (): Promise<AgentAnswer> =>
    readAnswer(method, await exchange(socketPath, method, body, signal))
  try {
    for (let left = options.retries ?? AGENT_RETRIES, pause = AGENT_RETRY_PAUSE_MS; ; left--) {
      try {
        return await attempt()
      } catch (error) {
        if (left <= 0 || !worthRetrying(error)) throw error
      }
      await sleep(pause, undefined, { signal })
      pause *= 2
    }
  } catch (error) {
    options.signal?.throwIfAborted()
    if (deadline.aborted) {
      throw new GuestAgentError(
        'agent_timeout',
        `${method}: the guest agent did not answer in time`,
      )
    }
    if (error instanceof GuestAgentError) throw error
    const reason = systemCode(error)
    const denied = reason === 'EACCES' || reason === 'EPERM'
    throw new GuestAgentError(
      denied ? 'agent_denied' : 'agent_unreachable',
      `${method}: guest agent unreachable (${reason})`,
    )
  } finally {
    clearTimeout(timer)
  }
}

/** The agent answers 400 for its own passing faults too, its restart cuts connections, and a full queue gives EAGAIN. */
function worthRetrying(error: unknown): boolean {
  if (error instanceof GuestAgentError) return error.code === 'agent_refused'
  return systemCode(error) === 'ECONNRESET' || systemCode(error) === 'EAGAIN'
}

function systemCode(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return 'unknown'
  return typeof error.code === 'string' ? error.code : 'unknown'
}

async function exchange(
  socketPath: string,
  method: string,
  body: Buffer,
  signal: AbortSignal,
): Promise<Exchange> {
  const outgoing = httpRequest({
    socketPath,
    path: `/${method}`,
    method: 'POST',
    // One connection per call: the agent drops idle ones, and a call on a dropped one would look like a fault.
    agent: false,
    signal,
    headers: {
      host: 'dstack',
      'content-type': 'application/json',
      accept: 'application/json',
      'content-length': body.length,
    },
  })
  const answered = awaitAnswer(outgoing, signal)
  outgoing.end(body)
  let response: IncomingMessage
  try {
    response = await answered
  } catch (error) {
    if (!(error instanceof NoAnswer) || error.code === 'closed_unanswered') throw error
    throw new GuestAgentError('agent_malformed', `${method}: no HTTP answer (${error.code})`)
  }
  const read = await readBody(response, MAX_AGENT_ANSWER_BYTES)
  if (read === null) {
    const message = `${method}: the answer is longer than ${MAX_AGENT_ANSWER_BYTES} bytes`
    throw new GuestAgentError('agent_malformed', message)
  }
  return { status: response.statusCode ?? 0, body: read }
}

function readAnswer(method: string, { status, body }: Exchange): AgentAnswer {
  const parsed = parseJson(body)
  const value = parsed.ok && isJsonObject(parsed.value) ? parsed.value : null
  const refusal = value?.['error']
  if (status !== 200 || refusal !== undefined) {
    const text = typeof refusal === 'string' ? safeText(refusal) : 'no reason given'
    throw new GuestAgentError('agent_refused', `${method}: HTTP ${status}: ${text}`)
  }
  if (value === null) {
    const fault = parsed.ok ? 'not a JSON object' : parsed.fault
    throw new GuestAgentError('agent_malformed', `${method}: the answer is malformed (${fault})`)
  }
  return { text: body.toString('utf8'), value }
}

/** The agent's error text as it may stand in a log: printable ASCII, short, no long hex. */
function safeText(text: string): string {
  return text
    .slice(0, MAX_ERROR_TEXT)
    .replace(LONG_HEX, '<hex>')
    .replace(/[^\x20-\x7e]/g, ' ')
}
