import { createHash } from 'node:crypto'
import { keccak256 } from 'ethers'
import { describe, expect, test } from 'vitest'
import {
  MAX_COMPOSE_BYTES,
  verifyCompose,
} from '../../attestation/appraiser/eventlog/verify-compose.ts'
import type { SystemIdentity } from '../../attestation/appraiser/eventlog/read-system-events.ts'
import { replayEventLog } from '../../attestation/appraiser/eventlog/replay-event-log.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { fixtureText, haveFixtures, hex, PORTS } from './x509.helpers.ts'

const COMPOSE = '{"manifest_version": 2,\n  "name": "Größe"}'
const hash = (text: string): Uint8Array => createHash('sha256').update(text).digest()
const ZERO = new Uint8Array(48)
const configId = (version: number, digest: Uint8Array, tail = 0): Uint8Array =>
  Uint8Array.of(version, ...digest, ...new Uint8Array(14), tail)

const system = (composeHash: Uint8Array, change: Partial<SystemIdentity> = {}): SystemIdentity => ({
  composeHash,
  appId: hex('11'.repeat(20)),
  instanceId: hex('44'.repeat(20)),
  keyProvider: { name: 'kms', id: '33'.repeat(32) },
  osImageHash: null,
  gpuPolicyHash: hex('55'.repeat(32)),
  initScriptHashes: [],
  ...change,
})

function codes(
  text: string | null,
  measured: Uint8Array | SystemIdentity,
  mrConfigId: Uint8Array = ZERO,
): string[] {
  const identity = measured instanceof Uint8Array ? system(measured) : measured
  const checks = verifyCompose(text, identity, mrConfigId, nodeCrypto)
  expect(checks.map(({ id }) => id)).toEqual(['compose.hash', 'compose.mr_config_id'])
  return checks.map(({ status, code }) => (status === 'pass' ? 'ok' : code))
}

