import { ethers } from 'ethers'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { Socket } from 'node:net'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { startBroker } from '../../src/demo/broker/start-broker.ts'
import { processResponse, startZgChain, verifyService, type ZgChain } from './zg-chain.ts'
import { startUpstream, type Upstream } from './zg-upstream.ts'

const KAT_ADDRESS = '0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A'
const kat = new ethers.Wallet('0x' + '11'.repeat(32))
const stranger = new ethers.Wallet('0x' + '22'.repeat(32))
const PROVIDER = '0x1111111111111111111111111111111111111111'
const REAL_REPORT = new URL(
  '../../../shared/fixtures/0g/llm_attestation_report.json',
  import.meta.url,
)

const TEXT = `${'a'.repeat(64)}:${'b'.repeat(64)}`
const APP_COMPOSE =
  '{"docker_compose_file":"services:\\n  a:\\n    image: example.org/a@sha256:00\\n"}'

/** 0G's own report: report_data is base64 of the ASCII address, zero-padded to 64 bytes. */
function report(address: string, compose: string, hashed: string): Record<string, unknown> {
  const data = Buffer.alloc(64)
  data.write(address, 'ascii')
  const event_payload = createHash('sha256').update(hashed).digest('hex')
  return {
    quote: '00',
    report_data: data.toString('base64'),
    tcb_info: JSON.stringify({ app_compose: compose }),
    event_log: JSON.stringify([{ event: 'compose-hash', event_payload }]),
    vm_config: '{}',
  }
}

const ids = new Map<string, ethers.Wallet>()
let quote: unknown
let llm: unknown
let node: Upstream
let chain: ZgChain
let out: string

beforeEach(async () => {
  // The SDK says in words why it answers false.
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  ids.clear()
  quote = report(KAT_ADDRESS, APP_COMPOSE, APP_COMPOSE)
  llm = report(KAT_ADDRESS, APP_COMPOSE, APP_COMPOSE)
  node = await startUpstream((seen, response) => {
    const path = seen.url.split('?')[0] ?? ''
    const signer = ids.get(path.replace('/v1/proxy/signature/', ''))
    const send = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    if (path === '/v1/quote') send(200, quote)
    else if (path === '/v1/proxy/attestation/report') send(200, llm)
    else if (signer === undefined) send(404, { error: { message: 'unknown' } })
    else send(200, { text: TEXT, signature: signer.signMessageSync(TEXT) })
  })
  chain = await startZgChain({
    service: { url: node.url, teeSignerAddress: KAT_ADDRESS, model: 'org/mo del+x' },
  })
  out = await mkdtemp(join(tmpdir(), 'zg-'))
})

afterEach(async () => {
  vi.restoreAllMocks()
  await chain.close()
  await node.close()
  await rm(out, { recursive: true })
})

test('the known key has the known address', () => {
  expect(kat.address).toBe(KAT_ADDRESS)
})

describe('processResponse', () => {
  test('is true for the signer that the contract names, and asks with the model as it stands', async () => {
    ids.set('k1', kat)
    expect(await processResponse(chain, PROVIDER, 'k1')).toBe(true)
    expect(node.seen.map((seen) => seen.url)).toEqual([
      '/v1/proxy/signature/k1?model=org/mo%20del+x',
    ])
    expect(chain.unknownCalls).toEqual([])
  })

  test('is false for another signer', async () => {
    ids.set('k1', stranger)
    expect(await processResponse(chain, PROVIDER, 'k1')).toBe(false)
  })

  test('throws for an id nobody knows', async () => {
    await expect(processResponse(chain, PROVIDER, 'nope')).rejects.toThrow(
      /getting signature error/,
    )
  })

  test('takes the address of a separated target, unless the provider is centralized', async () => {
    ids.set('k1', stranger)
    chain.service.additionalInfo = {
      TargetSeparated: true,
      TargetTeeAddress: stranger.address,
      ProviderType: 'decentralized',
    }
    expect(await processResponse(chain, PROVIDER, 'k1')).toBe(true)
    chain.service.additionalInfo = {
      ...chain.service.additionalInfo,
      ProviderType: 'centralized',
    }
    expect(await processResponse(chain, PROVIDER, 'k1')).toBe(false)
  })

  test.each(['TeeTLS', 'dstack', ''])(
    'is false under the verifiability %j, however good the signature',
    async (verifiability) => {
      ids.set('k1', kat)
      chain.service.verifiability = verifiability
      expect(await processResponse(chain, PROVIDER, 'k1')).toBe(false)
    },
  )

  test('is false while the signer is not acknowledged, null without an id', async () => {
    ids.set('k1', kat)
    chain.service.teeSignerAcknowledged = false
    expect(await processResponse(chain, PROVIDER, 'k1')).toBe(false)
    expect(await processResponse(chain, PROVIDER, undefined)).toBeNull()
  })

  test('throws for a provider that the contract does not know', async () => {
    await expect(
      processResponse(chain, '0x2222222222222222222222222222222222222222', 'k1'),
    ).rejects.toThrow()
  })
})

