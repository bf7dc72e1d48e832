/** What each door serves, fetched from a running service, saved, and judged by `countersign verify` under the layout that it is told. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { toHex } from '../../attestation/protocol/hex.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { openStage } from '../client/client.helpers.ts'
import type { Stage } from '../client/client.helpers.ts'
import { errorCode, get, jsonObject } from '../harness/chat.ts'
import { newFolder } from '../store/store.helpers.ts'

const NONCE = '7d'.repeat(32)
const OTHER = '7e'.repeat(32)

let stage: Stage
beforeAll(async () => {
  stage = await openStage({ gpus: 1 })
})
afterAll(() => stage.close())

function saved(name: string, bytes: string | Uint8Array): string {
  const path = join(newFolder(), name)
  writeFileSync(path, bytes)
  return path
}

async function judge(path: string, options: VerifyOptions) {
  const all = stage.at.simulation?.roots
  // Reports of older formats hold no evidence of the key's custody, so a pinned root of a KMS refuses them.
  const older = options.layout === 'vllm-proxy' || options.layout === 'dstack'
  const roots = saved('roots.json', JSON.stringify(older ? { ...all, kms: null } : all))
  let out = ''
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  const given = { allowSimulated: true, acceptUnchecked: true, roots, json: true, ...options }
  try {
    const code = await verify(path, given)
    const { checks } = jsonObject(out)
    const failed = (Array.isArray(checks) ? checks : []).filter(
      (check) => isJsonObject(check) && check['status'] === 'fail',
    )
    return { code, failed: failed.map((check) => isJsonObject(check) && check['code']) }
  } finally {
    stdout.mockRestore()
  }
}

const fetched = async (path: string): Promise<Buffer> => {
  const reply = await get(stage.at, path)
  expect(reply.status).toBe(200)
  return reply.body
}

const DOORS = [
  ['countersign', '/attestation'],
  ['countersign', '/v1/attestation/document'],
  ['aci', '/v1/aci/attestation'],
  ['aci', '/v1/attestation/aci'],
  ['vllm-proxy', '/v1/attestation/report'],
  ['vllm-proxy', '/v1/attestation/report?signing_algo=ed25519'],
] as const

const withNonce = (path: string) => `${path}${path.includes('?') ? '&' : '?'}nonce=${NONCE}`

/** 0G's legacy quote says that it is of an address; its verifier must be told which bytes were to be quoted. */
const addressSlot = (): string => {
  const slot = Buffer.alloc(64)
  slot.write(stage.at.service.keys.address.address, 'ascii')
  return toHex(slot)
}
const quoteAlone = async (): Promise<string> => {
  const { quote, event_log, vm_config } = jsonObject(await fetched('/v1/quote'))
  return saved('quote.json', JSON.stringify({ quote, event_log, vm_config }))
}

describe('the document of every door', () => {
  test.each(DOORS)('%s at %s is accepted for its nonce, and for no other', async (layout, path) => {
    const file = saved('report.json', await fetched(withNonce(path)))
    expect(await judge(file, { layout, nonce: NONCE })).toEqual({ code: 0, failed: [] })
    const other = await judge(file, { layout, nonce: OTHER })
    expect(other.code).toBe(10)
    expect(other.failed.join()).toMatch(/nonce|report_data/)
  })

  test('0G’s quote is accepted over its address, and over no other', async () => {
    const file = await quoteAlone()
    const own = await judge(file, { layout: 'dstack', reportData: addressSlot() })
    expect(own).toEqual({ code: 0, failed: [] })
    const slot = Buffer.from(addressSlot(), 'hex')
    slot.write('0x0000', 'ascii')
    const other = await judge(file, { layout: 'dstack', reportData: toHex(slot) })
    expect([other.code, other.failed]).toEqual([10, ['report_data_mismatch']])
  })
})

describe('one door’s evidence offered as another’s', () => {
  test.each(DOORS)('%s at %s is refused under every other layout', async (layout, path) => {
    const file = saved('report.json', await fetched(withNonce(path)))
    for (const [other] of DOORS) {
      if (other === layout) continue
      expect((await judge(file, { layout: other, nonce: NONCE })).code).toBeGreaterThan(0)
    }
  })

  test('a quote of one door inside the report of another is refused by name', async () => {
    const canonical = jsonObject(await fetched(withNonce('/attestation')))
    const evidence = canonical['evidence']
    const report = jsonObject(await fetched(withNonce('/v1/attestation/report')))
    const aci = jsonObject(await fetched(withNonce('/v1/aci/attestation')))
    const attestation = aci['attestation']
    if (!isJsonObject(evidence) || !isJsonObject(attestation)) throw new Error('no evidence')
    const inner = attestation['evidence']
    if (!isJsonObject(inner)) throw new Error('no evidence')
    const { quote: ofAci } = inner
    const asDocument = { ...canonical, evidence: { ...evidence, quote: report['intel_quote'] } }
    const document = saved('document.json', JSON.stringify(asDocument))
    expect((await judge(document, { nonce: NONCE })).failed).toContain('statement_mismatch')
    const asReport = { ...report, intel_quote: ofAci, quote: ofAci, all_attestations: [] }
    const proxy = saved('report.json', JSON.stringify(asReport))
    const swapped = await judge(proxy, { layout: 'vllm-proxy', nonce: NONCE })
    expect(swapped.failed).toContain('report_data_mismatch')
    const asAci = {
      ...aci,
      attestation: { ...attestation, evidence: { ...inner, quote: evidence['quote'] } },
    }
    const third = saved('aci.json', JSON.stringify(asAci))
    expect((await judge(third, { layout: 'aci', nonce: NONCE })).failed.join()).toMatch(/mismatch/)
    // 0G's quote, whose report data end in zeros, as a report over a nonce of zeros.
    const legacy = jsonObject(await fetched('/v1/quote'))
    const forged = {
      signing_address: addressSlot().slice(0, 64),
      signing_algo: 'ed25519',
      request_nonce: addressSlot().slice(64),
      ...{ intel_quote: legacy['quote'], event_log: legacy['event_log'] },
    }
    const fourth = saved('forged.json', JSON.stringify(forged))
    const zeros = await judge(fourth, { layout: 'vllm-proxy' })
    expect(zeros.failed).toContain('report_nonce_ambiguous')
  })

  test('a nonce that ends in eight zero bytes is refused at the door, whose report would read as another layout', async () => {
    const ambiguous = `${'7d'.repeat(24)}${'00'.repeat(8)}`
    const reply = await get(stage.at, `/v1/attestation/report?nonce=${ambiguous}`)
    expect([reply.status, errorCode(reply)]).toEqual([400, 'ambiguous_nonce'])
    expect((await get(stage.at, `/attestation?nonce=${ambiguous}`)).status).toBe(200)
  })
})