describe('compose text', () => {
  test.each(PORTS)('is hashed as raw UTF-8 (%s)', (_, crypto) => {
    const checks = verifyCompose(COMPOSE, system(hash(COMPOSE)), ZERO, crypto)
    expect(checks.map(({ status }) => status)).toEqual(['pass', 'pass'])
  })

  test('the same JSON written otherwise is another text', () => {
    const rewritten = JSON.stringify(JSON.parse(COMPOSE))
    expect(codes(rewritten, hash(COMPOSE))).toEqual(['compose_hash_mismatch', 'ok'])
    expect(codes(`${COMPOSE}\n`, hash(COMPOSE))).toEqual(['compose_hash_mismatch', 'ok'])
    expect(codes(COMPOSE, new Uint8Array(0))).toEqual(['compose_hash_mismatch', 'ok'])
  })

  test('with half a surrogate pair is refused, which would have the hash of another text', () => {
    for (const half of ['\ud800', '\udfff', '\udc00\ud800']) {
      expect(codes(`{"a":"${half}"}`, hash('{"a":"\ufffd"}'))).toEqual([
        'compose_not_unicode',
        'ok',
      ])
    }
    expect(codes('{"a":"\ufffd"}', hash('{"a":"\ufffd"}'))).toEqual(['ok', 'ok'])
  })

  test('that was not given is skipped, never passed', () => {
    expect(codes(null, hash(COMPOSE))).toEqual(['not_provided', 'ok'])
  })

  test('is bounded in bytes, not in characters', () => {
    const most = 'x'.repeat(MAX_COMPOSE_BYTES)
    expect(codes(most, hash(most))).toEqual(['ok', 'ok'])
    const more = 'ö'.repeat(MAX_COMPOSE_BYTES / 2) + 'x'
    expect(codes(more, hash(more))).toEqual(['compose_too_long', 'ok'])
  })

  test('mr_config_id is unused or names this compose text', () => {
    const digest = hash(COMPOSE)
    const second = (id: Uint8Array): string | undefined => codes(COMPOSE, digest, id)[1]
    expect(second(configId(1, digest))).toBe('ok')
    expect(second(configId(1, hash('other')))).toBe('mr_config_id_mismatch')
    expect(second(configId(1, digest, 1))).toBe('mr_config_id_mismatch')
    expect(second(configId(0, digest))).toBe('mr_config_id_mismatch')
    expect(second(configId(4, digest))).toBe('mr_config_id_mismatch')
    expect(second(new Uint8Array(0))).toBe('mr_config_id_mismatch')
  })

  describe('mr_config_id over more than the compose text', () => {
    const digest = hex('22'.repeat(32))
    const second = (id: Uint8Array, change: Partial<SystemIdentity> = {}): string | undefined =>
      codes(null, system(digest, change), id)[1]
    const v2 = (kind: number, providerId: string, appId = '11'.repeat(20)): Uint8Array =>
      configId(
        2,
        hex(
          keccak256(
            Buffer.concat([digest, hex(appId), Uint8Array.of(kind), hex(providerId)]),
          ).slice(2),
        ),
      )
    const v3 = (document: string): Uint8Array =>
      configId(3, hash(`dstack-mr-config-v3:\0${document}`))
    // Spelled out as dstack's own test has it (dstack-types/src/mr_config.rs, read 2026-11-26).
    const DOCUMENT =
      `{"app_id":"${'11'.repeat(20)}","compose_hash":"${'22'.repeat(32)}",` +
      `"gpu_policy_hash":"${'55'.repeat(32)}","instance_id":"${'44'.repeat(20)}",` +
      `"key_provider":"kms","key_provider_id":"${'33'.repeat(32)}","version":3}`

    test('version 2 recomputes with and without the id of the key provider', () => {
      expect(second(v2(2, '33'.repeat(32)))).toBe('ok')
      expect(second(v2(2, ''))).toBe('ok')
      const none = { keyProvider: { name: 'none', id: '' } }
      expect(second(v2(0, ''), none)).toBe('ok')
      expect(second(v2(1, '77'), { keyProvider: { name: 'local-sgx', id: '77' } })).toBe('ok')
    })

    test.each<[string, Uint8Array]>([
      ['another app', v2(2, '', '12'.repeat(20))],
      ['another kind of key provider', v2(3, '33'.repeat(32))],
      ['another key provider', v2(2, '34'.repeat(32))],
      ['the compose hash alone', configId(2, digest)],
    ])('version 2 for %s is refused', (_, id) => {
      expect(second(id)).toBe('mr_config_id_mismatch')
    })

    test('version 3 recomputes whatever part of what was measured it pins', () => {
      expect(second(v3(DOCUMENT))).toBe('ok')
      expect(second(v3(DOCUMENT.replace(/"(?:app_id|instance_id)":"\w+",/g, '')))).toBe('ok')
      const bare = `{"compose_hash":"${'22'.repeat(32)}","key_provider":"kms","version":3}`
      expect(second(v3(bare))).toBe('ok')
      const scripts = bare.replace(
        '"key_provider"',
        `"init_script_hashes":["${'aa'.repeat(32)}","${'bb'.repeat(32)}"],"key_provider"`,
      )
      const ran = [hex('aa'.repeat(32)), hex('bb'.repeat(32))]
      expect(second(v3(scripts), { initScriptHashes: ran })).toBe('ok')
      expect(second(v3(scripts), { initScriptHashes: ran.toReversed() })).toBe(
        'mr_config_id_mismatch',
      )
    })

    test.each([
      ['another app', DOCUMENT.replace('"11', '"12')],
      ['another GPU policy', DOCUMENT.replace('"55', '"56')],
      ['another instance', DOCUMENT.replace('"44', '"45')],
      ['another compose text', DOCUMENT.replace('"22', '"23')],
      ['another key provider', DOCUMENT.replace('"kms"', '"none"')],
      ['the same members in another spelling', DOCUMENT.replace(',', ', ')],
      ['a member that is not known', DOCUMENT.replace('{', '{"a":1,')],
    ])('version 3 for %s is refused', (_, document) => {
      expect(second(v3(document))).toBe('mr_config_id_mismatch')
    })

    test('of a key provider that is not known here is unsupported, not a lie', () => {
      const unknown = { keyProvider: { name: 'other', id: '' } }
      expect(second(v2(4, ''), unknown)).toBe('mr_config_id_unsupported')
      expect(second(v3(DOCUMENT), { keyProvider: null })).toBe('mr_config_id_unsupported')
      expect(second(configId(4, digest), unknown)).toBe('mr_config_id_mismatch')
    })
  })

  test.runIf(haveFixtures('0g'))('of a recorded vllm-proxy report has the measured hash', () => {
    const report = JSON.parse(fixtureText('0g/llm_attestation_report.json')) as {
      intel_quote: string
      event_log: string
      info: { tcb_info: { app_compose: string } | string }
    }
    const quote = parseQuote(hex(report.intel_quote))
    if (!quote.ok) throw new Error(quote.detail)
    const { system: measured } = replayEventLog(report.event_log, quote.quote.rtmrs, nodeCrypto)
    const { tcb_info: tcb } = report.info
    const info = typeof tcb === 'string' ? (JSON.parse(tcb) as { app_compose: string }) : tcb
    expect(codes(info.app_compose, measured ?? ZERO, quote.quote.mrConfigId)).toEqual(['ok', 'ok'])
  })
})
