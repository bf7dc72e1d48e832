/** A request for each route with a JSON body, and a service whose model forgets its faults after each test. */
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import type { StoredReceipt } from '../../enclave/receipts/receipt-store.ts'
import { chat } from '../harness/chat.ts'
import type { ChatHow } from '../harness/chat.ts'
import { MODEL, startTestService } from '../harness/service.ts'
import type { TestService, TestServiceOptions } from '../harness/service.ts'
import type { Reply } from '../harness/zg-upstream.ts'

export const BODIES: Readonly<Record<string, object>> = {
  '/v1/chat/completions': { messages: [{ role: 'user', content: 'hi' }] },
  '/v1/completions': { prompt: 'hi' },
  '/v1/messages': { max_tokens: 50, messages: [{ role: 'user', content: 'hi' }] },
  '/v1/messages/count_tokens': { messages: [{ role: 'user', content: 'hi' }] },
  '/v1/responses': { input: 'hi' },
  '/v1/embeddings': { input: 'hi' },
  '/v1/rerank': { query: 'q', documents: ['a'] },
  '/v2/rerank': { query: 'q', documents: ['a'] },
  '/v1/score': { text_1: 'q', text_2: 'a' },
  '/v1/tokenize': { prompt: 'hi' },
  '/v1/detokenize': { tokens: [1] },
  '/v1/images/generations': { prompt: 'hi' },
}

/** Asks at a path of the table, with further members. */
export function postTo(at: TestService, path: string, more: object, how: ChatHow): Promise<Reply> {
  const body = { model: MODEL, ...BODIES[path.replace('/v1/proxy/', '/v1/')], ...more }
  return chat(at, JSON.stringify(body), { path, ...how })
}

export interface Scene {
  readonly at: TestService
  /** The receipt of the first request since the test began, or since {@link again}. */
  receipt(): Promise<StoredReceipt>
  again(): void
  readonly post: (path: string, more?: object, how?: ChatHow) => Promise<Reply>
}

/** Starts the service before the tests of a file, and ends it after them. */
export function setScene(options: TestServiceOptions = {}): Scene {
  let service: TestService | null = null
  let seen = 0
  const at = (): TestService => {
    if (service === null) throw new Error('not started yet')
    return service
  }
  const again = () => {
    seen = at().receipts.length
  }
  beforeAll(async () => {
    service = await startTestService(options)
  })
  afterAll(() => service?.close())
  beforeEach(again)
  afterEach(() => {
    const { faults } = at().model
    for (const name of Object.keys(faults)) Reflect.deleteProperty(faults, name)
  })
  return {
    get at() {
      return at()
    },
    receipt: async () => {
      await at().settled(seen + 1)
      const [one] = at().receipts.slice(seen)
      if (one === undefined) throw new Error('no receipt')
      return one
    },
    again,
    post: (path, more = {}, how = {}) => postTo(at(), path, more, how),
  }
}
