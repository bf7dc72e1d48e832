import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { judgeRevocation } from '../../attestation/appraiser/gpu/ocsp/judge-revocation.ts'
import { openDiskCache } from '../../attestation/collateral/cache/disk-cache.ts'
import { openGpuDiskCache } from '../../attestation/collateral/cache/gpu-cache.ts'
import { CollateralError } from '../../attestation/collateral/collateral-error.ts'
import type { CollateralErrorCode } from '../../attestation/collateral/collateral-error.ts'
import { createGpuCollateralClient } from '../../attestation/collateral/gpu/gpu-collateral-client.ts'
import type { GpuCollateralClientOptions } from '../../attestation/collateral/gpu/gpu-collateral-client.ts'
import { parseServiceUrl } from '../../attestation/collateral/gpu/nvidia-services.ts'
import {
  MAX_GPU_REQUESTS,
  MAX_RIM_ANSWER_BYTES,
  OCSP_FRESH_S,
  RIM_FRESH_S,
  RIM_KEPT_S,
} from '../../attestation/collateral/limits.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { MAX_OCSP_BYTES, MAX_RIM_BYTES } from '../../attestation/protocol/gpu-collateral.ts'
import {
  AT,
  certId,
  CA,
  createOcspPki,
  errorResponse,
  HOUR,
  issue,
  nonceExtension,
  reply,
} from '../appraiser/ocsp.helpers.ts'
import { rimAnswer, sendJson, startNvidiaServer } from './nvidia-server.helpers.ts'
import type { Act, NvidiaServer } from './nvidia-server.helpers.ts'
import { FAST } from './timing.helpers.ts'

const ID = 'NV_GPU_DRIVER_GH100_550.144.03'
const RIM = Buffer.from('<SoftwareIdentity>of 550.144.03</SoftwareIdentity>')
const OTHER = Buffer.from('<SoftwareIdentity>signed anew</SoftwareIdentity>')
const PKI = createOcspPki()
const ASKED = { certificate: PKI.device.certificate, issuer: PKI.issuer.certificate }
const ABOUT = certId(ASKED.certificate, ASKED.issuer, 'sha384')
const SECRET = 'nvapi-canary-service-key'

const good = (nextUpdate: number | null = AT + HOUR, thisUpdate = AT - HOUR): Uint8Array =>
  reply({ signer: PKI.responder, answers: [{ id: ABOUT, thisUpdate, nextUpdate }] })

let server: NvidiaServer
let clock = AT
beforeAll(async () => {
  server = await startNvidiaServer()
})
beforeEach(() => {
  server.rims.set(ID, RIM)
  server.ocsp = () => good()
})
afterEach(() => {
  clock = AT
  server.act = null
  server.requests.length = 0
})
afterAll(() => server.close())

const client = (more: GpuCollateralClientOptions = {}) =>
  createGpuCollateralClient({
    services: server.services,
    transport: server.transport,
    now: () => clock,
    ...more,
  })

async function failure(promise: Promise<unknown>): Promise<CollateralError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof CollateralError)) throw error
  return error
}

const rimWith =
  (change: Record<string, unknown>): Act =>
  (_asked, response) =>
    sendJson(response, JSON.stringify({ ...rimAnswer(ID, RIM), ...change }))

describe('the RIM service', () => {
  test('gives the file under the id, byte for byte', async () => {
    const fetched = await client().rim(ID)
    expect(Buffer.from(fetched.bytes)).toEqual(RIM)
    expect(fetched).toMatchObject({ from: 'network', failure: null, notKept: null })
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET /rim/v1/rim/${ID}`,
    ])
    expect(server.requests[0]?.headers.authorization).toBeUndefined()
  })

  test.each<readonly [string, Record<string, unknown>, CollateralErrorCode]>([
    ['another id', { id: 'NV_GPU_DRIVER_GH100_550.144.02' }, 'collateral_malformed'],
    ['no id', { id: undefined }, 'collateral_malformed'],
    [
      'another file than its SHA-256 names',
      { rim: OTHER.toString('base64') },
      'collateral_malformed',
    ],
    ['no SHA-256', { sha256: undefined }, 'collateral_malformed'],
    ['no file', { rim: '' }, 'collateral_malformed'],
    ['a file that is not base64', { rim: '<xml/>' }, 'collateral_malformed'],
    [
      'a file beyond the limit',
      { rim: Buffer.alloc(MAX_RIM_BYTES + 1).toString('base64') },
      'collateral_too_large',
    ],
  ])('that answers with %s', async (_what, change, code) => {
    server.act = rimWith(change)
    expect((await failure(client().rim(ID))).code).toBe(code)
  })

  test('whose envelope has more members, or the digest in capitals, is understood', async () => {
    const { sha256 } = rimAnswer(ID, RIM)
    server.act = rimWith({ sha256: String(sha256).toUpperCase(), valid_until: 1 })
    expect(Buffer.from((await client().rim(ID)).bytes)).toEqual(RIM)
  })

  test('an id that would leave its path never gets into a URL', async () => {
    for (const id of ['../ids', 'NV/../ids', 'nv', 'NV_%2e', '', 'A'.repeat(200)]) {
      await expect(client().rim(id)).rejects.toThrow(TypeError)
    }
    expect(server.requests).toEqual([])
  })

  test('the service key goes into its header and into no error', async () => {
    await client({ serviceKey: SECRET }).rim(ID)
    expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${SECRET}`)
    server.act = (_asked, response) => void response.writeHead(403).end(SECRET)
    const error = await failure(client({ serviceKey: SECRET }).rim(ID))
    expect(error.code).toBe('collateral_refused')
    const bad = await failure(client({ serviceKey: `${SECRET}\r\nx: y` }).rim(ID))
    for (const each of [error, bad]) {
      expect(JSON.stringify([each.message, each.stack, each, each.cause])).not.toContain('canary')
    }
  })
})

