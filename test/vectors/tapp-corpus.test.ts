/** Logs and runtime data of machines of TAPP, put together in Python from the formats alone, each with the code it must end in. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import type { Quote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { appraiseTapp } from '../../attestation/appraiser/tapp/appraise-tapp.ts'
import { verifyRuntimeData } from '../../attestation/appraiser/tapp/verify-runtime-data.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { decodeBase64 } from '../../attestation/protocol/base64.ts'
import { fromHex, toHex } from '../../attestation/protocol/hex.ts'
import { makeQuote } from '../../attestation/simulator/intel/make-quote.ts'
import { failures } from '../appraiser/document.helpers.ts'
import { PKI } from '../appraiser/tapp.helpers.ts'

interface Case {
  readonly id: string
  readonly expected: Readonly<Record<string, string>>
  readonly event_log: string
  readonly rtmrs: readonly [string, string, string, string]
  readonly runtime_data: string
  readonly report_data: string
  readonly signature: string | null
  readonly app_id: string
  readonly app_compose: string
  readonly policy: unknown
}

const FOLDER = new URL('tapp/', import.meta.url)
const CORPUS = JSON.parse(readFileSync(new URL('corpus.json', FOLDER), 'utf8')) as {
  readonly nonce: string
  readonly cases: readonly Case[]
}
const python = spawnSync('python3', ['--version']).status === 0
if (!python) console.warn('SKIPPED: no python3 here, the corpus of TAPP is not written anew')

function bytes(hex: string): Uint8Array {
  const read = fromHex(hex)
  if (read === null) throw new Error('not hex')
  return read
}

function quoteOf({ rtmrs, report_data: reportData }: Case): Quote {
  const [a, b, c, d] = rtmrs
  const quote = makeQuote({
    pki: PKI,
    reportData: bytes(reportData),
    mrTd: new Uint8Array(48),
    rtmrs: [bytes(a), bytes(b), bytes(c), bytes(d)],
  })
  const parsed = parseQuote(quote)
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.quote
}

function judge(one: Case, genuine: boolean) {
  const policy = parsePolicy({ platform: 'tapp', tapp: one.policy })
  if (!policy.ok) throw new Error(policy.detail)
  const quote = quoteOf(one)
  const runtime = verifyRuntimeData(
    { runtimeData: decodeBase64(one.runtime_data) ?? new Uint8Array(0), signature: one.signature },
    quote,
    nodeCrypto,
  )
  const software = appraiseTapp(
    { eventLog: one.event_log, appCompose: one.app_compose, appId: one.app_id },
    quote,
    { crypto: nodeCrypto, policy: policy.policy, genuine },
  )
  return { runtime, software, checks: [...runtime.checks, ...software.checks] }
}

describe('the corpus of TAPP', () => {
  test('has cases of every kind', () => {
    expect(CORPUS.cases.length).toBeGreaterThan(130)
    expect(new Set(CORPUS.cases.map(({ id }) => id)).size).toBe(CORPUS.cases.length)
    expect(
      CORPUS.cases.filter(({ expected }) => Object.keys(expected).length === 0).length,
    ).toBeGreaterThan(15)
  })

  test.each(CORPUS.cases.map((one) => [one.id, one] as const))('%s', (_, one) => {
    const { runtime, checks } = judge(one, true)
    expect(failures(checks)).toEqual(one.expected)
    if (!('tapp.runtime_data' in one.expected)) {
      expect(toHex(runtime.nonce ?? new Uint8Array(0))).toBe(CORPUS.nonce)
    }
    const ids = checks.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('no check of a software passes under a quote that nobody signed', () => {
    for (const one of CORPUS.cases) {
      const { software } = judge(one, false)
      expect(software.checks.filter(({ status }) => status === 'pass')).toEqual([])
      expect(software.composeHash).toBeNull()
    }
  })

  test.skipIf(!python)('is what its generator writes', () => {
    const script = fileURLToPath(new URL('generate.py', FOLDER))
    const run = spawnSync('python3', [script, '--check'])
    expect([run.status, run.stderr.toString()]).toEqual([0, ''])
  })
})
