/** Who may see which receipt, and how much of it. */
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { chat, chatBody, errorCode, get, header, jsonObject } from '../harness/chat.ts'
import type { ChatHow } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'

let at: TestService
beforeAll(async () => {
  at = await startTestService()
})
afterAll(() => at.close())

const PATHS = ['/v1/aci/receipts/', '/v1/attestation/receipts/', '/v1/signature/'] as const

async function asked(who: 'alice' | 'broker', headers: ChatHow['headers'] = []) {
  const reply = await chat(at, chatBody(randomBytes(4).toString('hex')), { who, headers })
  return {
    id: header(reply, 'x-receipt-id'),
    chatId: String(jsonObject(reply.body)['id']),
    opening: header(reply, 'x-countersign-opening'),
  }
}

/** Event types, and whether the opening is shown, at each of the three places. */
async function seen(id: string, how: ChatHow) {
  const replies = await Promise.all(PATHS.map((path) => get(at, path + id, how)))
  return replies.map((reply) => {
    if (reply.status !== 200) return `${String(reply.status)} ${String(errorCode(reply))}`
    const body = jsonObject(reply.body)
    const document = typeof body['document'] === 'string' ? jsonObject(body['document']) : body
    const events = Array.isArray(document['event_log']) ? document['event_log'] : []
    const types = events.map((event) => (isJsonObject(event) ? event['type'] : null))
    return { full: types.length > 1, opening: body['opening'] ?? null }
  })
}

const FULL = (opening: string) => [
  { full: true, opening: null },
  { full: true, opening },
  { full: true, opening },
]
const VIEW = [0, 1, 2].map(() => ({ full: false, opening: null }))
const refused = (text: string) => [text, text, text]
const secretHeader = (secret: string): NonNullable<ChatHow['headers']> => [
  ['x-countersign-owner-secret', secret],
]

describe('a receipt', () => {
  test('belongs to the principal that asked: all of it, by receipt id and by completion id', async () => {
    const { id, chatId, opening } = await asked('alice')
    expect(await seen(id, { who: 'alice' })).toEqual(FULL(opening))
    expect(await seen(chatId, { who: 'alice' })).toEqual(FULL(opening))
  })

  test('is not there for another credential, and unauthorized without one', async () => {
    const { id, chatId } = await asked('alice')
    for (const who of ['bob', 'broker'] as const) {
      expect(await seen(id, { who })).toEqual(refused('404 not_found'))
      expect(await seen(chatId, { who })).toEqual(refused('404 not_found'))
    }
    expect(await seen(id, {})).toEqual(refused('401 unauthorized'))
    const wrong: ChatHow = { headers: [['authorization', 'Bearer nobody-has-this-token']] }
    expect(await seen(id, wrong)).toEqual(refused('401 unauthorized'))
  })

  test('that does not exist looks the same as one of somebody else', async () => {
    const { id } = await asked('alice')
    const unknown = `rcpt-${'0'.repeat(32)}`
    for (const how of [{ who: 'bob' }, {}] as const) {
      const [mine, none] = await Promise.all(
        [id, unknown].map((one) => get(at, PATHS[0] + one, how)),
      )
      expect(mine?.text).toBe(none?.text)
      expect(mine?.status).toBe(none?.status)
    }
  })

  test('made under a relay credential is a view for whoever holds its id', async () => {
    const { id, chatId } = await asked('broker')
    for (const how of [{}, { who: 'broker' }, { who: 'bob' }] as const) {
      expect(await seen(id, how)).toEqual(VIEW)
    }
    // The completion id is no secret: only the credential that asked finds by it.
    expect(await seen(chatId, { who: 'broker' })).toEqual(VIEW)
    expect(await seen(chatId, { who: 'bob' })).toEqual(refused('404 not_found'))
    expect(await seen(chatId, {})).toEqual(refused('401 unauthorized'))
  })

  test.each(['alice', 'broker'] as const)(
    'asked for by %s with an owner hash belongs to who shows the secret',
    async (who) => {
      const secret = randomBytes(32)
      const hash = createHash('sha256').update(secret).digest('hex')
      const { id, opening } = await asked(who, [['x-countersign-owner', hash]])
      const shown = secret.toString('base64url')
      expect(await seen(id, { headers: secretHeader(shown) })).toEqual(FULL(opening))
      expect(await seen(id, { who: 'bob', headers: secretHeader(shown) })).toEqual(FULL(opening))
      // The credential that carried the request no longer owns it.
      expect(await seen(id, { who })).toEqual(VIEW)
      const wrong = randomBytes(32).toString('base64url')
      for (const bad of [wrong, hash, '!', '', 'A'.repeat(2000)]) {
        expect(await seen(id, { who, headers: secretHeader(bad) })).toEqual(VIEW)
      }
      if (who === 'alice') {
        const stranger = await seen(id, { headers: secretHeader(wrong) })
        expect(stranger).toEqual(refused('401 unauthorized'))
      }
    },
  )

  test('is found by ids only: nothing else of a path reaches the store', async () => {
    const odd = [400, 'invalid_target']
    for (const [id, how] of [
      ['%00', odd],
      ['%', odd],
      ['..%2f', odd],
      ['..', odd],
      ['x'.repeat(300), [404, 'not_found']],
      ['__proto__', [404, 'not_found']],
      ['constructor', [404, 'not_found']],
      ['%ff', [404, 'not_found']],
    ] as const) {
      for (const path of PATHS) {
        const reply = await get(at, path + id, { who: 'alice' })
        expect([reply.status, errorCode(reply)], id).toEqual(how)
      }
    }
  })

  test('of a refused request is there as well', async () => {
    const reply = await chat(at, '[]')
    const receipt = await get(at, PATHS[0] + header(reply, 'x-receipt-id'), { who: 'alice' })
    expect(receipt.text).toContain('"outcome":"refused"')
    expect(receipt.text).not.toContain('request.forwarded')
  })
})