describe('the OCSP service', () => {
  test('is asked by POST for one certificate without a nonce, and the answer is kept as it came', async () => {
    const der = good()
    server.ocsp = () => der
    const { bytes } = await client().ocsp(ASKED)
    expect(Buffer.from(bytes).equals(der)).toBe(true)
    const [asked] = server.requests
    expect(asked).toMatchObject({ method: 'POST', path: '/ocsp/' })
    expect(asked?.headers['content-type']).toBe('application/ocsp-request')
    expect(Buffer.from(asked?.body ?? []).includes(Buffer.from(ABOUT))).toBe(true)
    const outcome = judgeRevocation([ASKED.certificate, ASKED.issuer], [bytes], {
      crypto: nodeCrypto,
      at: AT,
      graceS: 0,
      allowHold: false,
    })
    expect(outcome[0]?.status).toBe('good')
  })

  test('asked with a nonce the answer is never kept, and is to repeat it', async () => {
    const nonce = new Uint8Array(32).fill(9)
    const extensions = [nonceExtension(nonce)]
    server.ocsp = () => reply({ signer: PKI.responder, answers: [{ id: ABOUT }], extensions })
    const shared = client()
    const bytes = await shared.ocspNow([ASKED], nonce)
    await shared.ocspNow([ASKED], nonce)
    expect(server.requests).toHaveLength(2)
    expect(Buffer.from(server.requests[0]?.body ?? []).includes(Buffer.from(nonce))).toBe(true)
    const options = { crypto: nodeCrypto, at: AT, graceS: 0, allowHold: false, nonce }
    const chain = [ASKED.certificate, ASKED.issuer]
    expect(judgeRevocation(chain, [bytes], options)[0]?.status).toBe('good')
  })

  test.each<readonly [string, () => Uint8Array, CollateralErrorCode]>([
    ['tryLater', () => errorResponse(3), 'collateral_busy'],
    ['internalError', () => errorResponse(2), 'collateral_busy'],
    ['unauthorized', () => errorResponse(6), 'collateral_refused'],
    ['nothing', () => new Uint8Array(), 'collateral_malformed'],
    ['half of an answer', () => good().subarray(0, 200), 'collateral_malformed'],
    ['a byte too many', () => Uint8Array.of(...good(), 0), 'collateral_malformed'],
    ['more than the limit', () => new Uint8Array(MAX_OCSP_BYTES + 1), 'collateral_too_large'],
    [
      'an answer about another certificate',
      () => {
        const other = issue('Other', PKI.issuer, CA).certificate
        return reply({
          signer: PKI.responder,
          answers: [{ id: certId(other, ASKED.issuer, 'sha384') }],
        })
      },
      'collateral_malformed',
    ],
  ])('that answers with %s', async (_what, der, code) => {
    server.ocsp = der
    expect((await failure(client().ocsp(ASKED))).code).toBe(code)
  })
})

