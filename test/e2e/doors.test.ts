/** The doors onto the attestation state: layouts, nonces, spellings, sharing, busy and recovery. */
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { readCbor } from '../harness/read-cbor.ts'
import { chat, chatBody, errorCode, get, header, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

const nonce = () => randomBytes(32).toString('hex')
const REPORT_DATA = 568
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

let at: TestService
beforeAll(async () => {
  at = await startTestService({ gpus: 2 })
})
afterAll(() => at.close())

/** The member at a path of names and indexes. */
function member(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value
  for (const name of path) {
    if (typeof name === 'number') here = Array.isArray(here) ? (here as unknown[])[name] : undefined
    else here = isJsonObject(here) ? here[name] : undefined
  }
  return here
}

const read = async (path: string): Promise<JsonObject> => {
  const reply = await get(at, path)
  expect(reply.status, reply.text.slice(0, 200)).toBe(200)
  return jsonObject(reply.body)
}

/** The 64 bytes in the quote, hex. */
function slot(quote: unknown): string {
  return Buffer.from(String(quote), 'hex')
    .subarray(REPORT_DATA, REPORT_DATA + 64)
    .toString('hex')
}

/** The nonce inside a device's SPDM request, hex. */
function gpuNonce(device: unknown): string {
  const report = Buffer.from(String(member(device, 'evidence')), 'base64')
  return report.subarray(4, 36).toString('hex')
}

describe('the canonical door', () => {
  test('serves one document under every spelling, bare or wrapped', async () => {
    const texts = await Promise.all(
      ['/attestation', '/v1/attestation', '/v1/proxy/attestation'].map(
        async (path) => (await get(at, path)).text,
      ),
    )
    const wrapped = await Promise.all(
      ['', '/v1', '/v1/proxy'].map(
        async (base) => (await read(`${base}/attestation/document`))['document'],
      ),
    )
    expect(new Set([...texts, ...wrapped]).size).toBe(1)
    expect(jsonObject(texts[0] ?? '')['nonce']).toBeNull()
  })

  test('serves the same data as CBOR, by a reader of RFC 8949 of our own', async () => {
    const own = nonce()
    for (const path of ['/attestation', `/attestation?nonce=${own}`]) {
      const json = await get(at, path)
      const cbor = await get(at, path, { headers: [['accept', 'application/cbor']] })
      expect(cbor.headers['content-type']).toBe('application/cbor')
      const decoded = readCbor(cbor.body)
      if (path === '/attestation') {
        expect(decoded).toEqual(jsonObject(json.body))
      } else {
        // Another round; everything that is fixed for the boot agrees.
        expect(member(decoded, 'nonce', 'value')).toBe(own)
        for (const name of ['boot_id', 'config', 'keyset', 'api_version']) {
          expect(member(decoded, name)).toEqual(member(jsonObject(json.body), name))
        }
      }
      expect(cbor.body.length).toBeLessThan(json.body.length)
    }
    const any = await get(at, '/attestation', { headers: [['accept', '*/*']] })
    expect(any.headers['content-type']).toBe('application/json')
  })

  test('serves the keyset by its digest, and no other', async () => {
    const { keysetDigest } = at.service.keys
    const { text } = await get(at, '/attestation')
    expect((await get(at, `/attestation/keysets/${keysetDigest}`)).text).toBe(text)
    for (const base of ['/v1', '/v1/proxy']) {
      const wrapped = await read(`${base}/attestation/keysets/${keysetDigest}`)
      expect(wrapped['document']).toBe(text)
    }
    const other = await get(at, `/attestation/keysets/sha256:${'0'.repeat(64)}`)
    expect([other.status, errorCode(other)]).toEqual([404, 'keyset_unknown'])
  })

  test('shares one round among the clients that wait, each with its own nonce', async () => {
    at.agentFaults.delayMs = 400
    const before = at.quotes.length
    const nonces = Array.from({ length: 40 }, nonce)
    const first = get(at, `/attestation?nonce=${nonce()}`)
    while (at.quotes.length === before) await new Promise((done) => setImmediate(done))
    const documents = await Promise.all(nonces.map((own) => read(`/attestation?nonce=${own}`)))
    delete at.agentFaults.delayMs
    expect((await first).status).toBe(200)
    expect(at.quotes.length - before).toBe(2)
    expect(new Set(documents.map((one) => one['round'])).size).toBe(1)
    expect(documents.map((one) => member(one, 'nonce', 'value'))).toEqual(nonces)
    expect(new Set(documents.map((one) => member(one, 'nonce', 'tree_size')))).toEqual(
      new Set([40]),
    )
    const devices = documents.map((one) => member(one, 'evidence', 'gpu', 1))
    expect(new Set(devices.map(gpuNonce)).size).toBe(1)
  })
})

describe('the ACI door', () => {
  test.each(['/v1/aci/attestation', '/aci/attestation', '/v1/proxy/aci/attestation'])(
    '%s puts SHA-256 of ACI’s statement and 32 zero bytes into the quote',
    async (path) => {
      const own = nonce()
      for (const asked of [own, null]) {
        const report = await read(asked === null ? path : `${path}?nonce=${asked}`)
        const { keysetDigest } = at.service.keys
        // The specification's exact bytes, spelled out here.
        const statement = `{"keyset_digest":"${keysetDigest}","nonce":${asked === null ? 'null' : `"${asked}"`},"purpose":"aci.report_data.v1"}`
        const binding = sha256(statement)
        expect(member(report, 'attestation', 'report_data')).toBe(binding)
        expect(member(report, 'workload_keyset_digest')).toBe(keysetDigest)
        const evidence = member(report, 'attestation', 'evidence')
        expect(slot(member(evidence, 'quote'))).toBe(binding + '00'.repeat(32))
        expect(member(evidence, 'quote_report_data')).toBe(binding + '00'.repeat(32))
        const canonical = jsonObject(String(member(evidence, 'countersign')))
        expect(member(canonical, 'nonce', 'value') ?? null).toBe(asked)
        expect(member(report, 'attestation', 'workload_keyset')).toEqual(canonical['keyset'])
      }
    },
  )

  test('is served wrapped as well', async () => {
    const { document } = await read('/v1/proxy/attestation/aci')
    expect(jsonObject(String(document))['api_version']).toBe('aci/1')
  })
})

describe('the vllm-proxy door', () => {
  test('binds address, twelve zero bytes and nonce; the GPUs answer the same nonce', async () => {
    const own = nonce()
    const report = await read(`/v1/attestation/report?nonce=${own}&signing_algo=ecdsa`)
    const { address } = at.service.keys.address
    expect(report).toMatchObject({ signing_address: address, request_nonce: own })
    const wanted = address.slice(2).toLowerCase() + '00'.repeat(12) + own
    expect(slot(report['intel_quote'])).toBe(wanted)
    expect(report['quote']).toBe(report['intel_quote'])
    const payload = jsonObject(String(report['nvidia_payload']))
    expect(payload).toMatchObject({ nonce: own, arch: 'HOPPER' })
    const list = payload['evidence_list']
    expect(Array.isArray(list) ? list.map(gpuNonce) : []).toEqual([own, own])
    expect(member(report, 'all_attestations', 0, 'intel_quote')).toBe(report['intel_quote'])
    const events: unknown = JSON.parse(String(report['event_log']))
    const digests = (Array.isArray(events) ? events : []).map((event) => member(event, 'digest'))
    expect(digests.length).toBeGreaterThan(5)
    for (const digest of digests) expect(digest).toMatch(/^[0-9a-f]{96}$/)
  })

  test('binds the legacy Ed25519 key for signing_algo=ed25519', async () => {
    const own = nonce()
    const report = await read(`/v1/attestation/report?nonce=${own}&signing_algo=ed25519`)
    const key = Buffer.from(at.service.keys.legacy.publicKey).toString('hex')
    expect(report).toMatchObject({ signing_address: key, signing_public_key: key })
    expect(slot(report['intel_quote'])).toBe(key + own)
  })

  test('draws a nonce where none was given, another one each time', async () => {
    const [a, b] = [await read('/v1/attestation/report'), await read('/v1/attestation/report')]
    expect(a['request_nonce']).toMatch(/^[0-9a-f]{64}$/)
    expect(a['request_nonce']).not.toBe(b['request_nonce'])
    expect(slot(a['quote']).slice(64)).toBe(a['request_nonce'])
  })

  test.each([
    [
      'a nonce that reads as another layout',
      `nonce=${'ab'.repeat(24)}${'00'.repeat(8)}`,
      400,
      'ambiguous_nonce',
    ],
    ['an unknown algorithm', 'signing_algo=rsa', 400, 'invalid_signing_algo'],
    ['a TLS fingerprint', 'include_tls_fingerprint=true', 400, 'tls_not_configured'],
    ['another address', `signing_address=0x${'11'.repeat(20)}`, 404, 'not_found'],
    ['two addresses', 'signing_address=a&signing_address=b', 404, 'not_found'],
  ])('refuses %s', async (_, query, status, code) => {
    const before = at.quotes.length
    const reply = await get(at, `/v1/attestation/report?${query}`)
    expect([reply.status, errorCode(reply)]).toEqual([status, code])
    expect(at.quotes).toHaveLength(before)
  })

  test('answers for its own address in any case', async () => {
    const { address } = at.service.keys.address
    for (const spelled of [address, address.toLowerCase()]) {
      const report = await read(`/v1/attestation/report?signing_address=${spelled}`)
      expect(report['signing_address']).toBe(address)
    }
  })
})

describe('the 0G door', () => {
  test.each(['/v1/quote', '/quote', '/v1/proxy/quote'])(
    '%s has the address as ASCII',
    async (path) => {
      const report = await read(path)
      const wanted = at.service.keys.address.address.padEnd(64, '\0')
      expect(Buffer.from(String(report['report_data']), 'base64').toString('latin1')).toBe(wanted)
      expect(slot(report['quote'])).toBe(Buffer.from(wanted, 'latin1').toString('hex'))
    },
  )
})

describe('evidence that cannot be had', () => {
  test('because too many wait is 429 with Retry-After, and those who waited get theirs', async () => {
    at.agentFaults.delayMs = 5
    const replies = await Promise.all(
      Array.from({ length: 40 }, () => get(at, `/v1/attestation/report?nonce=${nonce()}`)),
    )
    delete at.agentFaults.delayMs
    const busy = replies.filter(({ status }) => status !== 200)
    expect(busy.length).toBeGreaterThan(0)
    expect(busy.length).toBeLessThan(40 - 10)
    for (const reply of busy) {
      expect([reply.status, errorCode(reply)]).toEqual([429, 'attestation_busy'])
      expect(Number(header(reply, 'retry-after'))).toBeGreaterThan(0)
    }
  })

  test.each(['/attestation', '/v1/aci/attestation', '/v1/attestation/report'])(
    'is 503 with Retry-After at %s, and there again when the agent is',
    async (path) => {
      at.agentFaults.failNext = 1_000
      const reply = await get(at, `${path}?nonce=${nonce()}`)
      delete at.agentFaults.failNext
      expect([reply.status, errorCode(reply)]).toEqual([503, 'attestation_unavailable'])
      expect(Number(header(reply, 'retry-after'))).toBeGreaterThan(0)
      expect(header(reply, 'x-aci-version')).toBe('aci/1')
      expect((await get(at, `${path}?nonce=${nonce()}`)).status).toBe(200)
    },
  )

  test.each([
    ['an agent that answers nonsense', { garbage: true }],
    ['an agent that breaks off', { closeMidAnswer: true }],
    ['an agent that quotes other report data', { reportData: new Uint8Array(64) }],
  ])('of %s is 503, and chat goes on', async (_, faults) => {
    Object.assign(at.agentFaults, faults)
    const reply = await get(at, `/attestation?nonce=${nonce()}`)
    expect([reply.status, errorCode(reply)]).toEqual([503, 'attestation_unavailable'])
    expect((await chat(at, chatBody('x'))).status).toBe(200)
    for (const name of Object.keys(faults)) Reflect.deleteProperty(at.agentFaults, name)
    expect((await get(at, `/attestation?nonce=${nonce()}`)).status).toBe(200)
  })
})

test('a door that is closed is not there', async () => {
  const closed = await startTestService({ doors: [] })
  for (const path of ['/v1/aci/attestation', '/v1/attestation/report', '/v1/quote']) {
    expect((await get(closed, path)).status).toBe(404)
  }
  expect((await get(closed, '/attestation')).status).toBe(200)
  await closed.close()
})
