import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ed25519 } from '@noble/curves/ed25519.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { Quote, QuoteVerifier } from '@phala/dcap-qvl'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { deriveFromAppKey } from '../../attestation/simulator/dstack/app-keys.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import type { SimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type {
  AgentFaults,
  RunningGuestAgent,
} from '../../attestation/simulator/dstack/start-guest-agent.ts'

const now = new Date('2026-11-23T12:00:00Z')
const seconds = now.getTime() / 1000
const composeText =
  '{ "name":"prüfung 試験 🔏",\n\t"manifest_version": 2, "runner":"docker-compose" }\n'
const eventSchema = z.array(
  z.strictObject({
    imr: z.number(),
    event_type: z.number(),
    digest: z.string(),
    event: z.string(),
    event_payload: z.string(),
  }),
)
type Events = z.infer<typeof eventSchema>

const directory = mkdtempSync(join(tmpdir(), 'countersign-agent-'))
const socketPath = join(directory, 'dstack.sock')
const faults: AgentFaults = {}
const guest = createSimulatedGuest({ composeText, now })
let agent: RunningGuestAgent

beforeAll(async () => {
  agent = await startGuestAgent(guest, { socketPath, faults })
})
afterAll(async () => {
  await agent.close()
  rmSync(directory, { recursive: true })
})

interface Raw {
  status: number
  type: string | undefined
  body: string
}

function raw(method: string, path: string, body?: string, type = 'application/json'): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': type }
    const outgoing = httpRequest({ socketPath, method, path, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'],
          body: Buffer.concat(chunks).toString('utf8'),
        })
      })
      response.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

async function post<T>(name: string, request: object, schema: z.ZodType<T>): Promise<T> {
  const { status, body } = await raw('POST', `/${name}`, JSON.stringify(request))
  expect(status).toBe(200)
  return schema.parse(JSON.parse(body))
}

const quoteSchema = z.strictObject({
  quote: z.string().regex(/^[0-9a-f]+$/),
  event_log: z.string(),
  report_data: z.string().regex(/^[0-9a-f]{128}$/),
  vm_config: z.string(),
})

/** Independent of the simulator: recomputes runtime digests and all four registers from the log alone. */
function replay(events: Events): string[] {
  const registers = [0, 1, 2, 3].map(() => Buffer.alloc(48))
  for (const event of events) {
    let digest = Buffer.from(event.digest, 'hex')
    if (event.imr === 3) {
      const type = Buffer.from([0x01, 0x00, 0x00, 0x08])
      const parts = [
        type,
        Buffer.from(':' + event.event + ':'),
        Buffer.from(event.event_payload, 'hex'),
      ]
      digest = createHash('sha384').update(Buffer.concat(parts)).digest()
    }
    const before = registers[event.imr] ?? Buffer.alloc(0)
    registers[event.imr] = createHash('sha384')
      .update(Buffer.concat([before, digest]))
      .digest()
  }
  return registers.map((register) => register.toString('hex'))
}

function quotedRegisters(quote: string): string[] {
  const bytes = Buffer.from(quote, 'hex')
  return [328, 376, 424, 472].map((at) => bytes.subarray(48 + at, 48 + at + 48).toString('hex'))
}

function verdict(quote: string, from: SimulatedGuest): string {
  const verifier = new QuoteVerifier(Buffer.from(from.pki.root))
  return verifier.verify(Buffer.from(quote, 'hex'), { ...from.pki.collateral }, seconds).status
}

