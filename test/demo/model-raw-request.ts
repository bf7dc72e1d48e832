/** A client that sees the bytes: one request on one connection, without any HTTP library in between. */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { DemoModel } from '../../src/demo/model/start-demo-model.ts'

export interface RawReply {
  readonly status: number
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>
  /** The body with HTTP chunk framing removed. */
  readonly body: Buffer
  /** The last HTTP chunk or the declared length has arrived. */
  readonly isWhole: boolean
  /** Payloads of the HTTP chunks, in order; one for a declared length. */
  readonly chunks: readonly Buffer[]
  readonly end: 'fin' | 'reset' | 'left'
  readonly openedAt: number
  readonly firstByteAt: number
}

export interface RawOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Leave (destroy the socket) as soon as this many bytes have come, or after so many milliseconds. */
  readonly leaveAfterBytes?: number
  readonly leaveAfterMs?: number
  readonly path?: string
  readonly method?: string
}

/** Sends a chat request and reads until the connection closes. */
export function rawRequest(
  model: DemoModel,
  body: unknown,
  options: RawOptions = {},
): Promise<RawReply> {
  const payload = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const { method = 'POST', path = '/v1/chat/completions' } = options
  const headers = {
    host: 'demo',
    connection: 'close',
    'content-type': 'application/json',
    'content-length': String(payload.length),
    ...options.headers,
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const openedAt = performance.now()
  return new Promise((resolve) => {
    const socket: Socket =
      model.socketPath === null
        ? connect(model.port, '127.0.0.1')
        : connect({ path: model.socketPath })
    const reads: Buffer[] = []
    let firstByteAt = NaN
    let end: RawReply['end'] = 'fin'
    socket.on('data', (bytes) => {
      if (reads.length === 0) firstByteAt = performance.now()
      reads.push(bytes)
      const length = reads.reduce((sum, read) => sum + read.length, 0)
      if (options.leaveAfterBytes !== undefined && length >= options.leaveAfterBytes) leave()
    })
    socket.on('error', () => {
      end = 'reset'
    })
    socket.on('close', () => {
      resolve({ ...parseReply(Buffer.concat(reads)), end, openedAt, firstByteAt })
    })
    if (options.leaveAfterMs !== undefined) setTimeout(leave, options.leaveAfterMs)
    socket.write(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n`)
    socket.write(payload)

    function leave(): void {
      end = 'left'
      socket.destroy()
    }
  })
}

function parseReply(bytes: Buffer): Omit<RawReply, 'end' | 'openedAt' | 'firstByteAt'> {
  const border = bytes.indexOf('\r\n\r\n')
  if (border === -1) {
    return { status: 0, headers: new Map(), body: Buffer.alloc(0), isWhole: false, chunks: [] }
  }
  const lines = bytes.subarray(0, border).toString('latin1').split('\r\n')
  const headers = new Map(
    lines.slice(1).map((line) => {
      const [name = '', value = ''] = line.split(/: (.*)/s)
      return [name.toLowerCase(), value]
    }),
  )
  const status = Number(lines[0]?.split(' ')[1])
  const rest = bytes.subarray(border + 4)
  if (headers.get('transfer-encoding') !== 'chunked') {
    const isWhole = rest.length === Number(headers.get('content-length'))
    return { status, headers, body: rest, isWhole, chunks: [rest] }
  }
  const chunks: Buffer[] = []
  let isWhole = false
  for (let at = 0; at < rest.length;) {
    const sizeEnd = rest.indexOf('\r\n', at)
    if (sizeEnd === -1) break
    const size = parseInt(rest.subarray(at, sizeEnd).toString('latin1'), 16)
    if (size === 0) {
      isWhole = true
      break
    }
    chunks.push(rest.subarray(sizeEnd + 2, sizeEnd + 2 + size))
    at = sizeEnd + 2 + size + 2
  }
  return { status, headers, body: Buffer.concat(chunks), isWhole, chunks }
}

/** The `data:` payloads of a stream. */
export function eventData(body: Buffer): string[] {
  return body
    .toString('utf8')
    .split(/\r?\n\r?\n/)
    .filter((event) => event !== '')
    .map((event) => event.replace(/^data: /, ''))
}

export function userMessage(content: string): readonly { role: 'user'; content: string }[] {
  return [{ role: 'user', content }]
}

export const WEATHER_TOOLS = [
  {
    type: 'function' as const,
    function: {
      name: 'weather',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' }, days: { type: 'integer' } },
      },
    },
  },
]
