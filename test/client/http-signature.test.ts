/** The verified fetch of a user who asks for HTTP message signatures: what was asked for and is not there is a failure. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MODEL, TOKENS } from '../harness/service.ts'
import { ASK, caught, openStage, readAll, user } from './client.helpers.ts'
import type { Stage, User } from './client.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  await stage.close()
})

interface Posted {
  readonly asked: Headers
  readonly answered: Headers
}

/** @param change what somebody on the way makes of each answer */
function signed(
  change: (body: string, headers: Headers, status: number) => Response = (body, headers, status) =>
    new Response(body, { headers, status }),
): { me: User; posted: Posted[] } {
  const posted: Posted[] = []
  const me = user(stage, 'direct', {
    httpSignature: true,
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      if (init?.method !== 'POST') return response
      const { headers, status } = response
      posted.push({ asked: new Headers(init.headers), answered: new Headers(headers) })
      return change(await response.text(), new Headers(headers), status)
    },
  })
  return { me, posted }
}

const httpChecks = (me: User, index = 0) =>
  me.verdicts[index]?.checks
    .filter(({ id }) => id.startsWith('http.'))
    .map(({ id, status, code }) => [id, status, code])

describe('a user who asks for HTTP message signatures', () => {
  test('gets one with a buffered answer, over its own request', async () => {
    const { me, posted } = signed()
    await me.openai.chat.completions.create(ASK)
    expect(me.verdicts).toMatchObject([{ accepted: true, level: 'bytes' }])
    expect(httpChecks(me)).toEqual([
      ['http.signature', 'pass', 'ok'],
      ['http.digest', 'pass', 'ok'],
    ])
    expect(posted[0]?.asked.get('accept-signature')).toMatch(
      /"content-digest";req\);created;nonce=/,
    )
  })

  test('asks for none with a stream, which has none', async () => {
    const { me, posted } = signed()
    await readAll(await me.openai.chat.completions.create({ ...ASK, stream: true }))
    expect(posted[0]?.asked.get('accept-signature')).toBeNull()
    expect(me.verdicts[0]?.accepted).toBe(true)
    expect(httpChecks(me)).toEqual([])
  })

  test('gets one with an answer that is compared by its bytes, whatever its request says of streams', async () => {
    const ask = (me: User) =>
      me
        .fetch(`${me.base}/tokenize`, {
          method: 'POST',
          headers: { authorization: `Bearer ${TOKENS.alice}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: MODEL, prompt: 'hello', stream: true }),
        })
        .then((response) => response.text())
    const { me } = signed()
    await ask(me)
    expect(me.verdicts).toMatchObject([{ accepted: true, level: 'bytes' }])
    expect(httpChecks(me)).toHaveLength(2)
    const stripped = signed((body, headers, status) => {
      headers.delete('signature')
      return new Response(body, { headers, status })
    })
    const error = await caught(ask(stripped.me))
    expect(error.code).toBe('http_signature_missing')
  })

  test('has error answers judged by it, too', async () => {
    const { me } = signed()
    await me.openai.chat.completions.create({ ...ASK, model: 'unknown' }).catch(() => undefined)
    expect(me.verdicts[0]?.accepted).toBe(true)
    expect(httpChecks(me)).toHaveLength(2)
  })

  test.each<[string, (headers: Headers) => void]>([
    ['signature', (headers) => headers.delete('signature')],
    ['input', (headers) => headers.delete('signature-input')],
    ['label', (headers) => headers.set('signature', 'other=:AAAA:')],
  ])('does not accept an answer whose %s was stripped', async (_name, strip) => {
    const { me } = signed((body, headers, status) => {
      strip(headers)
      return new Response(body, { headers, status })
    })
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('http_signature_missing')
    // The receipt holds all the same: what is missing is what was asked for besides.
    expect(error.verdict.level).toBe('bytes')
  })

  test('does not accept the signature of another answer', async () => {
    let first: Headers | null = null
    const { me } = signed((body, headers, status) => {
      for (const name of ['signature', 'signature-input', 'content-digest']) {
        const kept = first?.get(name)
        if (typeof kept === 'string') headers.set(name, kept)
      }
      first ??= new Headers(headers)
      return new Response(body, { headers, status })
    })
    await me.openai.chat.completions.create(ASK)
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('http_signature_nonce_mismatch')
  })

  test('does not accept a body that was written anew, though its content is right', async () => {
    const { me } = signed(
      (body, headers, status) =>
        new Response(JSON.stringify(JSON.parse(body), null, 1), { headers, status }),
    )
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('http_digest_mismatch')
    expect(error.verdict.level).toBe('content')
  })

  test('does not accept another status, of which receipts are not compared', async () => {
    const { me } = signed((body, headers) => new Response(body, { headers, status: 422 }))
    await me.openai.chat.completions.create({ ...ASK, model: 'unknown' }).catch(() => undefined)
    expect(me.verdicts[0]?.code).toBe('http_signature_invalid')
  })

  test('gets none through a broker that writes its request anew: the service does not sign for what it did not get', async () => {
    const me = user(stage, 'broker', { httpSignature: true })
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('http_signature_missing')
    expect(error.verdict.level).toBe('content')
  })
})

test('who does not ask sends and needs nothing of it', async () => {
  const asked: Headers[] = []
  const me = user(stage, 'direct', {
    fetch: (input, init) => {
      if (init?.method === 'POST') asked.push(new Headers(init.headers))
      return fetch(input, init)
    },
  })
  await me.openai.chat.completions.create(ASK)
  expect(asked[0]?.get('accept-signature')).toBeNull()
  expect(asked[0]?.get('content-digest')).toBeNull()
  expect(httpChecks(me)).toEqual([])
})
