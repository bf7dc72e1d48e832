/** Keysets over time: renewal with a document of its own, what was made before it, and clients that hold an older one. */
import { describe, expect, test } from 'vitest'
import { ASK, caught, readAll, user } from '../client/client.helpers.ts'
import { chat, chatBody, errorCode, get, header, jsonObject } from '../harness/chat.ts'
import { newFolder, onDisk, rootKey } from '../store/store.helpers.ts'
import { DAY_MS, POLL, began, open } from './keysets.helpers.ts'

describe('renewal', () => {
  test('keeps the keys, ends later, and comes into force with a document of its own that passed the gate', async () => {
    const judged: string[] = []
    const { keys, first, stage, today } = await began({
      gate: (text) => {
        judged.push(text)
        return null
      },
    })
    await expect.poll(() => judged.length, POLL).toBeGreaterThan(1)
    expect(keys.current).toBe(first)
    await today()
    expect(keys.keyset).toEqual({ ...first.keyset, not_after: keys.keyset.not_after })
    expect(keys.keyset.not_after - first.keyset.not_after).toBeGreaterThan(86_400 / 2)
    expect(keys.keysetDigest).not.toBe(first.digest)
    const own = judged.find((text) => text.includes(`"not_after":${keys.keyset.not_after}`))
    expect(own).toBeDefined()
    const archived = (await get(stage.at, `/attestation/keysets/${first.digest}`)).body
    expect(jsonObject(archived)['keyset']).toEqual(first.keyset)
    const current = (await get(stage.at, `/v1/attestation/keysets/${keys.keysetDigest}`)).body
    const { document } = jsonObject(current)
    expect(jsonObject(String(document))['keyset']).toEqual(keys.keyset)
    expect(jsonObject((await get(stage.at, '/attestation')).body)['keyset']).toEqual(keys.keyset)
    const aci = jsonObject((await get(stage.at, '/v1/aci/attestation')).body)
    expect(aci['workload_keyset_digest']).toBe(keys.keysetDigest)
    const reply = await chat(stage.at, chatBody('x'))
    expect(header(reply, 'x-aci-keyset-digest')).toBe(keys.keysetDigest)
  })

  test('whose document does not pass the gate changes nothing, and the service stops serving for it', async () => {
    let cause: string | null = null
    const { keys, first, clock, stage } = await began({ gate: () => cause })
    await stage.at.service.ready
    cause = 'quote_signature_invalid'
    clock.days = 0
    const ready = async () => (await get(stage.at, '/health/ready')).status
    await expect.poll(ready, POLL).toBe(503)
    expect(keys.current).toBe(first)
    cause = null
    await expect.poll(() => keys.current, POLL).not.toBe(first)
    await expect.poll(ready, POLL).toBe(200)
  })

  test('waits for the store; until it takes the document, receipts go on naming the keyset before', async () => {
    let full = false
    const [path, key] = [newFolder(), rootKey()]
    const { keys, first, clock, stage } = await began({
      openStore: async (boot) => {
        const store = await onDisk(path, key).openStore(boot)
        const archive: typeof store.durable.archive = (digest, text) =>
          full ? Promise.reject(new Error('ENOSPC')) : store.durable.archive(digest, text)
        return { ...store, durable: { ...store.durable, archive } }
      },
    })
    full = true
    clock.days = 0
    const lines = () => stage.at.log.map(({ message }) => message)
    await expect.poll(lines, POLL).toContain('the store did not take the document; will try again')
    expect((await chat(stage.at, chatBody('x'))).status).toBe(200)
    expect(stage.at.receipts.at(-1)?.record.keyset_digest).toBe(first.digest)
    full = false
    await expect.poll(() => keys.current, POLL).not.toBe(first)
  })

  test('a keyset that ends too late, because the clock was ahead, is replaced by one that ends sooner', async () => {
    const { keys, clock, today } = await began()
    await today()
    clock.days = 40
    const before = keys.current
    await expect.poll(() => keys.current, POLL).not.toBe(before)
    expect(keys.keyset.not_after * 1000).toBeGreaterThan(Date.now() + 40 * DAY_MS)
    clock.days = 0
    await expect
      .poll(() => keys.keyset.not_after * 1000, POLL)
      .toBeLessThan(Date.now() + 1.01 * DAY_MS)
  })
})

