import { afterAll, beforeAll, expect, test } from 'vitest'
import { DONE_GRACE_MS } from '../../src/client/verify-stream.ts'
import { ASK, openStage, readAll, rewriting } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { TIMED } from '../harness/timed.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  await stage.close()
})

test(
  'comments after the terminator do not hold the end of an answer back',
  { ...TIMED, timeout: 30_000 },
  async () => {
    const utf8 = new TextEncoder()
    let comments = 0
    const me = rewriting(stage, (text, { status, headers }) => {
      let begun = false
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (begun) {
            await new Promise((resolve) => setTimeout(resolve, DONE_GRACE_MS * 0.7))
            comments++
          }
          controller.enqueue(utf8.encode(begun ? ': wait\n\n' : text))
          begun = true
        },
      })
      return new Response(body, { status, headers })
    })
    const start = performance.now()
    await readAll(await me.openai.chat.completions.create({ ...ASK, stream: true }))
    expect(await me.verdict()).toMatchObject({ accepted: true })
    expect(comments).toBeGreaterThan(0)
    expect(performance.now() - start).toBeLessThan(1.35 * DONE_GRACE_MS)
  },
)