describe('GetQuote over the raw socket', () => {
  const reportData = 'ab'.repeat(64)

  test('answers with hex, and with strings that hold JSON', async () => {
    const answer = await post('GetQuote', { report_data: reportData }, quoteSchema)
    expect(answer.report_data).toBe(reportData)
    expect(answer.quote.slice(2 * 568, 2 * 632)).toBe(reportData)
    const vmConfig = z.looseObject({ num_gpus: z.number() }).parse(JSON.parse(answer.vm_config))
    expect(vmConfig.num_gpus).toBe(1)
    expect(verdict(answer.quote, guest)).toBe('UpToDate')
  })

  test('leaves runtime digests and firmware payloads out of the log', async () => {
    const answer = await post('GetQuote', { report_data: '' }, quoteSchema)
    const events = eventSchema.parse(JSON.parse(answer.event_log))
    const count = (imr: number): number => events.filter((event) => event.imr === imr).length
    expect([count(0), count(1), count(2)]).toEqual([13, 5, 2])
    for (const event of events) {
      expect(event.digest).toMatch(event.imr === 3 ? /^$/ : /^[0-9a-f]{96}$/)
      if (event.imr === 3) expect(event.event_type).toBe(134217729)
      else expect([event.event, event.event_payload]).toEqual(['', ''])
    }
  })

  test('carries the registers that an independent replay computes, and breaks when a payload is swapped', async () => {
    const answer = await post('GetQuote', { report_data: '00' }, quoteSchema)
    const events = eventSchema.parse(JSON.parse(answer.event_log))
    expect(replay(events)).toEqual(quotedRegisters(answer.quote))
    const swapped = events.map((event) =>
      event.event === 'compose-hash' ? { ...event, event_payload: '11'.repeat(32) } : event,
    )
    expect(replay(swapped)[3]).not.toBe(quotedRegisters(answer.quote)[3])
  })

  test('logs RTMR3 in the order of dstack 0.5.x with the facts of the guest', async () => {
    const answer = await post('GetQuote', { report_data: '' }, quoteSchema)
    const events = eventSchema.parse(JSON.parse(answer.event_log)).filter(({ imr }) => imr === 3)
    expect(events.map(({ event }) => event)).toEqual([
      ...['system-preparing', 'app-id', 'compose-hash', 'instance-id', 'boot-mr-done'],
      ...['mr-kms', 'os-image-hash', 'key-provider', 'storage-fs', 'system-ready'],
    ])
    const payload = (name: string): string =>
      events.find(({ event }) => event === name)?.event_payload ?? 'absent'
    const composeHash = createHash('sha256').update(composeText, 'utf8').digest('hex')
    expect(payload('compose-hash')).toBe(composeHash)
    expect(payload('app-id')).toMatch(/^[0-9a-f]{40}$/)
    expect(payload('instance-id')).toMatch(/^[0-9a-f]{40}$/)
    const provider: unknown = JSON.parse(Buffer.from(payload('key-provider'), 'hex').toString())
    expect(provider).toEqual(guest.keyProvider)
    const report = Quote.parse(Buffer.from(answer.quote, 'hex')).report.asTd10()
    const mrConfigId = Buffer.from(report?.mrConfigId ?? []).toString('hex')
    expect(mrConfigId).toBe(`01${composeHash}${'00'.repeat(15)}`)
  })

  test('pads short report data on the right and refuses what is too long', async () => {
    const short = await post('GetQuote', { report_data: 'c0ffee' }, quoteSchema)
    expect(short.report_data).toBe('c0ffee' + '00'.repeat(61))
    const long = await raw('POST', '/GetQuote', JSON.stringify({ report_data: '00'.repeat(65) }))
    expect(long.status).toBe(400)
    expect(JSON.parse(long.body)).toEqual({ error: 'Report data is too long' })
  })

  test('also answers GET with a query', async () => {
    const { status, body } = await raw('GET', '/GetQuote?report_data=00ff')
    expect(status).toBe(200)
    expect(quoteSchema.parse(JSON.parse(body)).report_data).toBe('00ff' + '00'.repeat(62))
  })

  test('makes one quote at a time', async () => {
    faults.delayMs = 60
    try {
      const started = performance.now()
      await Promise.all([1, 2, 3].map(() => post('GetQuote', { report_data: '' }, quoteSchema)))
      expect(performance.now() - started).toBeGreaterThanOrEqual(3 * 60 - 5)
    } finally {
      delete faults.delayMs
    }
  })
})

