/** A request for each route with a JSON body. */
import { chat } from '../harness/chat.ts'
import type { ChatHow } from '../harness/chat.ts'
import { MODEL } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
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
