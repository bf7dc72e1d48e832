import { NO_CONTENT } from '../../enclave/receipts/attest-content.ts'
import { describe, expect, test } from 'vitest'
import { verifyReceipt } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { contentOfCompletion } from '../../attestation/protocol/chat-content.ts'
import { failures, makeWorld, trust } from './document.helpers.ts'
import {
  CHALLENGE,
  REQUEST,
  RESPONSE,
  bend,
  check,
  issue,
  parsed,
  randomOpening,
  resign,
} from './receipt.helpers.ts'

const world = makeWorld()
const trusted = await trust(world)
const issued = issue(world)
const { full, view, opening } = issued

function statuses(checks: readonly { id: string; status: string; code: string }[]) {
  return Object.fromEntries(checks.map(({ id, status, code }) => [id, `${status} ${code}`]))
}

describe('a genuine receipt', () => {
  test('of these bytes reaches the level bytes', () => {
    const expected = { receiptId: issued.receiptId, status: 200 }
    const verdict = check(full, trusted, world, { opening, level: 'bytes', expected })
    expect(verdict).toMatchObject({ accepted: true, level: 'bytes' })
    expect(new Set(verdict.checks.map(({ status }) => status))).toEqual(new Set(['pass']))
    expect(verdict.record).toMatchObject({ challenge: CHALLENGE, outcome: 'complete' })
  })

  test('needs no opening for bytes', () => {
    const verdict = check(full, trusted, world, { level: 'bytes' })
    expect(verdict).toMatchObject({ accepted: true, level: 'bytes' })
    expect(statuses(verdict.checks)).toMatchObject({
      'receipt.bodies': 'skip not_provided',
      'receipt.content': 'skip not_provided',
    })
  })

  test('gives the same checks with either cryptography', () => {
    const options = { opening, expected: { receiptId: issued.receiptId } }
    expect(check(full, trusted, world, { ...options, crypto: nobleCrypto })).toEqual(
      check(full, trusted, world, options),
    )
  })

  test('of re-encoded bytes reaches the level content', () => {
    const verdict = check(full, trusted, world, {
      opening,
      expected: { requestBytes: Buffer.from('{}'), responseBytes: Buffer.from('{}') },
    })
    expect(verdict).toMatchObject({ accepted: true, level: 'content' })
    expect(statuses(verdict.checks)).toMatchObject({
      'receipt.request_bytes': 'info request_hash_mismatch',
      'receipt.response_bytes': 'info response_hash_mismatch',
    })
  })

  test('as a view reaches the level content', () => {
    const verdict = check(view, trusted, world, { opening })
    expect(verdict).toMatchObject({ accepted: true, level: 'content' })
    expect(statuses(verdict.checks)).toMatchObject({
      'receipt.bodies': 'skip receipt_is_view',
      'receipt.request_bytes': 'skip receipt_is_view',
    })
  })

  test('with nothing to compare reaches the level signer', () => {
    const { expected: _all, ...base } = {
      crypto: nodeCrypto,
      at: 1_800_000_000,
      trusted,
      policy: world.policy,
      expected: {},
    }
    const verdict = verifyReceipt(full, { ...base, expected: {}, level: 'signer' })
    expect(verdict).toMatchObject({ accepted: true, level: 'signer' })
    const strict = verifyReceipt(full, { ...base, expected: {} })
    expect(failures(strict.checks)).toEqual({ 'receipt.level': 'level_not_reached' })
  })

  test('of an answer that was cut says so', () => {
    const cut = issue(world, {
      exchange: { outcome: 'downstream_closed', whole: false, finishReasons: [null] },
    })
    const verdict = check(cut.full, trusted, world, { opening: cut.opening })
    expect(failures(verdict.checks)).toEqual({ 'receipt.outcome': 'outcome_not_complete' })
    expect(verdict.record?.outcome).toBe('downstream_closed')
  })

  test('of a request that was refused is verified by its bytes', () => {
    const refused = issue(world, {
      response: '{"error":{"message":"no"}}',
      exchange: {
        outcome: 'refused',
        status: 400,
        forwardedHash: null,
        members: null,
        content: NO_CONTENT,
        finishReasons: [],
        usage: null,
        chatId: null,
      },
    })
    const verdict = verifyReceipt(refused.full, {
      crypto: nodeCrypto,
      at: 1_800_000_000,
      trusted,
      policy: world.policy,
      opening: refused.opening,
      level: 'bytes',
      expected: {
        requestBytes: Buffer.from(REQUEST),
        responseBytes: Buffer.from('{"error":{"message":"no"}}'),
      },
    })
    expect(verdict).toMatchObject({ accepted: true, level: 'bytes' })
  })
})

