/** Streams that carry their receipt, and the receipts in them. */
import { createHash } from 'node:crypto'
import { InlineReceipts } from '../../src/client/inline-receipts.ts'
import { chatBody, jsonObject } from '../harness/chat.ts'
import type { ChatHow } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService, TestServiceOptions } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'
import type { Upstream, UpstreamHandler } from '../harness/zg-upstream.ts'

export const ASKED: NonNullable<ChatHow['headers']> = [['x-countersign-inline', 'receipt']]
export const STREAM = chatBody('x', { stream: true, max_tokens: 4 })
export const COMMENT = /: countersign-receipt \d+\/\d+ [A-Za-z0-9_-]+\n\n/
export const digest = (bytes: Uint8Array) =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** The receipt inside a stream, and the bytes beside it. */
export function taken(body: Buffer): { receipt: string | null; rest: Buffer } {
  const inline = new InlineReceipts()
  const rest = Buffer.concat([inline.push(body), inline.end()])
  return { receipt: inline.receipt(), rest }
}

export const eventsOf = (receipt: string | null) => jsonObject(receipt ?? '')['event_log']

export async function behind(
  handler: UpstreamHandler,
  run: (service: TestService) => Promise<void>,
  options: TestServiceOptions = {},
) {
  const upstream: Upstream = await startUpstream(handler)
  const service = await startTestService({
    upstreams: [{ name: 'u', url: upstream.url }],
    ...options,
  })
  try {
    await run(service)
  } finally {
    await service.close()
    await upstream.close()
  }
}

export const CHUNK =
  'data: {"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'
