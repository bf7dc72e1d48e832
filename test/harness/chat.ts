/** Chat requests by plain HTTP and by raw socket, for tests that look at bytes, headers and endings. */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { MODEL, bearer } from './service.ts'
import type { TOKENS, TestService } from './service.ts'
import { ask } from './zg-upstream.ts'
import type { Reply } from './zg-upstream.ts'

export interface ChatHow {
  readonly who?: keyof typeof TOKENS
  readonly headers?: readonly (readonly [string, string])[]
  readonly query?: string
  readonly path?: string
}

export function chatBody(content: string, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ model: MODEL, messages: [{ role: 'user', content }], seed: 7, ...more })
}

/** Asks and reads the answer to its end, however it ends. */
export function chat(at: TestService, body: string | Buffer, how: ChatHow = {}): Promise<Reply> {
  return ask(`${at.url}${how.path ?? '/v1/chat/completions'}${how.query ?? ''}`, {
    method: 'POST',
    body,
    headers: [['content-type', 'application/json'], bearer(how.who), ...(how.headers ?? [])],
  })
}

export function get(at: TestService, path: string, how: ChatHow = {}): Promise<Reply> {
  return ask(`${at.url}${path}`, {
    headers: [...(how.who === undefined ? [] : [bearer(how.who)]), ...(how.headers ?? [])],
  })
}

/** Asks the listener for health and metrics. */
export function getOperations(at: TestService, path: string): Promise<Reply> {
  const { operations } = at.service
  if (operations === null) throw new Error('started without { operations: true }')
  return ask(`${operations.url}${path}`)
}

export function header(reply: Reply, name: string): string {
  const value = reply.headers[name]
  if (typeof value !== 'string') throw new Error(`no ${name}`)
  return value
}

export function jsonObject(bytes: Uint8Array | string): JsonObject {
  const parsed = parseJson(typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error('not a JSON object')
  return parsed.value
}

/** The `error.code` of an answer in OpenAI's shape, all of whose members are there. */
export function errorCode(reply: { readonly body: Buffer }): unknown {
  const { error } = jsonObject(reply.body)
  if (!isJsonObject(error)) throw new Error('no error object')
  const { code, message, param, type } = error
  if (typeof message !== 'string' || typeof type !== 'string' || param === undefined) {
    throw new Error('not the shape of OpenAI')
  }
  return code
}

/** Bytes of a POST request, whole. */
export function rawChat(body: string, headers: readonly string[] = []): Buffer {
  const [name, value] = bearer()
  return Buffer.from(
    [
      'POST /v1/chat/completions HTTP/1.1',
      'host: test',
      `${name}: ${value}`,
      'content-type: application/json',
      `content-length: ${String(Buffer.byteLength(body))}`,
      ...headers,
      '',
      body,
    ].join('\r\n'),
  )
}

/** One connection, bytes as they come. */
export interface RawConnection {
  readonly socket: Socket
  readonly received: () => string
  /** Resolves at the very event in which the text is complete. Rejects when the connection closes before. */
  until(text: string | RegExp, from?: number): Promise<void>
  /** Resolves when the connection has closed. */
  readonly closed: Promise<void>
}

export async function openRaw(port: number, ...bytes: readonly Buffer[]): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  const looking = new Set<() => void>()
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      resolve()
    })
  })
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    for (const look of looking) look()
  })
  await once(socket, 'connect')
  for (const piece of bytes) socket.write(piece)
  return {
    socket,
    closed,
    received: () => text,
    until: (wanted, from = 0) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found =
            typeof wanted === 'string' ? text.includes(wanted, from) : wanted.test(text.slice(from))
          if (!found) return
          looking.delete(look)
          resolve()
        }
        looking.add(look)
        void closed.then(() => {
          if (looking.delete(look)) reject(new Error(`closed before ${String(wanted)}`))
        })
        look()
      }),
  }
}
