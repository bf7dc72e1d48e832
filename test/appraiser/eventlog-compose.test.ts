import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  MAX_COMPOSE_BYTES,
  verifyCompose,
} from '../../attestation/appraiser/eventlog/verify-compose.ts'
import { replayEventLog } from '../../attestation/appraiser/eventlog/replay-event-log.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { fixtureText, haveFixtures, hex, PORTS } from './x509.helpers.ts'

const COMPOSE = '{"manifest_version": 2,\n  "name": "Größe"}'
const hash = (text: string): Uint8Array => createHash('sha256').update(text).digest()
const ZERO = new Uint8Array(48)
const configId = (version: number, digest: Uint8Array, tail = 0): Uint8Array =>
  Uint8Array.of(version, ...digest, ...new Uint8Array(14), tail)

function codes(text: string, composeHash: Uint8Array, mrConfigId: Uint8Array = ZERO): string[] {
  const checks = verifyCompose(text, composeHash, mrConfigId, nodeCrypto)
  expect(checks.map(({ id }) => id)).toEqual(['compose.hash', 'compose.mr_config_id'])
  return checks.map(({ status, code }) => (status === 'pass' ? 'ok' : code))
}

describe('compose text', () => {
  test.each(PORTS)('is hashed as raw UTF-8 (%s)', (_, crypto) => {
    const checks = verifyCompose(COMPOSE, hash(COMPOSE), ZERO, crypto)
    expect(checks.map(({ status }) => status)).toEqual(['pass', 'pass'])
  })

  test('the same JSON written otherwise is another text', () => {
    const rewritten = JSON.stringify(JSON.parse(COMPOSE))
    expect(codes(rewritten, hash(COMPOSE))).toEqual(['compose_hash_mismatch', 'ok'])
    expect(codes(`${COMPOSE}\n`, hash(COMPOSE))).toEqual(['compose_hash_mismatch', 'ok'])
    expect(codes(COMPOSE, new Uint8Array(0))).toEqual(['compose_hash_mismatch', 'ok'])
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
    expect(second(configId(2, digest))).toBe('mr_config_id_unsupported')
    expect(second(configId(3, digest))).toBe('mr_config_id_unsupported')
    expect(second(new Uint8Array(0))).toBe('mr_config_id_mismatch')
  })

  test.runIf(haveFixtures('0g'))('of a recorded vllm-proxy report has the measured hash', () => {
    const report = JSON.parse(fixtureText('0g/llm_attestation_report.json')) as {
      intel_quote: string
      event_log: string
      info: { tcb_info: { app_compose: string } | string }
    }
    const quote = parseQuote(hex(report.intel_quote))
    if (!quote.ok) throw new Error(quote.detail)
    const { system } = replayEventLog(report.event_log, quote.quote.rtmrs, nodeCrypto)
    const { tcb_info: tcb } = report.info
    const info = typeof tcb === 'string' ? (JSON.parse(tcb) as { app_compose: string }) : tcb
    expect(codes(info.app_compose, system?.composeHash ?? ZERO, quote.quote.mrConfigId)).toEqual([
      'ok',
      'ok',
    ])
  })
})
