/** Heads of archived documents, before who remembers: of the log in force, and of another name. */
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { RememberedLog } from '../../attestation/appraiser/log/log-state.ts'
import { parseLogOrigin } from '../../attestation/protocol/log/log-origin.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { MAX_REPLICA_ASKS, askReplicas } from '../../src/client/log/ask-replicas.ts'
import { followArchived } from '../../src/client/log/follow-archived.ts'
import { followLog } from '../../src/client/log/follow-log.ts'
import type { ReadLog } from '../../src/client/log/gather-proofs.ts'
import type { LogMemory } from '../../src/client/log/log-memory.ts'
import { makeLog } from './log.helpers.ts'
import type { TestLog } from './log.helpers.ts'

const OTHER = 'test/other'
const own = makeLog(1, null)
const a = makeLog(2, null, 'leaf', OTHER)
const b = makeLog(3, a.head(20), 'leaf', OTHER)
const c = makeLog(4, b.head(30), 'leaf', OTHER)
/** Of a copy of the volume of b. */
const clone = makeLog(5, b.head(10), 'leaf', OTHER)
const fresh = makeLog(6, null, 'leaf', OTHER)
/** The same boot with other records. */
const forged = makeLog(3, a.head(20), 'another', OTHER)
const ALL = [own, a, b, c, clone, fresh]

function reading(logs: readonly TestLog[]): ReadLog {
  return (path) => {
    const [kind, query] = path.split('?')
    const asked = new URLSearchParams(query)
    const number = (name: string) => Number(asked.get(name))
    const log = logs.find(({ origin }) => parseLogOrigin(origin)?.bootId === asked.get('boot'))
    if (log === undefined) return Promise.resolve(null)
    const proof =
      kind === 'boot' ? log.boot(number('size')) : log.consistency(number('from'), number('to'))
    return Promise.resolve(proof)
  }
}

function remembering(entry: RememberedLog | null) {
  const state = new Map(entry === null ? [] : [[OTHER, entry]])
  const memory: LogMemory = {
    read: () => Promise.resolve({ ok: true, state }),
    async update(name, judge) {
      const { check, next } = await judge(state.get(name) ?? null)
      if (next !== null) state.set(name, next)
      return { ok: true, check }
    },
  }
  return { memory, state }
}

const known = (head: LogHead, past: readonly string[] = []): RememberedLog => ({ head, past })

async function judge(
  entry: RememberedLog | null,
  archived: LogHead | null,
  logs: readonly TestLog[] = ALL,
) {
  const { memory, state } = remembering(entry)
  const read = reading(logs)
  const check = await followArchived(own.head(9), archived, null, memory, read, nodeCrypto)
  return { told: `${check.status} ${check.code}`, now: state.get(OTHER) ?? null }
}

const NONE: readonly TestLog[] = []

