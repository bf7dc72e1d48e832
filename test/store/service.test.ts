import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import {
  chat,
  chatBody,
  errorCode,
  get,
  getOperations,
  header,
  jsonObject,
} from '../harness/chat.ts'
import { newFolder, onDisk, rootKey, until } from './store.helpers.ts'

const ready = async (at: TestService) => (await get(at, '/health/ready')).status === 200

test('no last byte leaves before its receipt is flushed, streamed or buffered', async () => {
  let release: (() => void) | null = null
  const at = await startTestService(
    onDisk(newFolder(), rootKey(), {
      disk: async (commit) => {
        if (release !== null) await new Promise<void>((resolve) => (release = resolve))
        await commit()
      },
    }),
  )
  for (const stream of [true, false]) {
    release = () => undefined
    let over = false
    const answer = chat(at, chatBody('x', { stream })).finally(() => (over = true))
    await until(() => at.model.requests.length > 0)
    await sleep(150)
    expect(over).toBe(false)
    release()
    release = null
    expect((await answer).status).toBe(200)
  }
  await at.close()
})

describe('a full disk', () => {
  test('lets no answer out without a receipt, refuses new work before the model is asked, and is noticed to recover', async () => {
    let full = false
    const at = await startTestService({
      ...onDisk(newFolder(), rootKey(), {
        disk: (commit) => (full ? Promise.reject(new Error('ENOSPC')) : commit()),
      }),
      operations: true,
    })
    const before = await chat(at, chatBody('x'))
    full = true
    for (const stream of [false, true]) {
      const ended = await chat(at, chatBody('x', { stream })).then(
        (reply) => (stream ? reply.body.includes('[DONE]') : true),
        () => 'broken off',
      )
      expect(ended).not.toBe(true)
      if (stream) break
      // The second request must reach the store too.
      full = false
      await until(() => ready(at))
      full = true
    }
    expect(await ready(at)).toBe(false)
    const asked = at.model.requests.length
    const refused = await chat(at, chatBody('x'))
    expect([refused.status, errorCode(refused)]).toEqual([503, 'store_unavailable'])
    expect(Number(header(refused, 'retry-after'))).toBeGreaterThan(0)
    expect(at.model.requests).toHaveLength(asked)
    // What was acknowledged stays readable.
    const id = header(before, 'x-receipt-id')
    const found = await get(at, `/v1/aci/receipts/${id}`, { who: 'alice' })
    expect(found.status).toBe(200)
    full = false
    await until(() => ready(at))
    expect((await chat(at, chatBody('x'))).status).toBe(200)
    await at.close()
  })
})

test('after a restart the receipt and the document that vouches for it are served', async () => {
  const [path, key] = [newFolder(), rootKey()]
  const first = await startTestService(onDisk(path, key))
  const id = header(await chat(first, chatBody('x')), 'x-receipt-id')
  const receipt = await get(first, `/v1/aci/receipts/${id}`, { who: 'alice' })
  const digest = first.service.keys.keysetDigest
  await first.close()

  const second = await startTestService(onDisk(path, key))
  expect(second.service.keys.keysetDigest).not.toBe(digest)
  expect((await get(second, `/v1/aci/receipts/${id}`, { who: 'alice' })).body.toString()).toBe(
    receipt.body.toString(),
  )
  expect((await get(second, `/v1/aci/receipts/${id}`, { who: 'bob' })).status).toBe(404)
  const document = (await get(second, `/attestation/keysets/${digest}`)).body
  expect(jsonObject(document)).toMatchObject({
    boot_id: first.service.keys.bootId,
    keyset: first.service.keys.keyset,
  })
  const wrapped = await get(second, `/v1/attestation/keysets/${digest}`)
  expect(jsonObject(wrapped.body)).toEqual({ document: document.toString() })
  const unknown = await get(second, `/attestation/keysets/sha256:${'00'.repeat(32)}`)
  expect([unknown.status, errorCode(unknown)]).toEqual([404, 'keyset_unknown'])
  const odd = await get(second, '/attestation/keysets/nonsense')
  expect([odd.status, errorCode(odd)]).toEqual([400, 'invalid_keyset_digest'])
  await second.close()
})

describe('what opening a store found is said in the log, with what to do', () => {
  const warned = (at: TestService) =>
    at.log
      .filter(
        ({ level, message }) => level === 'warn' && message === 'what opening the store found',
      )
      .map(({ fields: { advice, ...fields } }) => (expect(advice).toBeTypeOf('string'), fields))

  test('a key that ends with the process, and what the process before had sealed under its own', async () => {
    const path = newFolder()
    const first = await startTestService(onDisk(path, rootKey(), { ephemeral: true }))
    expect(warned(first)).toEqual([{ cause: 'store_key_ephemeral' }])
    for (let i = 0; i < 2; i++) await chat(first, chatBody('x'))
    await first.close()
    const second = await startTestService({
      ...onDisk(path, rootKey(), { ephemeral: true }),
      operations: true,
    })
    const { text } = await getOperations(second, '/metrics')
    expect(
      [...text.matchAll(/^countersign_store_warning\{code="(\w+)"\} 1$/gm)].map(([, code]) => code),
    ).toEqual(['store_key_ephemeral', 'store_key_gone'])
    expect(warned(second)).toEqual([
      { cause: 'store_key_ephemeral' },
      { cause: 'store_key_gone', boots: 1, receipts: 2 },
    ])
    await second.close()
  })

  test('nothing of a store that opens', async () => {
    const [path, key] = [newFolder(), rootKey()]
    for (let i = 0; i < 2; i++) {
      const at = await startTestService(onDisk(path, key))
      await chat(at, chatBody('x'))
      expect(warned(at)).toEqual([])
      await at.close()
    }
  })
})
