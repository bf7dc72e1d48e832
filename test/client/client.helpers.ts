import OpenAI from 'openai'
import type { BrokerHostility } from '../../src/demo/broker/hostility.ts'
import { startBroker } from '../../src/demo/broker/start-broker.ts'
import type { BrokerHandle } from '../../src/demo/broker/start-broker.ts'
import { verified } from '../../src/client/verified.ts'
import type { VerifiedOptions } from '../../src/client/create-client.ts'
import { VerificationError } from '../../src/client/verification-error.ts'
import type { ClientVerdict } from '../../src/client/verification-error.ts'
import { MODEL, TOKENS, startTestService } from '../harness/service.ts'
import type { TestService, TestServiceOptions } from '../harness/service.ts'

export interface Stage {
  readonly at: TestService
  readonly broker: BrokerHandle
  /** What a user of this simulation must accept. */
  readonly policy: NonNullable<VerifiedOptions['policy']>
  close(): Promise<void>
}

export async function openStage(options: TestServiceOptions = {}): Promise<Stage> {
  const at = await startTestService({ gpus: 1, ...options })
  const broker = await startBroker({
    targetUrl: `${at.url}/v1`,
    additionalSecret: { Authorization: `Bearer ${TOKENS.broker}` },
  })
  const roots = at.simulation?.roots
  if (roots === undefined) throw new Error('the stage needs a simulation')
  return {
    at,
    broker,
    policy: { allowSimulated: true, sgxRoots: [roots.sgx], nvidiaRoots: [roots.nvidia] },
    close: async () => {
      await broker.close()
      await at.close()
    },
  }
}

/** Sets the broker's attacks; without an argument it is honest again. */
export function turnBroker({ broker }: Stage, hostile: BrokerHostility = {}): void {
  for (const name of Object.keys(broker.hostile)) {
    Object.assign(broker.hostile, { [name]: undefined })
  }
  Object.assign(broker.hostile, hostile)
}

export interface User {
  readonly openai: OpenAI
  readonly fetch: typeof fetch
  readonly base: string
  readonly verdicts: ClientVerdict[]
  /** Resolves when so many verdicts have come. */
  verdict(count?: number): Promise<ClientVerdict>
}

const WAIT_MS = 10_000

/** @param via `direct` to the service, or through the broker double */
export function user(
  stage: Stage,
  via: 'direct' | 'broker' = 'broker',
  options: VerifiedOptions = {},
): User {
  const verdicts: ClientVerdict[] = []
  const waiting = new Set<() => void>()
  const fetch = verified({
    policy: stage.policy,
    ...options,
    onVerdict: (verdict) => {
      verdicts.push(verdict)
      for (const look of waiting) look()
    },
  })
  const base = via === 'direct' ? `${stage.at.url}/v1` : `${stage.broker.url}/v1/proxy`
  return {
    openai: new OpenAI({ baseURL: base, apiKey: TOKENS.alice, fetch, maxRetries: 2 }),
    fetch,
    base,
    verdicts,
    verdict: (count = 1) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const last = verdicts[count - 1]
          if (last === undefined) return
          waiting.delete(look)
          clearTimeout(timer)
          resolve(last)
        }
        const timer = setTimeout(() => reject(new Error('no verdict came')), WAIT_MS)
        waiting.add(look)
        look()
      }),
  }
}

/** A user to whom the service's answers come rewritten; bytes, content and receipt are the service's until then. */
export function rewriting(
  stage: Stage,
  rewrite: (text: string, response: Response) => string | Response,
  options: VerifiedOptions = {},
): User {
  return user(stage, 'direct', {
    ...options,
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      // Only what has a receipt is posted; evidence and receipts are fetched.
      if (init?.method !== 'POST') return response
      const body = rewrite(await response.text(), response)
      if (body instanceof Response) return body
      const { status, headers } = response
      return new Response(body, { status, headers })
    },
  })
}

export const ASK = {
  model: MODEL,
  seed: 7,
  messages: [{ role: 'user' as const, content: 'tell me [[tokens=6]]' }],
}

export const TOOLS = [
  {
    type: 'function' as const,
    function: {
      name: 'weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
    },
  },
]

/** Reads a stream to its end and gives the text of its first choice. */
export async function readAll(
  stream: AsyncIterable<OpenAI.ChatCompletionChunk>,
): Promise<{ text: string; chunks: number }> {
  let text = ''
  let chunks = 0
  for await (const chunk of stream) {
    chunks++
    text += chunk.choices[0]?.delta.content ?? ''
  }
  return { text, chunks }
}

/** The verification error that a call ends in. */
export async function caught(call: Promise<unknown>): Promise<VerificationError> {
  try {
    await call
  } catch (error) {
    if (error instanceof VerificationError) return error
    if (error instanceof Error && error.cause instanceof VerificationError) return error.cause
    throw error
  }
  throw new Error('the call was accepted')
}