describe('attacks on the receipt', () => {
  test('another keyset is told apart before any signature', async () => {
    const other = makeWorld()
    const verdict = check(issue(other).full, trusted, world, { opening })
    expect(failures(verdict.checks)).toEqual({
      'receipt.keyset': 'receipt_other_keyset',
      'receipt.level': 'level_not_reached',
    })
    expect(verdict).toMatchObject({ level: 'none', record: null, accepted: false })
  })

  test('a receipt of another boot that names this keyset is not signed by it', () => {
    const other = issue(makeWorld()).full
    const claimed = bend(other, (top) => {
      top['workload_keyset_digest'] = trusted.keysetDigest
      top['key_id'] = world.keys.receiptKeyId
    })
    expect(failures(check(claimed, trusted, world).checks)).toMatchObject({
      'receipt.signature': 'receipt_signature_invalid',
    })
  })

  test.each<[string, (top: Record<string, unknown>, events: Record<string, unknown>[]) => void]>([
    [
      'the challenge',
      (_, events) => Object.assign(events.at(-1) ?? {}, { challenge: 'A'.repeat(43) }),
    ],
    ['the outcome', (_, events) => Object.assign(events.at(-1) ?? {}, { outcome: 'timeout' })],
    [
      'a body hash',
      (_, events) => Object.assign(events[0] ?? {}, { body_hash: trusted.configDigest }),
    ],
    ['the receipt id', (top) => (top['receipt_id'] = 'sim-rcpt-other')],
    ['the time', (top) => (top['served_at'] = 1)],
    ['the events: a full receipt cut down to a view', (_, events) => void events.splice(0, 3)],
    ['the signature', (top) => (top['signature'] = '00'.repeat(64))],
  ])('%s changed on the way breaks the signature', (_name, change) => {
    const verdict = check(bend(full, change), trusted, world, { opening })
    expect(failures(verdict.checks)['receipt.signature']).toBe('receipt_signature_invalid')
    expect(verdict.level).toBe('none')
  })

  test('a view passed off as a full receipt is not signed as one', () => {
    const { event_log: events } = JSON.parse(full) as { event_log: unknown[] }
    const dressed = bend(view, (top) => (top['event_log'] = events))
    expect(failures(check(dressed, trusted, world).checks)['receipt.signature']).toBe(
      'receipt_signature_invalid',
    )
  })

  test('a view where bytes are asked for does not reach them', () => {
    const verdict = check(view, trusted, world, { opening, level: 'bytes' })
    expect(failures(verdict.checks)).toEqual({ 'receipt.level': 'level_not_reached' })
  })

  test('a record member that contradicts its hash is caught even under a good signature', () => {
    const text = resign(full, world, (_top, record) => (record['sequence'] = 99))
    const verdict = check(text, trusted, world, { opening })
    expect(failures(verdict.checks)['receipt.record_hash']).toBe('record_hash_mismatch')
    expect(verdict.record).toBeNull()
  })

  test('another boot or configuration than the appraised one is caught', () => {
    const boot = check(full, { ...trusted, bootId: 'f'.repeat(64) as never }, world)
    expect(failures(boot.checks)['receipt.boot']).toBe('receipt_other_boot')
    const other = { ...trusted, configDigest: `sha256:${'0'.repeat(64)}` as never }
    expect(failures(check(full, other, world).checks)['receipt.config']).toBe(
      'receipt_other_config',
    )
  })

  test('the opening of another receipt opens nothing', () => {
    const verdict = check(full, trusted, world, { opening: randomOpening() })
    expect(failures(verdict.checks)).toEqual({ 'receipt.bodies': 'opening_mismatch' })
    expect(statuses(verdict.checks)).toMatchObject({
      'receipt.content': 'skip depends_on_failed',
      'receipt.members': 'skip depends_on_failed',
    })
    const viewed = check(view, trusted, world, { opening: issue(world).opening })
    expect(failures(viewed.checks)).toMatchObject({
      'receipt.content': 'content_digest_mismatch',
      'receipt.members': 'request_member_changed',
    })
    const short = check(full, trusted, world, { opening: opening.subarray(1) })
    expect(failures(short.checks)['receipt.bodies']).toBe('opening_mismatch')
  })

  test('a replayed receipt does not repeat the challenge', () => {
    const missing = issue(world, { challenge: null })
    for (const old of [issue(world, { challenge: 'x'.repeat(43) }), missing]) {
      const verdict = check(old.full, trusted, world, { opening: old.opening })
      expect(failures(verdict.checks)).toEqual({ 'receipt.challenge': 'challenge_mismatch' })
    }
  })

  test('another id or endpoint is caught', () => {
    const verdict = check(full, trusted, world, {
      opening,
      expected: { receiptId: 'sim-rcpt-1', endpoint: '/v1/completions' },
    })
    expect(failures(verdict.checks)).toEqual({
      'receipt.id': 'receipt_id_mismatch',
      'receipt.endpoint': 'endpoint_mismatch',
    })
  })

  test.each<[string, object, string]>([
    ['an added logit_bias', { logit_bias: { 1: 100 } }, 'request_member_added'],
    ['a changed member', { seed: 8 }, 'request_member_changed'],
    ['a removed member', { seed: undefined }, 'request_member_removed'],
    ['a member of the prototype', { toString: 1 }, 'request_member_added'],
  ])('%s is caught', (_name, more, code) => {
    const request = JSON.stringify({ ...parsed(REQUEST), ...more })
    const got = issue(world, { request })
    const verdict = check(got.full, trusted, world, { opening: got.opening })
    expect(failures(verdict.checks)['receipt.members']).toBe(code)
    expect(verdict.level).toBe('signer')
  })

  test('a body that was no object when it arrived is caught', () => {
    const got = issue(world, { exchange: { members: null } })
    const verdict = check(got.view, trusted, world, { opening: got.opening })
    expect(failures(verdict.checks)['receipt.members']).toBe('request_member_removed')
  })

  test('stream_options may be added unless the policy forbids it', () => {
    const request = JSON.stringify({ ...parsed(REQUEST), stream_options: { include_usage: true } })
    const got = issue(world, { request })
    const options = { opening: got.opening }
    expect(check(got.full, trusted, world, options)).toMatchObject({
      accepted: true,
      level: 'content',
    })
    const policy = { ...world.policy, allowMembers: [] }
    const strict = check(got.full, trusted, world, { ...options, policy })
    expect(failures(strict.checks)['receipt.members']).toBe('request_member_added')
  })

  test('another answer is caught at every level', () => {
    const swapped = RESPONSE.replace('"4"', '"5"')
    const expected = {
      responseBytes: Buffer.from(swapped),
      content: contentOfCompletion(parsed(swapped)),
    }
    for (const level of ['bytes', 'content', 'signer'] as const) {
      const verdict = check(full, trusted, world, { opening, level, expected })
      expect(failures(verdict.checks)['receipt.content']).toBe('content_digest_mismatch')
      expect(verdict.level).toBe('signer')
    }
  })

  test('an answer that is none any more is caught', () => {
    const expected = { content: contentOfCompletion({ error: 'gone' }) }
    const verdict = check(full, trusted, world, { opening, expected })
    expect(failures(verdict.checks)['receipt.content']).toBe('content_digest_mismatch')
  })
})
