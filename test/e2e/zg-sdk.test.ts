/** `@0gfoundation/0g-compute-ts-sdk` 0.9.0, unchanged, against the real service behind the broker double. */
import { readFile, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { startBroker } from '../../src/demo/broker/start-broker.ts'
import type { BrokerHandle } from '../../src/demo/broker/start-broker.ts'
import { chatBody, header, jsonObject } from '../harness/chat.ts'
import { TOKENS, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { processResponse, startZgChain, verifyService } from '../harness/zg-chain.ts'
import type { ZgChain } from '../harness/zg-chain.ts'
import { ask } from '../harness/zg-upstream.ts'

const PROVIDER = '0x1111111111111111111111111111111111111111'
const STRANGER = new Wallet(`0x${'22'.repeat(32)}`).address

let at: TestService
let broker: BrokerHandle
let chain: ZgChain
let out: string
beforeAll(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  at = await startTestService({ gpus: 1 })
  broker = await startBroker({
    targetUrl: `${at.url}/v1`,
    additionalSecret: { authorization: `Bearer ${TOKENS.broker}` },
    quote: true,
  })
  chain = await startZgChain({
    service: { url: broker.url, teeSignerAddress: at.service.keys.address.address },
  })
  out = await mkdtemp(join(tmpdir(), 'countersign-zg-'))
})
afterAll(async () => {
  vi.restoreAllMocks()
  await chain.close()
  await broker.close()
  await at.close()
  await rm(out, { recursive: true })
})
beforeEach(() => {
  chain.service.teeSignerAddress = at.service.keys.address.address
  chain.service.additionalInfo = { TargetSeparated: false, TEEVerifier: 'dstack' }
})

const complete = (body: string) =>
  ask(`${broker.url}/v1/proxy/chat/completions`, {
    method: 'POST',
    body,
    headers: [['content-type', 'application/json']],
  })

describe('processResponse of the 0G SDK', () => {
  test.each([
    ['buffered', chatBody('hello')],
    ['streamed', chatBody('hello', { stream: true })],
  ])('is true for an answer %s, found by ZG-Res-Key', async (_, body) => {
    const reply = await complete(body)
    expect(reply.status).toBe(200)
    expect(await processResponse(chain, PROVIDER, header(reply, 'zg-res-key'))).toBe(true)
  })

  test('is true where the target is registered apart from the broker', async () => {
    chain.service.additionalInfo = {
      TargetSeparated: true,
      TargetTeeAddress: at.service.keys.address.address,
    }
    const reply = await complete(chatBody('hello'))
    expect(await processResponse(chain, PROVIDER, header(reply, 'zg-res-key'))).toBe(true)
  })

  test('is false when another signer is registered', async () => {
    const reply = await complete(chatBody('hello'))
    chain.service.teeSignerAddress = STRANGER
    expect(await processResponse(chain, PROVIDER, header(reply, 'zg-res-key'))).toBe(false)
  })

  test('finds nothing for an answer that was not complete, nor for the id that the broker made up', async () => {
    at.model.faults.omitDone = true
    const cut = await complete(chatBody('hello', { stream: true }))
    at.model.faults.omitDone = undefined
    const key = header(cut, 'zg-res-key')
    const judged = await processResponse(chain, PROVIDER, key).catch(() => 'threw')
    expect(judged).not.toBe(true)
    const reply = await complete(chatBody('hello'))
    const { id } = jsonObject(reply.body)
    await expect(processResponse(chain, PROVIDER, String(id))).rejects.toThrow()
  })
})

describe('verifyService of the 0G SDK', () => {
  test('matches the signer, passes the compose, and writes the report that was served', async () => {
    const { result } = await verifyService(chain, PROVIDER, out)
    expect(result.signerVerification?.allMatch).toBe(true)
    expect(result.composeVerification?.passed).toBe(true)
    expect(await readdir(out)).toEqual(['attestation_report.json'])
    const saved = jsonObject(await readFile(join(out, 'attestation_report.json')))
    const slot = Buffer.from(String(saved['report_data']), 'base64')
    expect(slot).toHaveLength(64)
    const { address } = at.service.keys.address
    expect(slot.toString('latin1')).toBe(address.padEnd(64, '\0'))
    const quote = Buffer.from(String(saved['quote']), 'hex')
    expect(quote.subarray(568, 632)).toEqual(slot)
  })

  test('of a separated service passes the compose of both reports', async () => {
    chain.service.additionalInfo = {
      TargetSeparated: true,
      TargetTeeAddress: at.service.keys.address.address,
    }
    const { result } = await verifyService(chain, PROVIDER, out)
    expect(result.signerVerification?.allMatch).toBe(true)
    expect(result.composeVerification?.passed).toBe(true)
    expect((await readdir(out)).sort()).toEqual([
      'attestation_report.json',
      'broker_attestation_report.json',
      'llm_attestation_report.json',
    ])
    const llm = jsonObject(await readFile(join(out, 'llm_attestation_report.json')))
    expect(llm['signing_address']).toBe(at.service.keys.address.address)
  })

  test('does not match when another signer is registered', async () => {
    chain.service.teeSignerAddress = STRANGER
    const { result } = await verifyService(chain, PROVIDER, out)
    expect(result.signerVerification?.allMatch).toBe(false)
  })
})
