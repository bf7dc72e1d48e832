/** Archived keysets before who remembers heads: a broker chooses which document it shows, and has those of other services too. */
import { createServer } from 'node:http'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { verify } from '../../src/cli/verify.ts'
import { ASK, caught, openStage, user } from '../client/client.helpers.ts'
import type { Stage } from '../client/client.helpers.ts'
import { listenLocally } from '../harness/listen-locally.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { newFolder, onDisk, rootKey } from '../store/store.helpers.ts'
import { POLL, began } from './keysets.helpers.ts'

const newState = (): string => join(newFolder(), 'state')

async function savedReceipt(at: TestService): Promise<string> {
  const id = header(await chat(at, chatBody('x')), 'x-receipt-id')
  const file = join(newFolder(), 'receipt.json')
  writeFileSync(file, (await get(at, `/v1/attestation/receipts/${id}`, { who: 'alice' })).body)
  return file
}

async function cli(target: string, state: string, receipt?: string) {
  let out = ''
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  try {
    const more = receipt === undefined ? {} : { receipt }
    const exit = await verify(target, { allowSimulated: true, state, json: true, ...more })
    const report = jsonObject(out)
    const checks = Array.isArray(report['checks']) ? (report['checks'] as unknown[]) : []
    const failed = checks.filter(isJsonObject).filter(({ status }) => status === 'fail')
    return { exit, report, failed: failed.map(({ id, code }) => `${String(id)} ${String(code)}`) }
  } finally {
    stdout.mockRestore()
  }
}

/** Shows what `at` serves, and for one keyset whatever `archived` is. */
async function startBroker(at: TestService, archived: string): Promise<string> {
  const server = createServer((req, res) => {
    const answer = async (): Promise<void> => {
      const url = req.url ?? ''
      if (url.includes('/keysets/')) {
        res.end(archived)
        return
      }
      const reply = await fetch(`${at.url}${url}`)
      res.writeHead(reply.status)
      res.end(await reply.text())
    }
    answer().catch(() => res.destroy())
  })
  return listenLocally(server)
}

async function started(path?: string, key?: Uint8Array): Promise<TestService> {
  const store = path === undefined || key === undefined ? {} : onDisk(path, key)
  return startTestService({ gpus: 1, ...store })
}

const documentOf = async (at: TestService): Promise<string> =>
  String((await get(at, `/v1/attestation/keysets/${at.service.keys.keysetDigest}`)).body)

describe('countersign verify --state --receipt', () => {
  test('refuses a service that began anew and shows the document that is kept of the one before', async () => {
    const state = newState()
    const first = await started()
    expect((await cli(first.url, state)).exit).toBe(0)
    const receipt = await savedReceipt(first)
    const kept = await documentOf(first)
    await first.close()
    const second = await started()
    onTestFinished(() => second.close())
    const broker = await startBroker(second, kept)
    const { exit, failed, report } = await cli(broker, state, receipt)
    expect([exit, report['verdict']]).toEqual([10, 'rejected'])
    expect(failed).toEqual(['log.continuity log_reset', 'log.archive log_forked'])
    expect(report['inForce']).toMatchObject({ verdict: 'accepted' })
  })

  test('refuses the document of another service beside one whose log goes on, also where no head was remembered', async () => {
    const [first, other] = [await started(), await started()]
    onTestFinished(() => Promise.all([first.close(), other.close()]).then(() => undefined))
    const receipt = await savedReceipt(other)
    const broker = await startBroker(first, await documentOf(other))
    const state = newState()
    for (let i = 0; i < 2; i++) {
      const { exit, failed } = await cli(broker, state, receipt)
      expect([exit, failed]).toEqual([10, ['log.archive log_forked']])
    }
  })

  test('accepts a receipt of the boot before, whether that boot was seen or not', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const [seen, unseen] = [newState(), newState()]
    const first = await started(path, key)
    expect((await cli(first.url, seen)).exit).toBe(0)
    const receipt = await savedReceipt(first)
    await first.close()
    // Nobody looks at the boot between.
    await (await started(path, key)).close()
    const third = await started(path, key)
    onTestFinished(() => third.close())
    for (const state of [seen, unseen, seen]) {
      const { exit, failed, report } = await cli(third.url, state, receipt)
      expect([exit, failed]).toEqual([0, []])
      expect(report['receipt']).toMatchObject({ accepted: true })
    }
    expect((await cli(third.url, seen)).exit).toBe(0)
  })
})

describe('the verified fetch with a file of heads', () => {
  async function twoStages(): Promise<readonly [Stage, Stage, Stage['policy']]> {
    const [a, b] = [await openStage(), await openStage()]
    onTestFinished(() => Promise.all([a.close(), b.close()]).then(() => undefined))
    const both = (roots: (stage: Stage) => readonly string[] | undefined) =>
      [a, b].flatMap((stage) => roots(stage) ?? [])
    const policy = {
      ...a.policy,
      sgxRoots: both(({ policy: { sgxRoots } }) => sgxRoots),
      nvidiaRoots: both(({ policy: { nvidiaRoots } }) => nvidiaRoots),
    }
    return [a, b, policy]
  }

  test('refuses answers of a service that is none of the log, although its document is shown as archived', async () => {
    const [a, b, policy] = await twoStages()
    let toB = false
    const fromB = /\/(?:signature|keysets)\//
    const through: typeof fetch = (input, init) => {
      const url = String(input)
      const turned = toB && (init?.method === 'POST' || fromB.test(url))
      return fetch(turned ? url.replace(a.at.url, b.at.url) : url, init)
    }
    const stateless = user(a, 'direct', { policy, fetch: through })
    const me = user(a, 'direct', { policy, fetch: through, logState: newState() })
    for (const { openai } of [stateless, me]) await openai.chat.completions.create(ASK)
    toB = true
    // Who remembers nothing accepts either service.
    await stateless.openai.chat.completions.create(ASK)
    for (let i = 0; i < 2; i++) {
      const error = await caught(me.openai.chat.completions.create(ASK))
      const failed = error.verdict.checks.filter(({ status }) => status === 'fail')
      expect(failed.map(({ id, code }) => `${id} ${code}`)).toContain('log.archive log_forked')
    }
  })

  test('verifies by the archived document of a keyset that was renewed twice since', async () => {
    const { stage, today, clock, keys, now } = await began()
    let changes = false
    const me = user(stage, 'direct', {
      now,
      logState: newState(),
      fetch: async (input, init) => {
        if (String(input).includes('/signature/') && changes) {
          changes = false
          const before = keys.current
          clock.days = 0.6
          await expect.poll(() => keys.current, POLL).not.toBe(before)
        }
        return fetch(input, init)
      },
    })
    await me.openai.chat.completions.create(ASK)
    await today()
    changes = true
    const second = keys.keysetDigest
    await me.openai.chat.completions.create(ASK)
    expect(me.verdicts[1]).toMatchObject({ accepted: true, level: 'bytes', keysetDigest: second })
  })
})