describe('errors', () => {
  test.each([
    ['an unknown method', 'POST', '/Nothing', '{}', 'application/json', /^Service not found/],
    ['a body that is not JSON', 'POST', '/Info', '{', 'application/json', /^Failed to parse/],
    ['a body that is no object', 'POST', '/Info', '[]', 'application/json', /^Failed to parse/],
    ['a body of another type', 'POST', '/Info', '{}', 'text/plain', /Content-Type/],
    [
      'a digit too few',
      'POST',
      '/GetQuote',
      '{"report_data":"0"}',
      'application/json',
      /invalid hex/,
    ],
    [
      'an unknown algorithm',
      'POST',
      '/GetKey',
      '{"algorithm":"rsa"}',
      'application/json',
      /^Unsupported/,
    ],
    [
      'a method that HTTP has but dstack has not',
      'PUT',
      '/Info',
      '{}',
      'application/json',
      /not allowed/,
    ],
  ])('%s is HTTP 400 with one member error', async (_, method, path, body, type, message) => {
    const answer = await raw(method, path, body, type)
    expect(answer.status).toBe(400)
    expect(answer.type).toBe('application/json')
    const parsed = z.strictObject({ error: z.string() }).parse(JSON.parse(answer.body))
    expect(parsed.error).toMatch(message)
  })

  test('survives a client that leaves in the middle of its request', async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(socketPath, () => {
        socket.write('POST /Info HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{', () => {
          socket.destroy()
          resolve()
        })
      })
    })
    expect((await raw('POST', '/Version', '{}')).status).toBe(200)
  })
})

describe('Info', () => {
  const infoSchema = z.looseObject({
    app_id: z.string(),
    app_name: z.string(),
    compose_hash: z.string(),
    mr_aggregated: z.string(),
    device_id: z.string(),
    tcb_info: z.string(),
    key_provider_info: z.string(),
    cloud_vendor: z.string(),
  })

  test('hands out the compose text byte for byte and the whole log', async () => {
    const info = await post('Info', {}, infoSchema)
    const tcb = z
      .looseObject({ app_compose: z.string(), rtmr3: z.string(), event_log: eventSchema })
      .parse(JSON.parse(info.tcb_info))
    expect(tcb.app_compose).toBe(composeText)
    const digest = createHash('sha256').update(tcb.app_compose, 'utf8').digest('hex')
    expect(info.compose_hash).toBe(digest)
    expect(tcb.event_log.every(({ digest: value }) => /^[0-9a-f]{96}$/.test(value))).toBe(true)
    expect(replay(tcb.event_log)[3]).toBe(tcb.rtmr3)
  })

  test('says simulated in every name', async () => {
    const info = await post('Info', {}, infoSchema)
    expect([info.app_name, info.cloud_vendor].every((name) => name.startsWith('sim-'))).toBe(true)
  })

  test('computes mr_aggregated and device_id as dstack does', async () => {
    const info = await post('Info', {}, infoSchema)
    const { quote } = await post('GetQuote', { report_data: '' }, quoteSchema)
    const body = Buffer.from(quote, 'hex').subarray(48)
    const measured = [
      ...[body.subarray(136, 184), body.subarray(328, 520)],
      ...[body.subarray(184, 232), body.subarray(232, 280), body.subarray(280, 328)],
    ]
    const aggregated = createHash('sha256').update(Buffer.concat(measured)).digest('hex')
    expect(info.mr_aggregated).toBe(aggregated)
    const device = createHash('sha256').update(guest.pki.platform.ppid).digest('hex')
    expect(info.device_id).toBe(device)
  })
})

