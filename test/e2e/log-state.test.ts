/** Who remembers heads, before services whose volume was rolled back, cloned or wiped. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { readLogHead } from '../../attestation/protocol/log/leaves.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { verify } from '../../src/cli/verify.ts'
import { followLog } from '../../src/client/log/follow-log.ts'
import { openLogMemory } from '../../src/client/log/log-memory.ts'
import { ASK, openStage, user } from '../client/client.helpers.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { MODEL, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { newFolder, onDisk, rootKey } from '../store/store.helpers.ts'

function start(path: string, key: Uint8Array): Promise<TestService> {
  return startTestService({
    ...onDisk(path, key),
  })
}

async function serve(at: TestService, count = 1): Promise<string> {
  let id = ''
  for (let i = 0; i < count; i++) id = header(await chat(at, chatBody('x')), 'x-receipt-id')
  await at.service.records?.publish()
  return id
}

/** Takes the head of the statement, as whoever has accepted the document would, and follows it. */
async function follow(at: TestService, state: string): Promise<string> {
  const memory = openLogMemory(state)
  const before = await memory.read()
  const nonce = Buffer.from(nodeCrypto.sha256(Buffer.from(String(Math.random())))).toString('hex')
  const { log } = jsonObject((await get(at, `/attestation?nonce=${nonce}`)).body)
  const read = async (path: string) => {
    const reply = await get(at, `/v1/attestation/log/${path}`)
    const { document } = jsonObject(reply.body)
    return reply.status === 200 && typeof document === 'string' ? document : null
  }
  const { status, code } = await followLog(
    readLogHead(log as never),
    null,
    before,
    memory,
    read,
    nodeCrypto,
  )
  return status === 'fail' ? code : status
}

describe('who remembers the head of a log', () => {
  test('follows it over stops, kills and boots that nobody looked at', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const state = join(newFolder(), 'state')
    const first = await start(path, key)
    expect(await follow(first, state)).toBe('info')
    const id = await serve(first, 3)
    expect(await follow(first, state)).toBe('pass')
    await serve(first)
    await first.close()
    for (let i = 0; i < 2; i++) await (await start(path, key)).close()
    const last = await start(path, key)
    expect(await follow(last, state)).toBe('pass')
    // The receipt of a boot long gone is still proved, under the head that boot signed.
    const reply = await get(last, `/attestation/log/inclusion/${id}`, { who: 'alice' })
    expect(jsonObject(reply.body)).toMatchObject({
      leaf_index: 3,
      origin: first.service.records?.origin,
    })
    await last.close()
  })

  test('refuses a volume that was rolled back, and one that was wiped', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const state = join(newFolder(), 'state')
    const first = await start(path, key)
    await serve(first)
    await first.close()
    const copy = join(newFolder(), 'copy')
    copyFileSync(join(path, 'receipts.mdb'), copy)

    const second = await start(path, key)
    await serve(second)
    expect(await follow(second, state)).toBe('info')
    await second.close()

    copyFileSync(copy, join(path, 'receipts.mdb'))
    const third = await start(path, key)
    // The boot that was seen is not among those that this one comes from.
    expect(await follow(third, state)).toBe('log_reset')
    await third.close()

    const wiped = await start(newFolder(), key)
    expect(await follow(wiped, state)).toBe('log_reset')
    await wiped.close()
  })

  test('refuses a volume whose last boot is there at an earlier time', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const state = join(newFolder(), 'state')
    const first = await start(path, key)
    await serve(first)
    const copy = join(newFolder(), 'copy')
    copyFileSync(join(path, 'receipts.mdb'), copy)
    await serve(first)
    await serve(first)
    expect(await follow(first, state)).toBe('info')
    await first.close()
    copyFileSync(copy, join(path, 'receipts.mdb'))
    const second = await start(path, key)
    expect(await follow(second, state)).toBe('log_rolled_back')
    await second.close()
  })

  test('of two clones of one volume follows one and refuses the other, which nobody else can tell from it', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const state = join(newFolder(), 'state')
    const first = await start(path, key)
    await serve(first)
    expect(await follow(first, state)).toBe('info')
    await first.close()
    const clone = join(newFolder(), 'clone')
    mkdirSync(clone)
    copyFileSync(join(path, 'receipts.mdb'), join(clone, 'receipts.mdb'))
    const [a, b] = [await start(path, key), await start(clone, key)]
    expect(await follow(a, state)).toBe('pass')
    expect(await follow(b, state)).toBe('log_forked')
    const stranger = join(newFolder(), 'state')
    expect(await follow(b, stranger)).toBe('info')
    await Promise.all([a.close(), b.close()])
  })

  test('refuses a service that keeps no log, and does not take a proof that was not given for one', async () => {
    const state = join(newFolder(), 'state')
    const off = await startTestService({ config: { log: null } })
    expect(await follow(off, state)).toBe('log_not_kept')
    await off.close()
  })

  test('among many at once on one file sees no fault where there is none', async () => {
    const state = join(newFolder(), 'state')
    const at = await startTestService()
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        if (i % 2 === 1) await at.service.records?.publish()
        return follow(at, state)
      }),
    )
    expect(outcomes.filter((outcome) => !['info', 'pass'].includes(outcome))).toEqual([])
    await at.close()
  })
})