describe('an archived head of another name than the log in force', () => {
  test.each<[string, RememberedLog, LogHead, readonly TestLog[], string, RememberedLog | null]>([
    ['the one remembered', known(b.head(7)), b.head(7), NONE, 'pass ok', null],
    ['an earlier one of that boot', known(b.head(7)), b.head(5), ALL, 'pass ok', null],
    [
      'a later one of that boot',
      known(b.head(7), [a.origin]),
      b.head(9),
      ALL,
      'pass ok',
      known(b.head(9), [a.origin]),
    ],
    ['a boot before', known(c.head(5), [b.origin]), b.head(7), ALL, 'pass ok', null],
    ['a boot before any that was followed', known(c.head(5)), a.head(7), ALL, 'pass ok', null],
    [
      'a later boot',
      known(a.head(5)),
      c.head(5),
      ALL,
      'pass ok',
      known(c.head(5), [b.origin, a.origin]),
    ],
    [
      'that boot, where nobody proves it',
      known(b.head(7)),
      b.head(5),
      [own],
      'skip log_proof_elsewhere',
      null,
    ],
    [
      'a boot before that was followed, where nobody proves it',
      known(c.head(5), [b.origin]),
      b.head(7),
      [own],
      'skip log_proof_elsewhere',
      null,
    ],
    [
      'a boot that was never followed, where nobody proves it',
      known(a.head(5)),
      b.head(5),
      [own],
      'fail log_proof_missing',
      null,
    ],
    [
      'a boot that was never followed, where its way back is not shown whole',
      known(a.head(5)),
      c.head(5),
      [c],
      'fail log_proof_missing',
      null,
    ],
    [
      'a boot before any that was followed, where the way to it is not shown',
      known(c.head(5)),
      a.head(7),
      [a],
      'fail log_proof_missing',
      null,
    ],
    [
      'a boot of a copy of the volume',
      known(c.head(5), [b.origin]),
      clone.head(5),
      ALL,
      'fail log_forked',
      null,
    ],
    [
      'a boot of a volume that was put back',
      known(b.head(20)),
      clone.head(5),
      ALL,
      'fail log_rolled_back',
      null,
    ],
    ['a volume that is new', known(b.head(7)), fresh.head(5), ALL, 'fail log_reset', null],
    [
      'more of a boot than the next one says of it',
      known(c.head(5), [b.origin]),
      b.head(35),
      ALL,
      'fail log_rolled_back',
      null,
    ],
    ['another head of that size', known(b.head(7)), forged.head(7), NONE, 'fail log_forked', null],
    [
      'other records of that boot',
      known(b.head(7)),
      forged.head(9),
      [forged],
      'fail log_forked',
      null,
    ],
  ])('of %s', async (_what, entry, archived, logs, told, now) => {
    expect(await judge(entry, archived, logs)).toEqual({ told, now: now ?? entry })
  })

  test('is remembered where none of that name was, so that what follows is held against it', async () => {
    const met = { told: 'info log_name_new', now: known(b.head(7)) }
    expect(await judge(null, b.head(7), [own])).toEqual(met)
  })

  test('is refused without a log, or under a name that is none of those given', async () => {
    expect((await judge(null, null)).told).toBe('fail log_not_kept')
    const { memory, state } = remembering(null)
    const named = ['test/node', 'test/third']
    const read = reading(ALL)
    const check = await followArchived(own.head(9), a.head(5), named, memory, read, nodeCrypto)
    expect([check.code, state.size]).toEqual(['log_other_name', 0])
  })

  test('is refused where nothing can be remembered', async () => {
    const { memory } = remembering(null)
    const full = {
      ...memory,
      update: () => Promise.resolve({ ok: false, detail: 'full' } as const),
    }
    const read = reading(ALL)
    const check = await followArchived(own.head(9), a.head(5), null, full, read, nodeCrypto)
    expect([check.status, check.code]).toEqual(['fail', 'log_state_unusable'])
  })
})

test('a head of a later boot whose way back nobody shows lacks a proof, and is no reset', async () => {
  const follow = async (logs: readonly TestLog[]) => {
    const { memory, state } = remembering(known(a.head(5)))
    const before = { ok: true, state: new Map(state) } as const
    return (await followLog(c.head(5), null, before, memory, reading(logs), nodeCrypto)).code
  }
  expect(await follow(ALL)).toBe('ok')
  expect(await follow([own])).toBe('log_proof_missing')
  expect(await follow([c])).toBe('log_proof_missing')
})

describe('a proof that another replica has', () => {
  const text = Buffer.from('{"document":"a proof"}')
  const answering = (statuses: readonly number[]) => {
    const kept: boolean[] = []
    const answer = askReplicas((again) => {
      kept.push(!again)
      const status = statuses[kept.length - 1] ?? 404
      return Promise.resolve({ status, body: status === 200 ? text : new Uint8Array() })
    })
    return answer.then((found) => [found, kept] as const)
  }

  test('is asked for again, over connections that are not kept, and not for ever', async () => {
    expect(await answering([404, 404, 200])).toEqual(['a proof', [true, false, false]])
    const [found, kept] = await answering([])
    expect([found, kept.length]).toEqual([null, MAX_REPLICA_ASKS])
  })

  test('is not asked for again of one that says anything else, or nothing', async () => {
    for (const status of [429, 500, 302, 410]) {
      expect((await answering([status]))[1]).toEqual([true])
    }
    let asked = 0
    const silent = askReplicas(() => {
      asked++
      return Promise.reject(new Error('nobody answers'))
    })
    expect([await silent, asked]).toEqual([null, 1])
  })
})
