import { describe, expect, test } from 'vitest'
import { verifyLegacySignature } from '../../attestation/appraiser/receipt/verify-legacy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { contentOfCompletion } from '../../attestation/protocol/chat-content.ts'
import { failures, makeWorld, trust } from './document.helpers.ts'
import { REQUEST, RESPONSE, bend, check, issue, parsed, resign } from './receipt.helpers.ts'

const world = makeWorld()
const trusted = await trust(world)
const issued = issue(world)
const { full, opening } = issued

function statuses(checks: readonly { id: string; status: string; code: string }[]) {
  return Object.fromEntries(checks.map(({ id, status, code }) => [id, `${status} ${code}`]))
}

describe('members that the content digest does not cover', () => {
  const withMember = (where: '"index":0' | '"content":"4"' | '"created":1', more: string) =>
    RESPONSE.replace(where, `${where},${more}`)
  const judge = (response: string, received: string, options: object = {}) => {
    const got = issue(world, { response })
    return check(got.view, trusted, world, {
      opening: got.opening,
      expected: { content: contentOfCompletion(parsed(received)) },
      ...options,
    })
  }

  test('beside the message are named and let pass', () => {
    const response = withMember('"created":1', '"system_fingerprint":"fp"')
    const verdict = judge(response, response)
    expect(verdict).toMatchObject({ accepted: true, level: 'content' })
    expect(verdict.checks.find(({ id }) => id === 'receipt.content')?.detail).toBe(
      'not covered: system_fingerprint',
    )
  })

  test('inside the message keep the level content from being reached', () => {
    const response = withMember('"content":"4"', '"annotations":[1]')
    const verdict = judge(response, response)
    expect(statuses(verdict.checks)['receipt.content']).toBe('skip content_uncovered')
    expect(failures(verdict.checks)).toEqual({ 'receipt.level': 'level_not_reached' })
    const policy = { ...world.policy, allowUncovered: ['message.annotations'] }
    expect(judge(response, response, { policy }).level).toBe('content')
  })

  test('beside the message but inside the choice keep it from being reached, too', () => {
    const member = (severity: string) =>
      withMember('"index":0', `"content_filter_results":{"severity":"${severity}"}`)
    // Anybody on the way could have changed its value, so that it stands in the record is not enough.
    for (const received of [member('high'), member('safe')]) {
      const verdict = judge(member('high'), received)
      expect(verdict.checks.find(({ id }) => id === 'receipt.content')).toMatchObject({
        status: 'skip',
        code: 'content_uncovered',
        detail: 'choices.content_filter_results',
      })
      expect(failures(verdict.checks)).toEqual({ 'receipt.level': 'level_not_reached' })
    }
    const policy = { ...world.policy, allowUncovered: ['choices.content_filter_results'] }
    expect(judge(member('high'), member('high'), { policy }).level).toBe('content')
  })

  test('the stop text that ended the answer is let pass unless the policy forbids it', () => {
    const response = withMember('"index":0', '"stop_reason":"END"')
    expect(judge(response, response)).toMatchObject({ accepted: true, level: 'content' })
    const policy = { ...world.policy, allowUncovered: [] }
    expect(judge(response, response, { policy }).level).toBe('signer')
  })

  test('added on the way are caught, dropped ones are not missed', () => {
    const response = withMember('"index":0', '"stop_reason":7')
    expect(failures(judge(RESPONSE, response).checks)['receipt.content']).toBe(
      'content_member_added',
    )
    expect(judge(response, RESPONSE).level).toBe('content')
  })

  test('that contradict each other leave only the bytes', () => {
    const response = withMember('"content":"4"', '"reasoning":"a","reasoning_content":"b"')
    expect(statuses(judge(response, response).checks)['receipt.content']).toBe(
      'skip content_not_covered',
    )
  })
})

