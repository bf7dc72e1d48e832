/** The proof that a receipt is in the log, as a service gives it, and all that can be shown in its place. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { verifyInclusion } from '../../attestation/appraiser/log/verify-inclusion.ts'
import type { LogTrust, LoggedRecord } from '../../attestation/appraiser/log/verify-inclusion.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { signCheckpoint } from '../../attestation/protocol/log/checkpoint.ts'
import { createBootSigner } from '../../enclave/keys/ed25519-signer.ts'
import { followLog } from '../../src/client/log/follow-log.ts'
import { openLogMemory } from '../../src/client/log/log-memory.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { newFolder } from '../store/store.helpers.ts'

let at: TestService
let trusted: LogTrust
let record: LoggedRecord
let other: LoggedRecord
let proof: JsonObject

const logOf = (of: TestService) => {
  const { records } = of.service
  if (records === null) throw new Error('the service keeps a log')
  return records
}
const trustOf = (of: TestService): LogTrust => {
  const { keys, config } = of.service
  return { keyset: keys.keyset, bootId: keys.bootId, config, log: logOf(of).head }
}

beforeAll(async () => {
  at = await startTestService()
  const id = header(await chat(at, chatBody('x')), 'x-receipt-id')
  await chat(at, chatBody('y'))
  await at.settled(2)
  await logOf(at).publish()
  const records = at.receipts.map(({ record: made, recordHash }) => ({
    recordHash,
    sequence: made.sequence,
    bootId: made.boot_id,
  }))
  const [first, second] = records
  if (first === undefined || second === undefined) throw new Error('two were settled')
  ;[record, other] = [first, second]
  trusted = trustOf(at)
  proof = jsonObject((await get(at, `/attestation/log/inclusion/${id}`, { who: 'alice' })).body)
})
afterAll(() => at.close())

const judge = (changes: object = {}, of = record, by = trusted, crypto = nodeCrypto) => {
  const check = verifyInclusion(of, JSON.stringify({ ...proof, ...changes }), by, crypto)
  return check.status === 'fail' ? check.code : check.status
}

describe('a proof of inclusion', () => {
  test('verifies under a signed checkpoint, and without one under the head of the statement', () => {
    expect(judge()).toBe('pass')
    expect(judge({}, record, trusted, nobleCrypto)).toBe('pass')
    expect(judge({ checkpoint: null })).toBe('pass')
    expect(judge({}, record, { ...trusted, log: null })).toBe('pass')
  })

  test('of one receipt says nothing of another', () => {
    expect(judge({}, other)).toBe('log_inclusion_invalid')
    expect(judge({ leaf_index: other.sequence }, other)).toBe('log_inclusion_invalid')
    expect(judge({}, { ...record, recordHash: other.recordHash })).toBe('log_inclusion_invalid')
  })

  test('under a head that nobody vouches for is none', () => {
    expect(judge({ checkpoint: null }, record, { ...trusted, log: null })).toBe('log_head_unknown')
    expect(judge({ checkpoint: null, tree_size: 255 })).toBe('log_head_unknown')
    expect(judge({ tree_size: 512 })).toBe('log_head_unknown')
  })

  test('with a checkpoint that the log key of this boot did not sign, or over another head, is none', () => {
    const head = logOf(at).head
    const forged = { ...head, root: toHex32(new Uint8Array(32)) }
    const strange = signCheckpoint(forged, createBootSigner(), nodeCrypto)
    expect(judge({ checkpoint: strange })).toBe('log_checkpoint_invalid')
    expect(judge({ checkpoint: 'no note' })).toBe('log_checkpoint_invalid')
    const ofReceiptKey = signCheckpoint(head, at.service.keys.receipt, nodeCrypto)
    expect(judge({ checkpoint: ofReceiptKey })).toBe('log_checkpoint_invalid')
    const elsewhere = { ...head, origin: `other/${trusted.bootId}` }
    const renamed = signCheckpoint(elsewhere, at.service.keys.log, nodeCrypto)
    expect(judge({ checkpoint: renamed })).toBe('log_checkpoint_invalid')
    const signed = signCheckpoint(forged, at.service.keys.log, nodeCrypto)
    expect(judge({ checkpoint: signed })).toBe('log_inclusion_invalid')
  })

  test('of another boot or another name is none', () => {
    const boot = toHex32(new Uint8Array(32).fill(1))
    expect(judge({}, { ...record, bootId: boot })).toBe('log_inclusion_invalid')
    expect(judge({ origin: `countersign/${boot}` })).toBe('log_inclusion_invalid')
    const config = { ...trusted.config, log: null }
    expect(judge({}, record, { ...trusted, config })).toBe('log_inclusion_invalid')
  })

  test('that was cut, lengthened, changed or rebuilt is none', () => {
    const path: readonly unknown[] = Array.isArray(proof['path']) ? proof['path'] : []
    expect(path).toHaveLength(8)
    const zero = '0'.repeat(64)
    for (const changed of [
      path.slice(1),
      path.slice(0, -1),
      [...path, zero],
      [zero, ...path],
      path.toReversed(),
      path.with(3, zero),
    ]) {
      expect(judge({ path: changed })).toBe('log_inclusion_invalid')
    }
    for (const changed of [path.with(0, 'x'), Array(50).fill(zero), 'path', null]) {
      expect(judge({ path: changed })).toBe('log_proof_missing')
    }
    expect(judge({ more: 1 })).toBe('log_proof_missing')
    expect(judge({ leaf_index: -1 })).toBe('log_proof_missing')
    expect(verifyInclusion(record, '{', trusted, nodeCrypto).code).toBe('log_proof_missing')
    expect(verifyInclusion(record, ' '.repeat(300_000), trusted, nodeCrypto).code).toBe(
      'log_proof_missing',
    )
  })
})

test('a memory that cannot be read refuses every service', async () => {
  const state = join(newFolder(), 'state')
  writeFileSync(state, 'nonsense')
  const memory = openLogMemory(state)
  const read = () => Promise.resolve(null)
  const check = await followLog(logOf(at).head, null, await memory.read(), memory, read, nodeCrypto)
  expect(check).toMatchObject({ status: 'fail', code: 'log_state_unusable' })
})
