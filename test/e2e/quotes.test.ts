/** `@phala/dcap-qvl`, a verifier nobody here wrote, on the quotes that the service serves through every door. */
import { createHash } from 'node:crypto'
import { Quote, QuoteVerifier, verify } from '@phala/dcap-qvl'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { get, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

const NONCE = 'ab'.repeat(32)
let at: TestService
beforeAll(async () => {
  at = await startTestService({ gpus: 2 })
})
afterAll(() => at.close())

function member(value: unknown, ...path: readonly string[]): string {
  let here = value
  for (const name of path) here = isJsonObject(here) ? here[name] : undefined
  if (typeof here !== 'string') throw new Error(`no ${path.join('.')}`)
  return here
}

const DOORS: readonly (readonly [string, string, readonly string[]])[] = [
  ['canonical', `/attestation?nonce=${NONCE}`, ['evidence', 'quote']],
  ['ACI', `/v1/aci/attestation?nonce=${NONCE}`, ['attestation', 'evidence', 'quote']],
  ['vllm-proxy', `/v1/attestation/report?nonce=${NONCE}`, ['intel_quote']],
  ['0G', '/v1/quote', ['quote']],
]

describe.each(DOORS)('the quote of the %s door', (_, path, where) => {
  const fetchQuote = async () =>
    Buffer.from(member(jsonObject((await get(at, path)).body), ...where), 'hex')
  const seconds = () => Math.floor(Date.now() / 1000)
  const guest = () => {
    if (at.simulation === null) throw new Error('no simulation')
    return at.simulation.guest
  }

  test('is accepted under the simulated root, up to date, over the report data that was asked for', async () => {
    const before = at.quotes.length
    const quote = await fetchQuote()
    const { pki } = guest()
    const verdict = new QuoteVerifier(Buffer.from(pki.root)).verify(
      quote,
      { ...pki.collateral },
      seconds(),
    )
    expect(verdict.status).toBe('UpToDate')
    const { reportData, rtMr3 } = Quote.parse(quote).report.asTd10() ?? {}
    const asked = at.quotes.slice(before).map((data) => Buffer.from(data).toString('hex'))
    expect(asked).toContain(Buffer.from(reportData ?? []).toString('hex'))
    expect(Buffer.from(rtMr3 ?? [])).toEqual(Buffer.from(guest().rtmrs[3]))
  })

  test('is refused under the root of Intel', async () => {
    const { pki } = guest()
    const quote = await fetchQuote()
    expect(() => verify(quote, { ...pki.collateral }, seconds())).toThrow(/signature invalid/)
  })

  test('is refused with one bit of report data changed', async () => {
    const quote = await fetchQuote()
    const { pki } = guest()
    quote[568] = (quote[568] ?? 0) ^ 1
    expect(() =>
      new QuoteVerifier(Buffer.from(pki.root)).verify(quote, { ...pki.collateral }, seconds()),
    ).toThrow(/signature is invalid/)
  })
})

test('the measured compose is the served one', async () => {
  const { evidence } = jsonObject((await get(at, '/attestation')).body)
  const compose = member(evidence, 'app_compose')
  const events: unknown = JSON.parse(member(evidence, 'event_log'))
  const hash = (Array.isArray(events) ? events : []).find(
    (event) => isJsonObject(event) && event['event'] === 'compose-hash',
  ) as unknown
  expect(member(hash, 'event_payload')).toBe(createHash('sha256').update(compose).digest('hex'))
})
