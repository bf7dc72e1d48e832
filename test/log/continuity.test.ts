/** What a verifier that remembers says of heads: honest ones, and every other that can be shown to it. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import {
  MAX_BOOT_CHAIN,
  judgeContinuity,
  judgeOlderHead,
} from '../../attestation/appraiser/log/judge-continuity.ts'
import type { LogEvidence } from '../../attestation/appraiser/log/judge-continuity.ts'
import {
  LOG_STATE_VERSION,
  MAX_PAST_BOOTS,
  formatLogState,
  parseLogState,
} from '../../attestation/appraiser/log/log-state.ts'
import type { RememberedLog } from '../../attestation/appraiser/log/log-state.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { makeLog } from './log.helpers.ts'

const NO_EVIDENCE: LogEvidence = { boots: [], consistency: null }

const judge = (known: RememberedLog | null, head: LogHead, evidence: Partial<LogEvidence> = {}) => {
  const { check, next } = judgeContinuity(known, head, { ...NO_EVIDENCE, ...evidence }, nodeCrypto)
  if (check.status === 'fail') expect(next).toBeNull()
  return { status: check.status, code: check.code, next }
}
const a = makeLog(1, null)
const known = (head: LogHead, past: readonly string[] = []): RememberedLog => ({ head, past })

describe('the log of one boot', () => {
  test('is remembered when it is first seen, which is no pass', () => {
    expect(judge(null, a.head(5))).toEqual({
      status: 'info',
      code: 'log_first_seen',
      next: { head: a.head(5), past: [] },
    })
  })

  test('goes on where it was appended to, and is the same where nothing was', () => {
    expect(judge(known(a.head(5)), a.head(20), { consistency: a.consistency(5, 20) })).toEqual({
      status: 'pass',
      code: 'ok',
      next: { head: a.head(20), past: [] },
    })
    expect(judge(known(a.head(5)), a.head(5))).toMatchObject({ status: 'pass' })
  })

  test('that is shorter is rolled back, whatever proof comes with it', () => {
    expect(
      judge(known(a.head(20)), a.head(5), { consistency: a.consistency(5, 20) }),
    ).toMatchObject({ code: 'log_rolled_back' })
  })

  test('of which another root is shown at the same size, or whose leaves were replaced, is a fork', () => {
    const other = makeLog(1, null, 'another')
    expect(judge(known(a.head(5)), other.head(5)).code).toBe('log_forked')
    expect(
      judge(known(a.head(5)), other.head(20), { consistency: other.consistency(5, 20) }).code,
    ).toBe('log_forked')
  })

  test.each<[string, string | null]>([
    ['none', null],
    ['no JSON', '{'],
    ['between other sizes', a.consistency(6, 20)],
    ['to another size', a.consistency(5, 21)],
    ['of another log', a.consistency(5, 20, { origin: makeLog(2, null).origin })],
    ['with a member of its own', a.consistency(5, 20, { more: 1 })],
    ['with a step of another form', a.consistency(5, 20, { path: ['00'] })],
    ['with a path longer than any', a.consistency(5, 20, { path: Array(50).fill(a.head(1).root) })],
  ])('is not believed to go on with a proof that is %s', (_what, consistency) => {
    expect(judge(known(a.head(5)), a.head(20), { consistency }).code).toBe('log_proof_missing')
  })

  test('is not believed to go on with a proof that was cut or changed', () => {
    const { path } = JSON.parse(a.consistency(5, 20)) as { path: string[] }
    for (const changed of [
      path.slice(1),
      path.slice(0, -1),
      [...path, path[0]],
      path.toReversed(),
    ]) {
      const consistency = a.consistency(5, 20, { path: changed })
      expect(judge(known(a.head(5)), a.head(20), { consistency }).code).toBe('log_forked')
    }
  })

  test('seen by somebody else meanwhile at a later head, is held against that one', () => {
    const older = (head: LogHead, text: string | null) =>
      judgeOlderHead(a.head(20), head, text, nodeCrypto)
    expect(older(a.head(5), a.consistency(5, 20))).toMatchObject({
      check: { status: 'pass' },
      next: null,
    })
    expect(older(a.head(5), null).check.code).toBe('log_proof_missing')
    const other = makeLog(1, null, 'another')
    expect(older(other.head(5), a.consistency(5, 20)).check.code).toBe('log_forked')
    expect(older(makeLog(2, null).head(5), null).check.code).toBe('log_reset')
  })
})

describe('the log of a later boot', () => {
  const b = makeLog(2, a.head(20))
  const c = makeLog(3, b.head(7))

  test('leads back over every boot between to the head that is remembered', () => {
    const evidence = {
      boots: [c.boot(9), b.boot(7)],
      consistency: a.consistency(5, 20),
    }
    expect(judge(known(a.head(5), ['test/node/x']), c.head(9), evidence)).toEqual({
      status: 'pass',
      code: 'ok',
      next: { head: c.head(9), past: [b.origin, a.origin, 'test/node/x'] },
    })
    expect(judge(known(b.head(7)), c.head(9), { boots: [c.boot(9)] })).toMatchObject({
      status: 'pass',
      next: { head: c.head(9), past: [b.origin] },
    })
  })

  test('that names an older head than was seen is of a store that was rolled back', () => {
    expect(judge(known(a.head(30)), b.head(7), { boots: [b.boot(7)] }).code).toBe('log_rolled_back')
  })

  test('that names no log before is a reset, as is one that names another', () => {
    const fresh = makeLog(4, null)
    expect(judge(known(a.head(5)), fresh.head(3), { boots: [fresh.boot(3)] }).code).toBe(
      'log_reset',
    )
    const stray = makeLog(5, makeLog(6, null).head(3))
    expect(judge(known(a.head(5)), stray.head(3), { boots: [stray.boot(3)] }).code).toBe(
      'log_reset',
    )
    const renamed = makeLog(7, a.head(5), 'leaf', 'test/other')
    const asOwn = { ...known(a.head(5)) }
    expect(judge(asOwn, renamed.head(3), { boots: [renamed.boot(3)] }).code).toBe('log_reset')
  })

  test('beside one that is known to follow the same boot is a fork: the volume was cloned', () => {
    const twin = makeLog(8, a.head(20))
    const memory = known(b.head(7), [a.origin])
    expect(judge(memory, twin.head(3), { boots: [twin.boot(3)] }).code).toBe('log_forked')
  })

  test('shown after a later boot was seen is rolled back', () => {
    expect(judge(known(b.head(7), [a.origin]), a.head(20)).code).toBe('log_rolled_back')
  })

  test('of which the remembered head is no beginning is a fork', () => {
    const other = makeLog(1, null, 'another')
    const evidence = { boots: [b.boot(7)], consistency: other.consistency(5, 20) }
    expect(judge(known(other.head(5)), b.head(7), evidence).code).toBe('log_forked')
  })

  test.each<[string, readonly string[]]>([
    ['that is missing', []],
    ['of another boot', [c.boot(7)]],
    ['of another size', [b.boot(8)]],
    ['with a record that is not in the log', [b.boot(7, { boot_record: c.boot_record })]],
    ['with a path that was cut', [b.boot(7, { path: [] })]],
    ['with a member of its own', [b.boot(7, { more: 1 })]],
    ['that is no JSON', ['{']],
  ])('is a reset without the proof of its boot record: one %s', (_what, boots) => {
    const evidence = { boots, consistency: a.consistency(5, 20) }
    expect(judge(known(a.head(5)), b.head(7), evidence).code).toBe('log_reset')
  })

  test('beyond as many boots as are followed is a reset', () => {
    const logs = [a]
    for (let id = 2; id <= MAX_BOOT_CHAIN + 3; id++) {
      logs.push(makeLog(id, (logs.at(-1) ?? a).head(1)))
    }
    const walk = (count: number) => {
      const last = logs[count] ?? a
      const boots = logs.slice(1, count + 1).toReversed()
      return judge(known(a.head(1)), last.head(1), { boots: boots.map((log) => log.boot(1)) })
    }
    expect(walk(MAX_BOOT_CHAIN)).toMatchObject({ status: 'pass' })
    expect(walk(MAX_BOOT_CHAIN).next?.past).toHaveLength(MAX_PAST_BOOTS)
    expect(walk(MAX_BOOT_CHAIN + 1).code).toBe('log_reset')
  })
})

describe('the state', () => {
  const state = new Map([
    ['test/node', known(a.head(5), [makeLog(2, null).origin])],
    ['countersign', known(makeLog(3, null, 'leaf', 'countersign').head(9))],
  ])

  test('reads back as it was written', () => {
    expect(parseLogState(formatLogState(state))).toEqual(state)
    expect(parseLogState(formatLogState(new Map()))).toEqual(new Map())
  })

  test.each<[string, string]>([
    ['nothing', ''],
    ['a list', '[]'],
    [
      'another version',
      formatLogState(state).replace(LOG_STATE_VERSION, 'countersign.log_state.v2'),
    ],
    ['a member of its own', formatLogState(state).replace('{', '{"more": 1,')],
    ['a head of another log', formatLogState(state).replace('"test/node": {', '"test/other": {')],
    ['a size that is none', formatLogState(state).replace('"size": 5', '"size": -5')],
    ['a root that is none', formatLogState(state).replace(a.head(5).root, '00')],
    ['half of it', formatLogState(state).slice(0, 200)],
    ['one log twice', formatLogState(state).replace('"logs": {', '"logs": {"test/node": {},')],
  ])('with %s is refused', (_what, text) => {
    expect(parseLogState(text)).toBeNull()
  })

  test('cut anywhere is refused or is the whole', () => {
    const text = formatLogState(state)
    fc.assert(
      fc.property(fc.nat({ max: text.length - 3 }), (end) => {
        expect(parseLogState(text.slice(0, end))).toBeNull()
      }),
      { numRuns: 200 },
    )
  })
})