describe('a keyset past its end', () => {
  test('refuses inference by code while it cannot be renewed, and serves again by itself', async () => {
    const { stage, clock, keys, first } = await began()
    const { agentFaults } = stage.at
    await stage.at.service.ready
    agentFaults.garbage = true
    clock.days = 2
    const refused = await chat(stage.at, chatBody('x'))
    expect([refused.status, errorCode(refused)]).toEqual([503, 'keyset_expired'])
    expect(Number(header(refused, 'retry-after'))).toBeGreaterThan(0)
    const ready = jsonObject((await get(stage.at, '/health/ready')).body)
    expect(ready['attested']).toMatchObject({ code: 'keyset_expired' })
    expect(keys.current).toBe(first)
    agentFaults.garbage = false
    await expect.poll(() => keys.current, POLL).not.toBe(first)
    await expect.poll(async () => (await chat(stage.at, chatBody('x'))).status, POLL).toBe(200)
  })
})

describe('a stream that is open while the keyset is renewed', () => {
  test('ends complete under the new keyset, and a client that attested the old one verifies it', async () => {
    const { stage, today, keys, first, now } = await began({ model: { chunkDelayMs: 5 } })
    const me = user(stage, 'direct', { level: 'bytes', now })
    await me.openai.chat.completions.create(ASK)
    expect(me.verdicts[0]).toMatchObject({ accepted: true, keysetDigest: first.digest })
    let release = (): void => undefined
    const faults = stage.at.model.faults
    faults.holdUntil = new Promise((resolve) => (release = () => resolve(undefined)))
    const stream = me.openai.chat.completions.create({ ...ASK, stream: true })
    await expect.poll(() => stage.at.model.requests.length, POLL).toBe(2)
    await today()
    release()
    expect((await readAll(await stream)).chunks).toBeGreaterThan(3)
    expect(me.verdicts[1]).toMatchObject({
      accepted: true,
      level: 'bytes',
      outcome: 'complete',
      keysetDigest: keys.keysetDigest,
    })
  })
})

describe('a receipt of a keyset that is neither known to the client nor in force', () => {
  /** The client knows the first keyset; the answer is made under the second; the third is in force when it asks. */
  async function twoChanges(archive?: (text: string) => string | Promise<string>) {
    const world = await began()
    const { stage, today, clock, keys, now } = world
    let changes = false
    const me = user(stage, 'direct', {
      now,
      fetch: async (input, init) => {
        const url = String(input)
        if (url.includes('/signature/') && changes) {
          changes = false
          const before = keys.current
          clock.days = 0.6
          await expect.poll(() => keys.current, POLL).not.toBe(before)
        }
        const response = await fetch(input, init)
        if (archive === undefined || !url.includes('/keysets/')) return response
        return new Response(await archive(await response.text()), { status: response.status })
      },
    })
    await me.openai.chat.completions.create(ASK)
    await today()
    changes = true
    return { ...world, me }
  }

  test('verifies by the archived document', async () => {
    const { me, keys } = await twoChanges()
    const second = keys.keysetDigest
    await me.openai.chat.completions.create(ASK)
    expect(me.verdicts[1]).toMatchObject({ accepted: true, level: 'bytes', keysetDigest: second })
    expect(keys.keysetDigest).not.toBe(second)
  })

  test.each([
    [
      'of another keyset',
      (text: string) => text.replace(/\\"not_after\\":\d+/, '\\"not_after\\":1999999999'),
      ['receipt_other_keyset', 'statement_mismatch'],
    ],
    ['that is no document', () => '{}', ['receipt_other_keyset']],
  ])('is refused with an archived document %s', async (_what, archive, codes) => {
    const { me } = await twoChanges(archive)
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('receipt_other_keyset')
    const failed = error.verdict.checks.filter(({ status }) => status === 'fail')
    for (const code of codes) expect(failed.map((check) => check.code)).toContain(code)
  })

  test('is refused with a genuine document of another keyset', async () => {
    const { me } = await twoChanges(async () => {
      const [stage] = open
      if (stage === undefined) throw new Error('none is open')
      return String((await get(stage.at, '/v1/attestation/document')).body)
    })
    const error = await caught(me.openai.chat.completions.create(ASK))
    const failed = error.verdict.checks.filter(({ status }) => status === 'fail')
    const codes = failed.map(({ code }) => code)
    expect(codes).toEqual(['receipt_other_keyset', 'level_not_reached', 'archive_other_keyset'])
  })
})
