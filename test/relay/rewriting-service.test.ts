/** Changes on the way are off unless asked for, and named in the record beside the hashes of what became of the bytes. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { KeepAlive } from '../../src/relay/keep-alive.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { MODEL, startTestService } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'

describe('a comment in a silent stream', () => {
  const afterSilence = async (pieces: readonly string[]): Promise<number> => {
    let comments = 0
    const keepAlive = new KeepAlive(15, () => comments++)
    for (const piece of pieces) keepAlive.wrote(Buffer.from(piece))
    await new Promise((resolve) => setTimeout(resolve, 40))
    keepAlive.stop()
    return comments
  }

  test.each([
    [[]],
    [['data: x\n\n']],
    [['data: x\r\n\r\n']],
    [['data: x\r\r']],
    [['data: x\n', '\n']],
    [['data: x\r', '\n', '\r', '\n']],
    [['data: x\n\r\n']],
  ])('goes out after %j', async (pieces) => {
    expect(await afterSilence(pieces)).toBeGreaterThan(0)
  })

  test.each([
    [['data: x']],
    [['data: x\n']],
    [['data: x\r\n']],
    [['data: x\r', '\n']],
    [['data: x\n\n', 'd']],
    [['event: y\n']],
    [['\n']],
  ])('does not go out into the middle of an event, as after %j', async (pieces) => {
    expect(await afterSilence(pieces)).toBe(0)
  })
})

describe('a service that rewrites', () => {
  const sha256 = (bytes: Buffer | string) =>
    `sha256:${createHash('sha256').update(bytes).digest('hex')}`

  test('forwards the changed bytes, names the changes in the record, and signs both hashes', async () => {
    const at = await startTestService({
      rewrites: { strip_empty_tool_calls: true, include_usage: true },
    })
    const body =
      `{"model":"${MODEL}","stream":true,"seed":1.0,"provider":{"aci_verified":true},` +
      '"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y","tool_calls":[]},{"role":"user","content":"z"}]}'
    const reply = await chat(at, body)
    expect(reply.status).toBe(200)
    expect(reply.text).toContain('"usage":{')
    const forwarded = at.model.requests.at(-1)?.body ?? Buffer.alloc(0)
    expect(forwarded.toString()).toBe(
      `{"stream_options":{"include_usage":true},"model":"${MODEL}","stream":true,"seed":1.0,` +
        '"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"},{"role":"user","content":"z"}]}',
    )
    const receipt = at.receipts[0]
    expect(receipt?.record.rewrites).toEqual([
      'aci_constraints',
      'include_usage',
      'strip_empty_tool_calls',
    ])
    expect(receipt?.bodies).toMatchObject({
      received: sha256(body),
      forwarded: sha256(forwarded),
      returned: sha256(reply.body),
    })
    // What the user asked is what the members are of, not what became of it.
    expect(receipt?.record.members?.map(({ name }) => name)).toEqual([
      'messages',
      'model',
      'provider',
      'seed',
      'stream',
    ])
    const { config } = jsonObject((await get(at, '/attestation')).body)
    expect(config).toMatchObject({
      rewrites: {
        aci_constraints: true,
        include_usage: true,
        keep_alive_ms: null,
        strip_empty_tool_calls: true,
      },
    })
    const document = await get(at, `/v1/aci/receipts/${header(reply, 'x-receipt-id')}`, {
      who: 'alice',
    })
    expect(document.text).toContain(
      '"rewrites":["aci_constraints","include_usage","strip_empty_tool_calls"]',
    )
    await at.close()
  })

  test('changes nothing by default, and its record says nothing of it', async () => {
    const at = await startTestService()
    const body = chatBody('x', { stream: true, stream_options: { include_usage: false } })
    await chat(at, body)
    expect(at.model.requests.at(-1)?.body.toString()).toBe(body)
    expect(at.receipts[0]?.record).not.toHaveProperty('rewrites')
    expect(at.receipts[0]?.bodies.forwarded).toBe(at.receipts[0]?.bodies.received)
    await at.close()
  })

  test('a request that went nowhere was not changed on its way', async () => {
    const at = await startTestService({
      rewrites: { include_usage: true },
      upstreams: [{ name: 'gone', url: 'http://127.0.0.1:9' }],
    })
    await chat(at, chatBody('x', { stream: true }))
    expect(at.receipts[0]?.bodies.forwarded).toBeNull()
    expect(at.receipts[0]?.record).not.toHaveProperty('rewrites')
    await at.close()
  })

  test('comments stand between the events, under the hash, and the content is what it was', async () => {
    const piece = (delta: object, finish: string | null = null) =>
      `data: ${JSON.stringify({
        id: 'chatcmpl-1',
        object: 'chat.completion.chunk',
        created: 1,
        model: MODEL,
        choices: [{ index: 0, delta, finish_reason: finish }],
      })}\n\n`
    const upstream = await startUpstream(async (_seen, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      // Half an event, and silence in its middle: no comment can stand there.
      const first = piece({ role: 'assistant', content: 'slow ' })
      response.write(first.slice(0, 30))
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      response.end(first.slice(30) + piece({ content: 'words' }, 'stop') + 'data: [DONE]\n\n')
    })
    const at = await startTestService({
      rewrites: { keep_alive_ms: 1_000 },
      upstreams: [{ name: 'slow', url: upstream.url }],
    })
    const reply = await chat(at, chatBody('x', { stream: true }))
    await at.settled(1)
    const [receipt] = at.receipts
    expect(receipt?.bodies.returned).toBe(sha256(reply.body))
    expect(receipt?.record).toMatchObject({
      outcome: 'complete',
      content_status: 'covered',
      response_bytes: reply.body.length,
      rewrites: ['keep_alive'],
    })
    expect(reply.text).toBe(
      `: keep-alive\n\n${piece({ role: 'assistant', content: 'slow ' })}` +
        `${piece({ content: 'words' }, 'stop')}data: [DONE]\n\n`,
    )
    await at.close()
    await upstream.close()
  })
})
