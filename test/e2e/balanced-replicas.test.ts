/** Who remembers heads, before replicas that share an address and a store and have logs of their own. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { verified } from '../../src/client/verified.ts'
import type { VerifiedOptions } from '../../src/client/create-client.ts'
import type { ClientVerdict } from '../../src/client/verification-error.ts'
import { ASK, caught, readAll } from '../client/client.helpers.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { TOKENS } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { SERVER, startRedis } from '../store/redis.helpers.ts'
import { newFolder, rootKey } from '../store/store.helpers.ts'
import { startBalancer, startReplica, verifyAt } from './balanced.helpers.ts'

const newState = (): string => join(newFolder(), 'heads')
const POLICY = { allowSimulated: true, simulatedRoots: 'any' } as const

function user(base: string, options: VerifiedOptions) {
  const verdicts: ClientVerdict[] = []
  const onVerdict = (verdict: ClientVerdict) => void verdicts.push(verdict)
  const fetch = verified({ policy: POLICY, onVerdict, ...options })
  const openai = new OpenAI({ baseURL: `${base}/v1`, apiKey: TOKENS.alice, maxRetries: 0, fetch })
  return { openai, verdicts }
}

/** Without keep-alive: each request is one more connection. */
const closing: typeof fetch = (input, init) => {
  const headers = new Headers(init?.headers)
  headers.set('connection', 'close')
  return fetch(input, { ...init, headers })
}

const logChecks = ({ checks }: ClientVerdict): readonly string[] =>
  checks
    .filter(({ id, status }) => id.startsWith('log.') && status !== 'pass')
    .map(({ id, code }) => `${id} ${code}`)

async function publish(replicas: readonly TestService[]): Promise<void> {
  for (const { service } of replicas) await service.records?.publish()
}

const names = (state: string): readonly string[] => {
  const { logs } = jsonObject(readFileSync(state))
  return Object.keys(logs ?? {})
}

async function savedReceipt(at: TestService): Promise<string> {
  const id = header(await chat(at, chatBody('x')), 'x-receipt-id')
  const file = join(newFolder(), 'receipt.json')
  writeFileSync(file, (await get(at, `/v1/attestation/receipts/${id}`, { who: 'alice' })).body)
  return file
}