describe('verifyService', () => {
  test('writes the combined report and passes both checks', async () => {
    const { result, log } = await verifyService(chain, PROVIDER, out)
    expect(result.signerVerification?.allMatch).toBe(true)
    expect(result.composeVerification?.passed).toBe(true)
    expect(await readdir(out)).toEqual(['attestation_report.json'])
    const saved = await readFile(join(out, 'attestation_report.json'), 'utf8')
    expect(JSON.parse(saved)).toEqual(quote)
    expect(log.length).toBeGreaterThan(10)
  })

  test('fails the signer check when the report names another address', async () => {
    quote = report(stranger.address, APP_COMPOSE, APP_COMPOSE)
    const { result } = await verifyService(chain, PROVIDER, out)
    expect(result.signerVerification?.allMatch).toBe(false)
    expect(result.composeVerification?.passed).toBe(true)
    // What it calls success says nothing.
    expect(result.success).toBe(true)
  })

  test('fails the compose check when the compose is not the one in the event log', async () => {
    quote = report(KAT_ADDRESS, `${APP_COMPOSE} `, APP_COMPOSE)
    const { result } = await verifyService(chain, PROVIDER, out)
    expect(result.signerVerification?.allMatch).toBe(true)
    expect(result.composeVerification?.passed).toBe(false)
  })

  test('of a separated service fetches both reports and checks the compose of each', async () => {
    chain.service.additionalInfo = { TargetSeparated: true, TargetTeeAddress: KAT_ADDRESS }
    const good = await verifyService(chain, PROVIDER, out)
    expect(good.result.composeVerification?.passed).toBe(true)
    expect((await readdir(out)).sort()).toEqual([
      'broker_attestation_report.json',
      'llm_attestation_report.json',
    ])
    llm = report(KAT_ADDRESS, `${APP_COMPOSE} `, APP_COMPOSE)
    const bad = await verifyService(chain, PROVIDER, out)
    expect(bad.result.composeVerification?.passed).toBe(false)
  })

  test('passes the compose check on a report of a real machine', async (context) => {
    if (!existsSync(REAL_REPORT)) {
      context.skip('SKIPPED: no shared/fixtures/0g/llm_attestation_report.json beside the checkout')
      return
    }
    llm = JSON.parse(await readFile(REAL_REPORT, 'utf8'))
    chain.service.additionalInfo = { TargetSeparated: true, TargetTeeAddress: KAT_ADDRESS }
    const { result } = await verifyService(chain, PROVIDER, out)
    expect(result.composeVerification?.passed).toBe(true)
    expect(result.reportsGenerated).toEqual(['broker', 'llm'])
  })
})

test('neither check connects to anything but this machine', async () => {
  const connect = vi.spyOn(Socket.prototype, 'connect')
  ids.set('k1', kat)
  await processResponse(chain, PROVIDER, 'k1')
  await verifyService(chain, PROVIDER, out)
  // net.connect hands its arguments on as one normalised array, options first.
  const hosts = connect.mock.calls.map((call) => {
    const first: unknown = call[0]
    const options: unknown = Array.isArray(first) ? first[0] : first
    return typeof options === 'object' && options !== null && 'host' in options
      ? options.host
      : options
  })
  expect(hosts.length).toBeGreaterThan(0)
  expect(new Set(hosts)).toEqual(new Set(['127.0.0.1']))
})

test('the whole way through the broker double: key from ZG-Res-Key, signature found and right', async () => {
  const sidecar = await startUpstream((seen, response) => {
    response.setHeader('content-type', 'application/json')
    if (seen.url.startsWith('/v1/chat/completions')) {
      response.setHeader('ZG-Res-Key', 'r1')
      response.end('{"id":"upstream-id","choices":[]}')
    } else if (seen.url.startsWith('/v1/signature/r1')) {
      response.end(JSON.stringify({ text: TEXT, signature: kat.signMessageSync(TEXT) }))
    } else {
      response.writeHead(404).end('{}')
    }
  })
  const broker = await startBroker({ targetUrl: `${sidecar.url}/v1`, additionalSecret: {} })
  try {
    chain.service.url = broker.url
    const reply = await fetch(`${broker.url}/v1/proxy/chat/completions`, {
      method: 'POST',
      body: '{"model":"m"}',
    })
    const parsed = (await reply.json()) as { readonly id: string }
    expect(await processResponse(chain, PROVIDER, reply.headers.get('ZG-Res-Key') ?? '')).toBe(true)
    // The id in the body is the broker's own: nothing is signed under it.
    await expect(processResponse(chain, PROVIDER, parsed.id)).rejects.toThrow()
  } finally {
    await broker.close()
    await sidecar.close()
  }
})
