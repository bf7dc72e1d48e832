/** Other people's clients through the local proxy and an honest broker. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ASK, openStage, readAll } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { curl, openProxy, urllib } from './proxy.helpers.ts'
import type { TestProxy } from './proxy.helpers.ts'

let stage: Stage
let proxy: TestProxy
let holding: TestProxy
beforeAll(async () => {
  stage = await openStage()
  proxy = await openProxy(stage)
  holding = await openProxy(stage, { stream: 'hold' })
})
afterAll(async () => {
  await proxy.close()
  await holding.close()
  await stage.close()
})
describe('through an honest broker', () => {
  test('the openai package, curl and urllib get their answers, buffered and streamed', async () => {
    const answer = await proxy.openai.chat.completions.create(ASK).withResponse()
    expect(answer.data.choices[0]?.message.content?.length).toBeGreaterThan(10)
    expect(answer.response.headers.get('x-countersign-level')).toBe('content')
    expect(answer.response.headers.get('x-countersign-code')).toBe('ok')
    expect(answer.response.headers.get('x-countersign-simulated')).toBe('true')
    const streamed = await readAll(
      await proxy.openai.chat.completions.create({ ...ASK, stream: true }),
    )
    expect(streamed.text.length).toBeGreaterThan(10)
    const said = await curl(proxy, ASK, ['-D', '-'])
    expect(said.code).toBe(0)
    expect(said.out.toLowerCase()).toContain('x-countersign-level: content')
    const events = await curl(proxy, { ...ASK, stream: true })
    expect([events.code, events.out.endsWith('data: [DONE]\n\n')]).toEqual([0, true])
    expect(await urllib(proxy, ASK)).toMatchObject({ ended: true, level: 'content' })
    for (const how of ['whole', 'lines'] as const) {
      const read = await urllib(proxy, { ...ASK, stream: true }, how)
      expect(read['ended']).toBe(true)
      expect(read['text']).toContain('[DONE]')
    }
  })

  test('a held stream comes whole, with its verdict', async () => {
    const read = await urllib(holding, { ...ASK, stream: true })
    expect(read).toMatchObject({ ended: true, level: 'content' })
    expect(String(read['text']).endsWith('data: [DONE]\n\n')).toBe(true)
  })

  test('the bytes are those that the broker sent', async () => {
    const said = await curl(proxy, ASK)
    expect(said.out).toBe(stage.broker.recorded.at(-1)?.body.toString())
    for (const at of [proxy, holding]) {
      const events = await curl(at, { ...ASK, stream: true })
      expect(events.out).toBe(stage.broker.recorded.at(-1)?.body.toString())
    }
  })
})
