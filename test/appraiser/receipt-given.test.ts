import { describe, expect, test } from 'vitest'
import { verifyReceipt } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { NOW, failures, makeWorld, trust } from './document.helpers.ts'
import { RESPONSE, check, issue } from './receipt.helpers.ts'

const world = makeWorld()
const trusted = await trust(world)
const { full, view, opening } = issue(world)

describe('what the verifier was given', () => {
  test('another model is caught where only content is compared', () => {
    const forge = (model: string | null) =>
      check(view, trusted, world, { opening, expected: { model } })
    for (const model of ['gpt-9', 'demo', '', null]) {
      expect(failures(forge(model).checks)).toEqual({ 'receipt.model': 'model_mismatch' })
    }
    expect(forge('demo-v2')).toMatchObject({ accepted: true, level: 'content' })
  })

  test('an answer does not become an error or an answer of another status, and an error no answer', () => {
    const judge = (text: string, status: number, more: object = {}) =>
      check(text, trusted, world, { opening, expected: { status }, ...more })
    expect(failures(judge(full, 200).checks)).toEqual({})
    for (const status of [0, 199, 201, 204, 206, 226, 299, 300, 429, 500]) {
      const verdict = judge(full, status)
      expect(failures(verdict.checks)).toEqual({ 'receipt.status': 'status_mismatch' })
      expect(verdict.level).toBe('content')
    }
    const error = issue(world, { exchange: { status: 429, outcome: 'upstream_error' } })
    const expected = { requireOutcome: 'upstream_error' } as const
    const judgeError = (status: number, more: object = {}) =>
      check(error.full, trusted, world, {
        opening: error.opening,
        expected: { ...expected, status },
        ...more,
      })
    expect(judgeError(429)).toMatchObject({ accepted: true, level: 'bytes' })
    // An honest intermediary gives errors a status of its own: the answer stands, and is not the enclave's to the byte.
    expect(judgeError(400)).toMatchObject({ accepted: true, level: 'content' })
    expect(judgeError(400, { strictBytes: true }).accepted).toBe(false)
    expect(judgeError(200).accepted).toBe(false)
  })

  test('a model that the enclave did not name is none that an answer may name', () => {
    const got = issue(world, { exchange: { modelServed: null } })
    const judged = (text: string) => check(text, trusted, world, { opening: got.opening })
    expect(failures(judged(got.view).checks)).toEqual({ 'receipt.model': 'model_mismatch' })
    // The same bytes name the same model, also one that does not fit into the record.
    expect(judged(got.full)).toMatchObject({ accepted: true, level: 'bytes' })
  })

  test.each([
    ['request', { requestBytes: Buffer.from('{}') }, 'request_hash_mismatch'],
    ['answer', { responseBytes: Buffer.from('a lie') }, 'response_hash_mismatch'],
    ['answer, given as a hash,', { responseHash: new Uint8Array(32) }, 'response_hash_mismatch'],
  ] as const)('other bytes of the %s are caught at every level by who is strict', (...args) => {
    const [, expected, code] = args
    const options = { crypto: nodeCrypto, at: NOW, trusted, policy: world.policy, opening }
    const judge = (strictBytes: boolean) =>
      verifyReceipt(full, { ...options, expected, level: 'signer', strictBytes })
    expect(judge(false)).toMatchObject({ accepted: true, level: 'signer' })
    expect(judge(true).accepted).toBe(false)
    expect(Object.values(failures(judge(true).checks))).toEqual([code])
  })

  test('a view in place of the receipt does not spare given bytes the comparison', () => {
    const options = { crypto: nodeCrypto, at: NOW, trusted, policy: world.policy, opening }
    const judge = (expected: object, text: string) =>
      verifyReceipt(text, { ...options, expected, level: 'signer', strictBytes: true })
    const given = { responseBytes: Buffer.from(RESPONSE) }
    expect(failures(judge(given, view).checks)).toEqual({
      'receipt.response_bytes': 'receipt_is_view',
    })
    expect(judge(given, full).accepted).toBe(true)
    expect(judge({}, view).accepted).toBe(true)
  })
})