describe('GetKey', () => {
  const keySchema = z.strictObject({
    key: z.string().regex(/^[0-9a-f]{64}$/),
    signature_chain: z.array(z.string().regex(/^[0-9a-f]*$/)),
  })

  /** Compressed key that made r ‖ s ‖ recovery id over keccak256(message). */
  function recover(signature: string, message: Uint8Array): Uint8Array {
    const bytes = Buffer.from(signature, 'hex')
    expect(bytes.length).toBe(65)
    expect([0, 1]).toContain(bytes[64])
    const recovered = Uint8Array.from([bytes[64] ?? 9, ...bytes.subarray(0, 64)])
    const point = secp256k1.recoverPublicKey(recovered, keccak_256(message), { prehash: false })
    return secp256k1.Point.fromBytes(point).toBytes(true)
  }

  test.each(['secp256k1', 'ed25519'])('chains a %s key to the KMS root', async (algorithm) => {
    const request = { path: 'sim/test', purpose: 'prüfung', algorithm }
    const { key, signature_chain: chain } = await post('GetKey', request, keySchema)
    const secret = Buffer.from(key, 'hex')
    const publicKey =
      algorithm === 'ed25519' ? ed25519.getPublicKey(secret) : secp256k1.getPublicKey(secret, true)
    const signed = `prüfung:${Buffer.from(publicKey).toString('hex')}`
    const appKey = recover(chain[0] ?? '', Buffer.from(signed, 'utf8'))
    const issued = Buffer.concat([Buffer.from('dstack-kms-issued:'), guest.appId, appKey])
    expect(recover(chain[1] ?? '', issued)).toEqual(guest.keys.kmsRootPublicKey)
    const otherApp = Buffer.concat([Buffer.from('dstack-kms-issued:'), Buffer.alloc(20), appKey])
    expect(recover(chain[1] ?? '', otherApp)).not.toEqual(guest.keys.kmsRootPublicKey)
  })

  test('derives by path alone: the same bytes for each purpose and algorithm', async () => {
    const get = async (request: object): Promise<string> =>
      (await post('GetKey', request, keySchema)).key
    const key = await get({ path: 'a', purpose: 'x', algorithm: 'secp256k1' })
    expect(await get({ path: 'a', purpose: 'y', algorithm: 'ed25519' })).toBe(key)
    expect(await get({ path: 'a', algorithm: 'k256' })).toBe(key)
    expect(await get({ path: 'b', algorithm: '' })).not.toBe(key)
  })

  test.each(['local-sgx', 'tpm', 'none'] as const)(
    'has no KMS signature under key provider %s, and says so in the log',
    (keyProvider) => {
      const local = createSimulatedGuest({ composeText, now, keyProvider, pki: guest.pki })
      const { signatureChain } = local.keys.derive({ path: '', purpose: '', algorithm: 'ed25519' })
      expect(signatureChain.map(({ length }) => length)).toEqual([65, 0])
      expect(local.keys.kmsRootPublicKey).toBeNull()
      const names = local.eventLog.map(({ event }) => event)
      expect(names).not.toContain('mr-kms')
      expect(names).toContain('key-provider')
      expect(local.keyProvider.name).toBe(keyProvider)
      const quote = Buffer.from(local.quote(new Uint8Array(64))).toString('hex')
      expect(replay([...local.eventLog])).toEqual(quotedRegisters(quote))
    },
  )
})

/**
 * Known answers that dstack's own agent is held to (Dstack-TEE/dstack, branch next, read 2026-11-23: the tests
 * get_key_pins_the_frozen_chain_link and app_key_report_data_matches_its_vectors of guest-agent/src/rpc_service.rs).
 */
describe('derivation agrees with the real agent', () => {
  const appKey = Buffer.from(
    '1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b',
    'hex',
  )

  test('on the signature of the app key', () => {
    const request = { path: 'test', purpose: 'signing', algorithm: 'secp256k1' } as const
    const { signature } = deriveFromAppKey(appKey, request)
    expect(Buffer.from(signature).toString('hex')).toBe(
      'c8a3dcf06c4e95bd78a5d7a1c8fcff171fc5848cfae804c6fc11bda4dc5d4062' +
        '379995390843827444992c4c0e4bac70f0f878e01b9fc8b98cd7126fe5a3876b01',
    )
  })

  test('on the keys of both algorithms', () => {
    const secret = (algorithm: 'secp256k1' | 'ed25519'): Uint8Array =>
      deriveFromAppKey(appKey, { path: 'vms', purpose: 'signing', algorithm }).key
    const edPublic = ed25519.getPublicKey(secret('ed25519'))
    const ecPublic = secp256k1.getPublicKey(secret('secp256k1'), true)
    expect(Buffer.from(edPublic).toString('base64url')).toBe(
      '5Pbre1Amf1hrp2V2bbfKlIfxpQb2pJAmrgmhxgVoG9s',
    )
    expect(Buffer.from(ecPublic).toString('base64url')).toBe(
      'A6t_JdVkVdMAocH3f1f20WGT6JzdntxcXimUtEax8zc9',
    )
  })
})

