/**
 * A stand-in for dstack's guest agent: the same HTTP shape on a unix socket, with faults on request. `POST /<Method>`
 * with a JSON body or `GET /<Method>?name=value`, on tappd's socket `/prpc/Tappd.<Method>`; every failure is HTTP 400 with `{"error": "…"}`, the caller's and
 * the agent's own alike (dstack v0.5.11, 2026-05-11, `ra-rpc/src/{lib,rocket_helper}.rs`).
 *
 * @module
 */
import { chmodSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseJson } from '../../protocol/json.ts'
import type { JsonObject, JsonValue } from '../../protocol/json.ts'
import { AgentRefusal, answer } from './agent-methods.ts'
import { isAtLeast, methodOf } from './agent-releases.ts'
import type { AgentSurface } from './agent-releases.ts'
import type { SimulatedGuest } from './create-simulated-guest.ts'

/** Read anew for each request, so that a test can switch a fault on and off while the agent runs. */
export interface AgentFaults {
  /** Before each answer; for quotes inside the queue. */
  delayMs?: number
  /** This many requests are refused; counted down. */
  failNext?: number
  /** The answer is not JSON. */
  garbage?: boolean
  /** The connection closes after half of the answer. */
  closeMidAnswer?: boolean
  /** The answer is 101, as if a protocol had been asked for, and the connection ends. */
  switchProtocol?: boolean
  /** What answers is the agent of this guest, as when another app's socket was mounted. */
  otherGuest?: SimulatedGuest
  /** Told when a quote is asked for, and when it is made. */
  onQuote?: (begins: boolean) => void
  /** Quotes are made over these 64 bytes instead of what was asked. */
  reportData?: Uint8Array
}

export interface GuestAgentOptions {
  readonly socketPath: string
  /** Default: `tappd` for releases that have no other, else `dstack`. */
  readonly surface?: AgentSurface
  readonly faults?: AgentFaults
}

export interface RunningGuestAgent {
  /** Drops open connections and removes the socket. */
  close(): Promise<void>
}

const QUOTES: ReadonlySet<string> = new Set(['GetQuote', 'RawQuote', 'TdxQuote'])
const MAX_BODY_BYTES = 10 * 1024 * 1024
const KEEP_ALIVE_MS = 10_000
const OWNER_ONLY = 0o600
const SWITCHING = 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'
const UNSUPPORTED_BODY = 'the simulated agent reads JSON only: send Content-Type: application/json'

export async function startGuestAgent(
  guest: SimulatedGuest,
  options: GuestAgentOptions,
): Promise<RunningGuestAgent> {
  const faults = options.faults ?? {}
  const surface = options.surface ?? (isAtLeast(guest.release, '0.4.2') ? 'dstack' : 'tappd')
  // The TDX driver makes one quote at a time; each waits for the one before it.
  let lastQuote: Promise<unknown> = Promise.resolve()

  async function compute(method: string, request: JsonValue): Promise<JsonObject> {
    if (faults.delayMs !== undefined) await sleep(faults.delayMs)
    if (faults.failNext !== undefined && faults.failNext > 0) {
      faults.failNext--
      throw new AgentRefusal('simulated fault: backend failure')
    }
    return answer(faults.otherGuest ?? guest, surface, method, request, faults.reportData)
  }

  function call(method: string, request: JsonValue): Promise<JsonObject> {
    if (!QUOTES.has(method)) return compute(method, request)
    faults.onQuote?.(true)
    const quote = lastQuote
      .then(() => compute(method, request))
      .finally(() => faults.onQuote?.(false))
    lastQuote = quote.catch(() => undefined)
    return quote
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { path, body } = await read(request)
      const method = methodOf(surface, guest.release, path)
      if (method === null) throw new AgentRefusal('Service not found')
      send(response, 200, await call(method, body), faults)
    } catch (error) {
      const message = error instanceof AgentRefusal ? error.message : 'internal error'
      send(response, 400, { error: message }, {})
    }
  }

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    void handle(request, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.socketPath, resolve)
  })
  chmodSync(options.socketPath, OWNER_ONLY)
  return {
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)))
        server.closeAllConnections()
      }),
  }
}

/** @throws AgentRefusal */
async function read(request: IncomingMessage): Promise<{ path: string; body: JsonValue }> {
  const url = new URL(request.url ?? '/', 'http://agent')
  const path = url.pathname
  if (request.method === 'GET') return { path, body: Object.fromEntries(url.searchParams) }
  if (request.method !== 'POST') throw new AgentRefusal('Method not allowed')
  const type = request.headers['content-type'] ?? ''
  if (!type.startsWith('application/json') && !url.searchParams.has('json')) {
    throw new AgentRefusal(UNSUPPORTED_BODY)
  }
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_BODY_BYTES) throw new AgentRefusal('Request too large')
    chunks.push(chunk)
  }
  if (length === 0) return { path, body: {} }
  const parsed = parseJson(Buffer.concat(chunks))
  if (!parsed.ok) throw new AgentRefusal('Failed to parse request')
  return { path, body: parsed.value }
}

function send(
  response: ServerResponse,
  status: number,
  body: JsonObject,
  faults: AgentFaults,
): void {
  if (response.destroyed) return
  if (faults.switchProtocol === true) {
    response.socket?.end(SWITCHING)
    return
  }
  const text = faults.garbage === true ? '{"quote": 0x' : JSON.stringify(body)
  const bytes = Buffer.from(text, 'utf8')
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
  })
  if (faults.closeMidAnswer === true) {
    response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => response.destroy())
    return
  }
  response.end(bytes)
}