describe('structure', () => {
  const odd = (change: Parameters<typeof resign>[2]) => resign(full, world, change)
  test.each<[string, string]>([
    ['no JSON', 'nonsense'],
    ['not canonical', ` ${full}`],
    ['a member more', odd((top) => (top['more'] = 1))],
    ['another version', odd((top) => (top['api_version'] = 'aci/2'))],
    ['no record', odd((top) => (top['event_log'] = []))],
    ['two records', odd((top) => (top['event_log'] = [...(top['event_log'] as unknown[]), {}]))],
    ['a record member more', odd((_, record) => (record['more'] = 1))],
    ['an unknown outcome', odd((_, record) => (record['outcome'] = 'fine'))],
    ['a digest where there is no content', odd((_, record) => (record['content_status'] = 'none'))],
    ['members in another order', odd((_, record) => (record['members'] as unknown[]).reverse())],
    [
      'a member twice',
      odd(
        (_, record) =>
          (record['members'] = [
            ...(record['members'] as unknown[]),
            (record['members'] as unknown[]).at(-1),
          ]),
      ),
    ],
    [
      'a fraction of tokens',
      odd(
        (_, record) =>
          (record['usage'] = { completion_tokens: 0.5, prompt_tokens: 1, total_tokens: 1 }),
      ),
    ],
    ['an id that is a path', odd((top) => (top['receipt_id'] = '../x'))],
    ['a short signature', bend(full, (top) => (top['signature'] = '00'))],
    [
      'events in another order',
      odd((top) =>
        (top['event_log'] as unknown[]).unshift((top['event_log'] as unknown[]).splice(1, 1)[0]),
      ),
    ],
    ['a response before a request', odd((top) => (top['event_log'] as unknown[]).splice(0, 2))],
    ['a receipt beyond the limit', `${full}${' '.repeat(300_000)}`],
  ])('%s is malformed', (_name, text) => {
    const verdict = check(text, trusted, world, { opening })
    expect(failures(verdict.checks)['receipt.structure']).toBe('receipt_malformed')
    expect(verdict).toMatchObject({ level: 'none', record: null })
  })
})

describe('the legacy text', () => {
  const bytes = { requestBytes: Buffer.from(REQUEST), responseBytes: Buffer.from(RESPONSE) }
  const judge = (algo: 'ecdsa' | 'ed25519', change: object = {}, options: object = bytes) => {
    const signed = issued[algo]
    if (signed === null) throw new Error('no signature')
    return verifyLegacySignature(
      { text: signed.text, signature: signed.signature, algo, ...change },
      { crypto: nodeCrypto, trusted, ...options },
    )
  }

  test('under the address key reaches the rung app-key and no higher', () => {
    const verdict = judge('ecdsa')
    expect(verdict).toMatchObject({ accepted: true, rung: 'app-key' })
    expect(statuses(verdict.checks)['legacy.rung']).toBe('info legacy_app_key')
  })

  test('under the boot key reaches the rung boot-key', () => {
    expect(judge('ed25519')).toMatchObject({ accepted: true, rung: 'boot-key' })
  })

  test('signed by somebody else is refused', () => {
    const other = issue(makeWorld())
    for (const algo of ['ecdsa', 'ed25519'] as const) {
      const verdict = judge(algo, { signature: other[algo]?.signature })
      expect(failures(verdict.checks)).toEqual({ 'legacy.signature': 'legacy_signature_invalid' })
      expect(verdict.rung).toBe('none')
    }
  })

  test('for other bytes is refused', () => {
    const verdict = judge(
      'ecdsa',
      {},
      { requestBytes: bytes.responseBytes, responseBytes: bytes.requestBytes },
    )
    expect(failures(verdict.checks)).toEqual({
      'legacy.request_bytes': 'request_hash_mismatch',
      'legacy.response_bytes': 'response_hash_mismatch',
    })
  })

  test('of another layout is malformed', () => {
    const text = `demo:${issued.ecdsa?.text ?? ''}`
    expect(failures(judge('ecdsa', { text }).checks)).toEqual({
      'legacy.structure': 'legacy_malformed',
    })
  })

  test('with a keyset that has no such key is refused', () => {
    const bare = {
      ...trusted,
      address: null,
      keyset: { ...trusted.keyset, receipt_signing_keys: [] },
    }
    for (const algo of ['ecdsa', 'ed25519'] as const) {
      expect(judge(algo, {}, { trusted: bare }).accepted).toBe(false)
    }
  })

  test('a signature in another spelling is refused', () => {
    expect(judge('ed25519', { signature: 'zz' }).accepted).toBe(false)
    expect(judge('ecdsa', { signature: '0x00' }).accepted).toBe(false)
  })
})

describe('time and outcome', () => {
  test('a receipt after the end of its keyset is refused', () => {
    const late = issue(world, { now: trusted.notAfter + 1 })
    const verdict = check(late.full, trusted, world, { at: trusted.notAfter + 2 })
    expect(failures(verdict.checks)['receipt.time']).toBe('receipt_keyset_expired')
  })

  test('a receipt from the future is refused', () => {
    const early = check(full, trusted, world, { at: 0, opening })
    expect(failures(early.checks)).toEqual({ 'receipt.time': 'receipt_from_future' })
  })

  test.each<[string, object]>([
    ['an error status', { status: 500 }],
    ['a body that was cut', { whole: false }],
    ['no finish reason', { finishReasons: [null] }],
    ['an aborted choice', { finishReasons: ['stop', 'abort'] }],
    ['no choice', { finishReasons: [] }],
  ])('complete with %s contradicts itself', (_name, exchange) => {
    const odd = issue(world, { exchange })
    const verdict = check(odd.full, trusted, world, { opening: odd.opening })
    expect(failures(verdict.checks)).toEqual({ 'receipt.outcome': 'outcome_inconsistent' })
  })
})