describe.each(['rim', 'ocsp'] as const)('any service that fails: %s', (kind) => {
  const ask = (more?: GpuCollateralClientOptions) =>
    kind === 'rim' ? client(more).rim(ID) : client(more).ocsp(ASKED)

  test.each<readonly [number, CollateralErrorCode, number]>([
    [404, 'collateral_not_found', 1],
    [401, 'collateral_refused', 1],
    [400, 'collateral_refused', 1],
    [500, 'collateral_refused', 3],
    [503, 'collateral_busy', 3],
    [429, 'collateral_busy', 3],
  ])('HTTP %i is %s after %i attempts', async (status, code, attempts) => {
    server.act = (_asked, response) => void response.writeHead(status).end()
    expect((await failure(ask())).code).toBe(code)
    expect(server.requests).toHaveLength(attempts)
  })

  test('one passing fault is got over, the question being repeated in full', async () => {
    server.act = (_asked, response) => {
      if (server.requests.length > 2) return false
      if (server.requests.length === 1) response.destroy()
      else response.writeHead(429, { 'retry-after': '0' }).end()
      return true
    }
    expect((await ask()).from).toBe('network')
    const bodies = server.requests.map(({ body }) => Buffer.from(body).toString('hex'))
    expect(new Set(bodies).size).toBe(1)
  })

  test('a slow one is given up', async () => {
    server.act = () => true
    const start = performance.now()
    expect((await failure(ask({ transport: { ...server.transport, timing: FAST } }))).code).toBe(
      'collateral_timeout',
    )
    expect(performance.now() - start).toBeLessThan(FAST.documentMs + 500)
  })

  test('a huge one is cut off', async () => {
    let sent = 0
    server.act = (_asked, response) => {
      const type = kind === 'rim' ? 'application/json' : 'application/ocsp-response'
      response.setHeader('content-type', type)
      const more = (): void => {
        if (response.destroyed) return
        sent += 65_536
        response.write(Buffer.alloc(65_536, 0x20), more)
      }
      more()
    }
    expect((await failure(ask())).code).toBe('collateral_too_large')
    expect(sent).toBeLessThan(200 * MAX_RIM_ANSWER_BYTES)
  })

  test.each([301, 302, 307, 308])('a redirect (HTTP %i) is not followed', async (status) => {
    server.act = ({ path }, response) => {
      if (path.startsWith('/elsewhere')) return false
      response.writeHead(status, { location: '/elsewhere' }).end()
      return true
    }
    expect((await failure(ask())).code).toBe('collateral_redirect')
    expect(server.requests).toHaveLength(1)
  })

  test('another content type is refused unread', async () => {
    server.act = (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      response.end(kind === 'rim' ? JSON.stringify(rimAnswer(ID, RIM)) : good())
    }
    expect((await failure(ask())).message).toContain('content type')
  })

  test('a server under an unknown CA is refused', async () => {
    const error = await failure(ask({ transport: { proxy: null, timing: FAST } }))
    expect(error.code).toBe('collateral_untrusted_tls')
    expect(server.requests).toEqual([])
  })

  test('whoever called may stop it', async () => {
    server.act = () => true
    const stop = new AbortController()
    const waiting = ask({ signal: stop.signal })
    setTimeout(() => stop.abort(new Error('enough')), 20)
    await expect(waiting).rejects.toThrow('enough')
  })
})