describe.skipIf(SERVER === null)('replicas behind one address', () => {
  async function stage() {
    const [redis, key, path] = [await startRedis(), rootKey(), newFolder()]
    const a = await startReplica(redis, key, 'replica1', path)
    const b = await startReplica(redis, key, 'replica2')
    const replicas = [a, b]
    const ports = () => replicas.map(({ port }) => port)
    const again = async () => {
      replicas[0] = await startReplica(redis, key, 'replica1', path)
      return replicas[0]
    }
    return { redis, key, path, a, b, replicas, ports, again }
  }

  test.each(['request', 'connection'] as const)(
    'turned by %s: every answer to who remembers heads verifies, with its receipt inside or not',
    async (by) => {
      const { replicas, ports } = await stage()
      const base = await startBalancer(by, ports)
      for (const inline of [true, false]) {
        const logState = newState()
        const verdicts: ClientVerdict[] = []
        for (let client = 0; client < 4; client++) {
          const me = user(base, { logState, inline, fetch: client % 2 === 0 ? fetch : closing })
          for (let i = 0; i < 5; i++) {
            const { completions } = me.openai.chat
            if (i % 2 === 0) await completions.create(ASK)
            else await readAll(await completions.create({ ...ASK, stream: true }))
          }
          verdicts.push(...me.verdicts)
          await publish(replicas)
        }
        expect(verdicts.map(({ accepted, level }) => `${accepted} ${level}`)).toEqual(
          Array.from({ length: 20 }, () => 'true bytes'),
        )
        expect(new Set(verdicts.map(({ keysetDigest }) => keysetDigest)).size).toBe(2)
        expect(names(logState)).toEqual(['replica1', 'replica2'])
      }
    },
  )

  test('countersign verify --state accepts each time, and says when it meets a name for the first', async () => {
    const { a, replicas, ports } = await stage()
    const base = await startBalancer('request', ports)
    const state = newState()
    const told = []
    for (let i = 0; i < 8; i++) {
      told.push(await verifyAt(base, { state }))
      await publish(replicas)
    }
    expect(told.map(({ exit }) => exit)).toEqual(Array.from({ length: 8 }, () => 0))
    expect(told.flatMap(({ log }) => log)).toEqual([
      'log.continuity log_first_seen',
      'log.continuity log_name_new',
    ])
    expect(names(state)).toEqual(['replica1', 'replica2'])
    const one = { state: newState(), logName: ['replica2'] }
    expect(await verifyAt(a.url, one)).toMatchObject({
      exit: 10,
      log: ['log.continuity log_other_name'],
    })
    expect((await verifyAt(a.url, { ...one, logName: ['replica2', 'replica1'] })).exit).toBe(0)
  })

  test('a receipt of one at the other is judged under its own log, which the other cannot prove', async () => {
    const { a, b } = await stage()
    const receipt = await savedReceipt(a)
    const unseen = { state: newState(), receipt }
    expect(await verifyAt(b.url, unseen)).toMatchObject({
      exit: 0,
      log: ['log.continuity log_first_seen', 'log.archive log_name_new'],
      receipt: { accepted: true },
    })
    expect(await verifyAt(b.url, unseen)).toMatchObject({ exit: 0, log: [] })
    await publish([a])
    expect((await verifyAt(a.url, { state: unseen.state })).exit).toBe(0)
    // That boot was followed at its own replica.
    expect(await verifyAt(b.url, unseen)).toMatchObject({
      exit: 0,
      log: ['log.archive log_proof_elsewhere'],
    })
    expect(await verifyAt(b.url, { ...unseen, logName: ['replica2'] })).toMatchObject({
      exit: 10,
      log: ['log.archive log_other_name'],
    })
  })

  test('a replica whose volume was put back is refused by name, and the other is not', async () => {
    const { a, b, path, again, ports } = await stage()
    const base = await startBalancer('request', ports)
    const logState = newState()
    await publish([a])
    const copy = join(newFolder(), 'copy')
    copyFileSync(join(path, 'receipts.mdb'), copy)
    await chat(a, chatBody('x'))
    await publish([a])
    const before = user(base, { logState })
    for (let i = 0; i < 4; i++) await before.openai.chat.completions.create(ASK)
    expect(names(logState)).toEqual(['replica1', 'replica2'])
    await a.close()
    copyFileSync(copy, join(path, 'receipts.mdb'))
    const back = await again()
    const receipt = await savedReceipt(back)

    const told = [
      await verifyAt(base, { state: logState }),
      await verifyAt(base, { state: logState }),
    ]
    const refused = { exit: 10, log: ['log.continuity log_rolled_back'] }
    expect(told.toSorted((one, other) => one.exit - other.exit)).toMatchObject([
      { exit: 0, log: [] },
      refused,
    ])
    // Asked through the balancer, the proofs of the receipt's own log are found.
    const ofReceipt = [
      await verifyAt(base, { state: logState, receipt }),
      await verifyAt(base, { state: logState, receipt }),
    ]
    for (const { exit, log } of ofReceipt) {
      expect([exit, log.length > 0 && log.every((one) => /log_rolled_back$/.test(one))]).toEqual([
        10,
        true,
      ])
    }
    expect((await verifyAt(b.url, { state: logState })).exit).toBe(0)

    const fooled = await startBalancer('request', ports, (method) => (method === 'POST' ? 0 : 1))
    for (const [address, code] of [
      [base, 'log_rolled_back'],
      // Evidence is all of the other replica's, and nobody proves what the log of this one is.
      [fooled, 'log_proof_missing'],
    ] as const) {
      const me = user(address, { logState, inline: false })
      let accepted = 0
      const codes = new Set<string>()
      for (let i = 0; i < 6; i++) {
        const asked = me.openai.chat.completions.create(ASK).then(() => accepted++)
        await asked.catch(() => undefined)
      }
      for (const verdict of me.verdicts) {
        if (!verdict.accepted) logChecks(verdict).forEach((one) => codes.add(one))
        // None of the boot that was put back.
        else expect(verdict.keysetDigest).toBe(b.service.keys.keysetDigest)
      }
      expect([...codes].filter((one) => one.endsWith(code))).not.toEqual([])
      if (address === fooled) expect(accepted).toBe(0)
    }
    // What is remembered of either name is as it was.
    expect(names(logState)).toEqual(['replica1', 'replica2'])
  })

  test('who has met them all attests no more, although every answer is another replica’s', async () => {
    const { ports } = await stage()
    let documents = 0
    const base = await startBalancer('request', ports, (_method, path) => {
      if (path.includes('/attestation/')) documents++
      return null
    })
    const me = user(base, { logState: newState() })
    for (let i = 0; i < 4; i++) await me.openai.chat.completions.create(ASK)
    const met = documents
    for (let i = 0; i < 6; i++) await me.openai.chat.completions.create(ASK)
    expect(me.verdicts.map(({ level }) => level)).toEqual(Array.from({ length: 10 }, () => 'bytes'))
    expect(new Set(me.verdicts.slice(4).map(({ keysetDigest }) => keysetDigest)).size).toBe(2)
    expect(documents).toBe(met)
  })

  test('a replica that started anew goes on, whoever is asked first', async () => {
    const { a, again, ports } = await stage()
    const base = await startBalancer('request', ports)
    const logState = newState()
    const first = user(base, { logState })
    for (let i = 0; i < 4; i++) await first.openai.chat.completions.create(ASK)
    await a.close()
    await again()
    for (let i = 0; i < 6; i++) await first.openai.chat.completions.create(ASK)
    expect(first.verdicts.map(({ accepted }) => accepted)).toEqual(
      Array.from({ length: 10 }, () => true),
    )
  })

  test('a log under a name that was not seen before shows in the verdict, and is refused where names are given', async () => {
    const { redis, key, replicas, ports } = await stage()
    const base = await startBalancer('request', ports)
    const logState = newState()
    const logName = ['replica1', 'replica2']
    const me = user(base, { logState, logName })
    for (let i = 0; i < 4; i++) await me.openai.chat.completions.create(ASK)
    replicas.splice(0, 2, await startReplica(redis, key, 'replica3'))
    const other = user(base, { logState })
    await other.openai.chat.completions.create(ASK)
    expect(other.verdicts.map(logChecks)).toEqual([['log.continuity log_name_new']])
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('receipt_other_keyset')
    expect(logChecks(error.verdict)).toContain('log.continuity log_other_name')
  })
})
