import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { verified } from '../../src/client/verified.ts'
import { TOKENS } from '../harness/service.ts'
import { ASK, openStage, user } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  await stage.close()
})
afterEach(() => {
  Object.keys(stage.at.model.faults).forEach((name) =>
    Object.assign(stage.at.model.faults, { [name]: undefined }),
  )
})

describe('a reader that leaves', () => {
  const slow = { ...ASK, messages: [{ role: 'user' as const, content: '[[tokens=400]]' }] }

  test('by break is told who served what it read', async () => {
    const me = user(stage, 'direct')
    const stream = await me.openai.chat.completions.create({ ...slow, stream: true })
    let seen = 0
    for await (const _chunk of stream) if (++seen === 3) break
    const verdict = await me.verdict()
    expect(verdict).toMatchObject({ accepted: true, level: 'signer' })
    expect(['downstream_closed', 'complete']).toContain(verdict.outcome)
  })

  test('by an abort signal is told, too, and nothing is left unhandled', async () => {
    const me = user(stage, 'broker')
    const controller = new AbortController()
    const stream = await me.openai.chat.completions.create(
      { ...slow, stream: true },
      { signal: controller.signal },
    )
    let seen = 0
    for await (const _chunk of stream) if (++seen === 2) controller.abort()
    expect(await me.verdict()).toMatchObject({ accepted: true, level: 'signer' })
  })

  test('before the answer gets the abort and no verdict', async () => {
    const me = user(stage, 'direct')
    const controller = new AbortController()
    controller.abort()
    await expect(
      me.openai.chat.completions.create(ASK, { signal: controller.signal }),
    ).rejects.toBeInstanceOf(OpenAI.APIUserAbortError)
    expect(me.verdicts).toEqual([])
  })

  test('a reporter that throws does not decide', async () => {
    const fetch = verified({
      policy: stage.policy,
      onVerdict: () => {
        throw new Error('the reporter is broken')
      },
    })
    const openai = new OpenAI({ baseURL: `${stage.at.url}/v1`, apiKey: TOKENS.alice, fetch })
    const answer = await openai.chat.completions.create(ASK)
    expect(answer.choices).toHaveLength(1)
  })

  test('each attempt of a client that retries has its own challenge', async () => {
    stage.at.model.faults.status = { status: 500, body: '{"error":{"message":"x"}}' }
    const me = user(stage, 'direct')
    const before = stage.at.receipts.length
    await expect(me.openai.chat.completions.create(ASK)).rejects.toBeInstanceOf(OpenAI.APIError)
    const challenges = stage.at.receipts.slice(before).map(({ record }) => record.challenge)
    expect(new Set(challenges).size).toBe(challenges.length)
    expect(challenges.length).toBe(3)
  })
})