describe('what is kept', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-gpu-cache-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('a RIM for an hour, and then as it is signed by then', async () => {
    const shared = client()
    await shared.rim(ID)
    clock += RIM_FRESH_S - 1
    expect((await shared.rim(ID)).from).toBe('cache')
    server.rims.set(ID, OTHER)
    clock += 1
    const fetched = await shared.rim(ID)
    expect(fetched.from).toBe('network')
    expect(Buffer.from(fetched.bytes)).toEqual(OTHER)
  })

  test('during an outage a RIM of the same day, and none after that', async () => {
    const shared = client()
    await shared.rim(ID)
    server.act = (_asked, response) => void response.writeHead(503).end()
    clock += RIM_KEPT_S - 1
    const kept = await shared.rim(ID)
    expect(kept).toMatchObject({ from: 'cache_after_failure' })
    expect(kept.failure?.code).toBe('collateral_busy')
    clock += 1
    expect((await failure(shared.rim(ID))).code).toBe('collateral_busy')
  })

  test('an OCSP response until its nextUpdate, or an hour, whichever comes first', async () => {
    const shared = client()
    server.ocsp = () => good(AT + 60)
    await shared.ocsp(ASKED)
    clock += 59
    expect((await shared.ocsp(ASKED)).from).toBe('cache')
    clock += 1
    server.ocsp = () => good(AT + 86_400)
    expect((await shared.ocsp(ASKED)).from).toBe('network')
    clock += OCSP_FRESH_S - 1
    expect((await shared.ocsp(ASKED)).from).toBe('cache')
    clock += 1
    expect((await shared.ocsp(ASKED)).from).toBe('network')
  })

  test('during an outage an OCSP response until its nextUpdate, and no longer', async () => {
    const shared = client()
    server.ocsp = () => good(AT + 7200)
    await shared.ocsp(ASKED)
    for (const act of [
      (_asked, response) => void response.writeHead(500).end(),
      (_asked, response) =>
        void response
          .writeHead(200, { 'content-type': 'application/ocsp-response' })
          .end(errorResponse(3)),
    ] satisfies Act[]) {
      server.act = act
      clock = AT + 7199
      expect((await shared.ocsp(ASKED)).from).toBe('cache_after_failure')
      clock = AT + 7200
      expect((await failure(shared.ocsp(ASKED))).code).toMatch(/refused|busy/)
    }
  })

  test('an OCSP response without nextUpdate for an hour from its thisUpdate', async () => {
    const shared = client()
    server.ocsp = () => good(null, AT - 3000)
    await shared.ocsp(ASKED)
    clock += 599
    expect((await shared.ocsp(ASKED)).from).toBe('cache')
    clock += 1
    expect((await shared.ocsp(ASKED)).from).toBe('network')
  })

  test('nothing, where the clock was set back since, or the service is another', async () => {
    const shared = client()
    await shared.rim(ID)
    clock -= 1
    expect((await shared.rim(ID)).from).toBe('network')
    const cache = openGpuDiskCache(folder)
    await client({ cache }).rim(ID)
    const services = { ...server.services, rim: `${server.services.rim}/other` }
    expect((await failure(client({ cache, services }).rim(ID))).code).toBe('collateral_not_found')
  })

  test('nothing, where that was asked for', async () => {
    const shared = client({ cache: null })
    await shared.rim(ID)
    expect((await shared.rim(ID)).from).toBe('network')
  })

  test('on disk, for other processes, beside what Intel signs', async () => {
    await client({ cache: openGpuDiskCache(folder) }).rim(ID)
    await client({ cache: openGpuDiskCache(folder) }).ocsp(ASKED)
    server.act = (_asked, response) => void response.writeHead(500).end()
    const second = client({ cache: openGpuDiskCache(folder) })
    expect((await second.rim(ID)).from).toBe('cache')
    expect((await second.ocsp(ASKED)).from).toBe('cache')
    const names = await readdir(folder)
    expect(names.toSorted()).toEqual([
      expect.stringMatching(/^ocsp-[0-9a-f]{64}\.json$/),
      `rim-${ID}.json`,
    ])
    expect(await openDiskCache(folder).list()).toEqual([])
  })

  test('a file that was cut, changed or renamed is fetched anew', async () => {
    const path = join(folder, `rim-${ID}.json`)
    await client({ cache: openGpuDiskCache(folder) }).rim(ID)
    const text = await readFile(path, 'utf8')
    const other = 'NV_GPU_DRIVER_GH100_570.1'
    await writeFile(join(folder, `rim-${other}.json`), text)
    server.rims.set(other, OTHER)
    const renamed = await client({ cache: openGpuDiskCache(folder) }).rim(other)
    expect(renamed.from).toBe('network')
    for (const bad of [
      text.slice(0, 100),
      '',
      text.replace('"fetched_at":1', '"fetched_at":2'),
      text.replace(RIM.toString('base64'), OTHER.toString('base64')),
      text.replace('"form"', '"more":1,"form"'),
    ]) {
      await writeFile(path, bad)
      const fetched = await client({ cache: openGpuDiskCache(folder) }).rim(ID)
      expect(fetched.from).toBe('network')
      expect(Buffer.from(fetched.bytes)).toEqual(RIM)
    }
  })

  test('a folder that cannot be written costs a fetch and says so', async () => {
    const file = join(folder, 'file')
    await writeFile(file, '')
    const fetched = await client({ cache: openGpuDiskCache(file) }).rim(ID)
    expect(fetched.from).toBe('network')
    expect(fetched.notKept).toMatch(/^E[A-Z]+$/)
  })
})

describe('many at once', () => {
  test('share one request for one file, and no more than a few run at a time', async () => {
    let open = 0
    let most = 0
    const ids = Array.from({ length: 20 }, (_, index) => `NV_TEST_${index}`)
    for (const id of ids) server.rims.set(id, RIM)
    server.act = ({ path }, response) => {
      open++
      most = Math.max(most, open)
      setTimeout(() => {
        open--
        const id = path.split('/').at(-1) ?? ''
        sendJson(response, JSON.stringify(rimAnswer(id, RIM)))
      }, 10)
      return true
    }
    const shared = client()
    await Promise.all([...ids, ...ids].map((id) => shared.rim(id)))
    expect(server.requests).toHaveLength(20)
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(MAX_GPU_REQUESTS)
  })
})

test('services are named by https URLs without secrets in them', () => {
  expect(parseServiceUrl('https://rim.example/base/')).toBe('https://rim.example/base')
  for (const text of [
    'http://ocsp.ndis.nvidia.com',
    'https://user:pass@rim.example',
    'https://rim.example/?a=b',
    'https://rim.example/#a',
    'file:///etc/passwd',
    'rim.example',
  ]) {
    expect(parseServiceUrl(text)).toBeNull()
  }
})