describe('the verified fetch with a file of heads', () => {
  test('serves while the log goes on, through the broker too, and refuses a service that began anew', async () => {
    const logState = join(newFolder(), 'state')
    const stage = await openStage()
    onTestFinished(() => stage.close())
    const ask = async (of: typeof stage) =>
      user(of, 'broker', { logState }).openai.chat.completions.create({
        model: MODEL,
        messages: [{ role: 'user', content: 'x' }],
      })
    await ask(stage)
    await stage.at.service.records?.publish()
    await ask(stage)
    const other = await openStage()
    onTestFinished(() => other.close())
    await expect(ask(other)).rejects.toMatchObject({ code: 'log_reset' })
  })
})

describe('countersign verify --inclusion', () => {
  test('takes the service’s proof that the receipt is in its log, and rejects that of another receipt', async () => {
    const at = await startTestService({ gpus: 1 })
    const folder = newFolder()
    const save = async (name: string, path: string): Promise<string> => {
      const file = join(folder, name)
      writeFileSync(file, (await get(at, path, { who: 'alice' })).body)
      return file
    }
    const [one, two] = [await serve(at), await serve(at)]
    const receipt = await save('receipt.json', `/v1/attestation/receipts/${one}`)
    const run = async (inclusion: string) => {
      let out = ''
      const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
        out += String(text)
        return true
      })
      try {
        return [await verify(at.url, { allowSimulated: true, receipt, inclusion }), out] as const
      } finally {
        stdout.mockRestore()
      }
    }
    const own = await run(await save('one.json', `/v1/attestation/log/inclusion/${one}`))
    expect(own[1]).toMatch(/log\.inclusion/)
    expect(own[0]).toBe(0)
    const other = await run(await save('two.json', `/v1/attestation/log/inclusion/${two}`))
    expect(other[1]).toContain('log_inclusion_invalid')
    expect(other[0]).toBe(10)
    await at.close()
  })
})

describe('countersign verify --state', () => {
  const run = async (at: TestService, state: string, more: object = {}) => {
    let out = ''
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text)
      return true
    })
    const roots = at.simulation?.roots
    if (roots === undefined) throw new Error('a simulation has roots')
    try {
      const code = await verify(at.url, { allowSimulated: true, state, json: true, ...more })
      const printed = jsonObject(out)
      const checks = Array.isArray(printed['checks']) ? (printed['checks'] as unknown[]) : []
      const check = checks.filter(isJsonObject).find(({ id }) => id === 'log.continuity')
      return { exit: code, code: check?.['code'], verdict: printed['verdict'] }
    } finally {
      stdout.mockRestore()
    }
  }

  test('accepts a log that goes on with exit 0, and rejects one that began anew with exit 10', async () => {
    const state = join(newFolder(), 'state')
    const first = await startTestService({ gpus: 1 })
    expect(await run(first, state)).toEqual({
      exit: 0,
      code: 'log_first_seen',
      verdict: 'accepted',
    })
    await serve(first, 2)
    expect(await run(first, state)).toEqual({ exit: 0, code: 'ok', verdict: 'accepted' })
    await first.close()
    const second = await startTestService({ gpus: 1 })
    expect(await run(second, state)).toEqual({ exit: 10, code: 'log_reset', verdict: 'rejected' })
    await second.close()
  })

  test('refuses a log of another name than the one that was told, which it would otherwise see for the first time', async () => {
    const state = join(newFolder(), 'state')
    const first = await startTestService({ gpus: 1 })
    const named = { logName: 'countersign' }
    expect(await run(first, state, named)).toMatchObject({ exit: 0, code: 'log_first_seen' })
    await first.close()
    const log = { name: 'countersign-b', public: false, interval_ms: 60_000 }
    const renamed = await startTestService({ gpus: 1, config: { log } })
    expect(await run(renamed, state, named)).toMatchObject({ exit: 10, code: 'log_other_name' })
    expect(await run(renamed, state)).toMatchObject({ exit: 0, code: 'log_name_new' })
    const either = { logName: ['countersign', 'countersign-b'] }
    expect(await run(renamed, state, either)).toMatchObject({ exit: 0, code: 'ok' })
    await expect(verify(renamed.url, named)).rejects.toThrow('--state')
    await expect(verify(renamed.url, { state, logName: 'A b' })).rejects.toThrow('--log-name')
    await renamed.close()
  })

  test('so does the verified fetch', async () => {
    const stage = await openStage()
    onTestFinished(() => stage.close())
    const logState = join(newFolder(), 'state')
    const ask = (logName: string) =>
      user(stage, 'broker', { logState, logName }).openai.chat.completions.create(ASK)
    await expect(ask('countersign-b')).rejects.toMatchObject({ code: 'log_other_name' })
    await ask('countersign')
    expect(() => user(stage, 'broker', { logName: 'countersign' })).toThrow('logState')
  })
})
