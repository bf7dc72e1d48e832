import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { createServer, request } from 'node:http'
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import OpenAI from 'openai'
import { startProxy } from '../../src/client/proxy/start-proxy.ts'
import type { Proxy, ProxyOptions } from '../../src/client/proxy/start-proxy.ts'
import type { LogEntry } from '../harness/logged-fields.ts'
import { TOKENS } from '../harness/service.ts'
import { ASK } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'

export interface TestProxy extends Proxy {
  readonly log: LogEntry[]
  /** OpenAI's client on it, which does not try again. */
  readonly openai: OpenAI
  /** The last line that tells of a request. */
  last(): Readonly<Record<string, unknown>>
}

/** In front of the broker double, which stands before the sidecar. */
export async function openProxy(
  stage: Stage,
  options: Partial<ProxyOptions> = {},
  apiKey: string = TOKENS.alice,
): Promise<TestProxy> {
  const log: LogEntry[] = []
  const at =
    (level: LogEntry['level']) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      log.push({ level, fields, message })
    }
  const proxy = await startProxy({
    upstream: `${stage.broker.url}/v1/proxy`,
    listen: { host: '127.0.0.1', port: 0 },
    policy: stage.policy,
    level: 'content',
    stream: 'pass',
    log: { info: at('info'), warn: at('warn'), error: at('error') },
    ...options,
  })
  return {
    ...proxy,
    log,
    openai: new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey, maxRetries: 0 }),
    last: () => log.findLast(({ message }) => message === 'request')?.fields ?? {},
  }
}

export function hashOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest()
}

export interface Ran {
  /** Exit status; null where a signal ended it. */
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A program of somebody else. */
export function run(program: string, args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(program, [...args], { timeout: 15_000 }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
      resolve({ code, out, err })
    })
    // A command that refuses its flags ends without reading; its exit code says so, not the pipe.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}

const URLLIB = `
import json, sys, urllib.request, urllib.error, http.client
url, token, body, lines = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == 'lines'
request = urllib.request.Request(url, data=body.encode(), headers={'Content-Type': 'application/json', 'Authorization': 'Bearer ' + token})
got = b''
try:
    with urllib.request.urlopen(request, timeout=10) as answer:
        if lines:
            for line in answer:
                got += line
        else:
            got = answer.read()
        print(json.dumps({'ended': True, 'text': got.decode(), 'level': answer.headers.get('X-Countersign-Level')}))
except urllib.error.HTTPError as error:
    print(json.dumps({'ended': False, 'status': error.code, 'error': json.loads(error.read())['error']}))
except (http.client.HTTPException, OSError) as error:
    print(json.dumps({'ended': False, 'broken': type(error).__name__, 'text': got.decode()}))
`

/** Python's standard library, which reads the whole body or its lines. */
export function urllib(
  at: TestProxy,
  body: object,
  how: 'whole' | 'lines' = 'whole',
): Promise<Readonly<Record<string, unknown>>> {
  const url = `${at.url}/v1/chat/completions`
  const args = ['-c', URLLIB, url, TOKENS.alice, JSON.stringify(body), how]
  return run('python3', args).then(({ out, err }) => {
    if (out === '') throw new Error(err)
    return JSON.parse(out) as Record<string, unknown>
  })
}

export function curl(at: TestProxy, body: object, more: readonly string[] = []): Promise<Ran> {
  return run('curl', [
    ...['-sS', '-m', '10', '-H', `Authorization: Bearer ${TOKENS.alice}`],
    ...['-H', 'Content-Type: application/json', '--data-binary', JSON.stringify(body)],
    ...[...more, `${at.url}/v1/chat/completions`],
  ])
}

/** How OpenAI's client sees a refused answer. */
export async function refusal(call: Promise<unknown>): Promise<{ status: unknown; code: unknown }> {
  try {
    await call
  } catch (error) {
    if (error instanceof OpenAI.APIError) {
      const { status, code } = error as { readonly status: unknown; readonly code: unknown }
      return { status, code }
    }
    throw error
  }
  throw new Error('the answer was handed out')
}

export interface Said {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly code: unknown
}

const BODY = JSON.stringify(ASK)

/** One request in which every header is the caller's, Host included. */
export function ask(
  at: TestProxy,
  headers: OutgoingHttpHeaders = {},
  { method = 'POST', path = '/v1/chat/completions', body = BODY } = {},
): Promise<Said> {
  return new Promise((resolve, reject) => {
    const req = request(
      {
        host: '127.0.0.1',
        port: at.port,
        method,
        path,
        headers: {
          host: `127.0.0.1:${String(at.port)}`,
          authorization: `Bearer ${TOKENS.alice}`,
          ...headers,
        },
      },
      (res) => {
        let text = ''
        res.on('data', (part: Buffer) => (text += part.toString()))
        res.on('error', reject)
        res.on('end', () => {
          const code: unknown = /"code":"([a-z_]+)"/.exec(text)?.[1]
          resolve({ status: res.statusCode ?? 0, headers: res.headers, text, code })
        })
      },
    )
    req.on('error', reject)
    req.end(method === 'POST' ? body : undefined)
  })
}

/** What becomes of the answer to a POST on its way; evidence and receipts are the honest service's. */
export async function meddling(
  stage: Stage,
  change: (answer: Response, res: ServerResponse) => Promise<unknown> | undefined,
) {
  const server = createServer((req, res) => {
    const forward = async () => {
      const chunks: Buffer[] = []
      for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk)
      const headers = new Headers()
      for (const [name, value] of Object.entries(req.headers)) {
        if (typeof value === 'string' && !/^(?:host|connection|content-length)$/.test(name)) {
          headers.set(name, value)
        }
      }
      const post = req.method === 'POST'
      const answer = await fetch(`${stage.at.url}${req.url ?? ''}`, {
        method: req.method ?? 'GET',
        headers,
        ...(post ? { body: Buffer.concat(chunks) } : {}),
      })
      if (post) await change(answer, res)
      else res.writeHead(answer.status).end(await answer.text())
    }
    forward().catch(() => res.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const at = await openProxy(stage, { upstream: `http://127.0.0.1:${String(port)}/v1` })
  return {
    at,
    close: async () => {
      await at.close()
      server.closeAllConnections()
      server.close()
    },
  }
}