describe('GetTlsKey', () => {
  const tlsSchema = z.strictObject({ key: z.string(), certificate_chain: z.array(z.string()) })

  test('issues a fresh P-256 key under app CA and marked root', async () => {
    const request = { subject: 'sim.example', alt_names: ['sim.example'], usage_server_auth: true }
    const first = await post('GetTlsKey', request, tlsSchema)
    const second = await post('GetTlsKey', request, tlsSchema)
    expect(first.key).not.toBe(second.key)
    const [leaf, app, root] = first.certificate_chain.map((pem) => new X509Certificate(pem))
    if (leaf === undefined || app === undefined || root === undefined) throw new Error('no chain')
    expect(leaf.verify(app.publicKey)).toBe(true)
    expect(app.verify(root.publicKey)).toBe(true)
    expect(root.verify(root.publicKey)).toBe(true)
    expect(leaf.checkPrivateKey(createPrivateKey(first.key))).toBe(true)
    expect(leaf.checkHost('sim.example')).toBe('sim.example')
    expect(root.raw.includes(Buffer.from('SIMULATED - NOT HARDWARE'))).toBe(true)
    const spki = root.publicKey.export({ format: 'der', type: 'spki' }).toString('hex')
    expect(guest.keyProvider.id).toBe(spki)
  })

  test('binds a quote to the key of an RA-TLS certificate', async () => {
    const request = { subject: 'sim', usage_ra_tls: true }
    const { certificate_chain: chain } = await post('GetTlsKey', request, tlsSchema)
    const leaf = new X509Certificate(chain[0] ?? '')
    const spki = leaf.publicKey.export({ format: 'der', type: 'spki' })
    const expected = createHash('sha512').update('ratls-cert:').update(spki).digest()
    const start = leaf.raw.indexOf(Buffer.from('040002008100000000000000', 'hex'))
    expect(start).toBeGreaterThan(0)
    expect(leaf.raw.subarray(start + 568, start + 632)).toEqual(expected)
  })
})

test('each run has its own ids and roots', () => {
  const other = createSimulatedGuest({ composeText, now })
  expect(other.appId).not.toEqual(guest.appId)
  expect(other.instanceId).not.toEqual(guest.instanceId)
  expect(other.pki.rootSha256).not.toEqual(guest.pki.rootSha256)
  expect(other.composeHash).toEqual(guest.composeHash)
})

test('one seed is one app: ids and keys are the same, the roots of its quotes are not', () => {
  const seed = new Uint8Array(32).fill(7)
  const [one, again] = [
    createSimulatedGuest({ composeText, now, seed }),
    createSimulatedGuest({ composeText: '{"name":"upgraded"}', now, seed }),
  ]
  const request = { path: 'a', purpose: 'b', algorithm: 'secp256k1' } as const
  expect(again.appId).toEqual(one.appId)
  expect(again.instanceId).toEqual(one.instanceId)
  expect(again.keys.kmsRootPublicKey).toEqual(one.keys.kmsRootPublicKey)
  expect(again.keys.derive(request)).toEqual(one.keys.derive(request))
  expect(again.pki.rootSha256).not.toEqual(one.pki.rootSha256)
  const other = createSimulatedGuest({ composeText, now, seed: new Uint8Array(32).fill(8) })
  expect(other.keys.derive(request).key).not.toEqual(one.keys.derive(request).key)
})