describe('a completion id of a client’s choice', () => {
  /** A model server whose completion ids are what the request says, as some take them from a request id. */
  async function choosing(run: (service: TestService) => Promise<void>): Promise<void> {
    const upstream = await startUpstream(({ body }, response) => {
      const id = jsonObject(body)['user']
      const message = { role: 'assistant', content: 'x' }
      const choices = [{ index: 0, message, finish_reason: 'stop' }]
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ id, object: 'chat.completion', model: 'm', choices }))
    })
    const service = await startTestService({ upstreams: [{ name: 'u', url: upstream.url }] })
    try {
      await run(service)
    } finally {
      await service.close()
      await upstream.close()
    }
  }

  const ask = async (service: TestService, who: 'alice' | 'bob' | 'broker', id: string) =>
    header(await chat(service, chatBody('x', { user: id }), { who }), 'x-receipt-id')
  const found = async (service: TestService, who: 'alice' | 'bob' | 'broker', id: string) => {
    const reply = await get(service, `/v1/signature/${id}`, { who })
    return reply.status === 200 ? jsonObject(reply.body)['receipt_id'] : reply.status
  }

  test('names the first answer of each principal, whatever others choose later or chose before', () =>
    choosing(async (service) => {
      const bobs = await ask(service, 'bob', 'chosen')
      const first = await ask(service, 'alice', 'chosen')
      const second = await ask(service, 'alice', 'chosen')
      const relayed = await ask(service, 'broker', 'chosen')
      await ask(service, 'broker', 'chosen')
      expect(await found(service, 'alice', 'chosen')).toBe(first)
      expect(await found(service, 'bob', 'chosen')).toBe(bobs)
      expect(await found(service, 'broker', 'chosen')).toBe(relayed)
      expect(await found(service, 'alice', second)).toBe(second)
    }))

  test('that is the receipt id of another leads nowhere but to that one, for its owner alone', () =>
    choosing(async (service) => {
      const alices = await ask(service, 'alice', 'a')
      const imitating = await ask(service, 'bob', alices)
      expect(await found(service, 'alice', alices)).toBe(alices)
      expect(await found(service, 'bob', alices)).toBe(404)
      expect(await found(service, 'bob', imitating)).toBe(imitating)
    }))
})
