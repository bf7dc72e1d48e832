import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CollateralError } from '../../attestation/collateral/collateral-error.ts'
import type { CollateralErrorCode } from '../../attestation/collateral/collateral-error.ts'
import { createCollateralClient } from '../../attestation/collateral/collateral-client.ts'
import type { CollateralClientOptions } from '../../attestation/collateral/collateral-client.ts'
import {
  collateralUrls,
  INTEL_PCS,
  parsePccsUrl,
} from '../../attestation/collateral/collateral-service.ts'
import type { CollateralRequest } from '../../attestation/collateral/collateral-service.ts'
import { MAX_SIGNED_JSON_BYTES } from '../../attestation/collateral/limits.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { SWITCHED } from '../harness/hostile-answers.ts'
import { answer, startIntelServer, startProxy } from './intel-server.helpers.ts'
import type { IntelServer, Intercept, Route } from './intel-server.helpers.ts'
import { FAST, PATIENT } from './timing.helpers.ts'

const NOW = new Date('2026-11-26T12:00:00Z')
const collateral = createIntelPki({ now: NOW }).collateral
const REQUEST: CollateralRequest = { fmspc: '53494d000000', ca: 'platform', channel: 'standard' }

let server: IntelServer
beforeAll(async () => {
  server = await startIntelServer(collateral)
})
afterEach(() => {
  server.intercept = null
  server.serve = () => collateral
  server.requests.length = 0
})
afterAll(() => server.close())

const options = (more: CollateralClientOptions = {}): CollateralClientOptions => ({
  service: server.pcs,
  now: () => NOW.getTime() / 1000,
  ...more,
  transport: { tlsCa: server.tlsCa, proxy: null, timing: PATIENT, ...more.transport },
})
const client = (more?: CollateralClientOptions) => createCollateralClient(options(more))

async function failure(promise: Promise<unknown>): Promise<CollateralError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof CollateralError)) throw error
  return error
}

/** Answers one route in another way. */
const on =
  (
    wanted: Route,
    act: (response: Parameters<Intercept>[2], count: number) => boolean | void,
  ): Intercept =>
  (route, _request, response) => {
    if (route !== wanted) return false
    const count = server.requests.filter((path) => path.includes('/tcb?')).length
    return act(response, count) ?? true
  }

describe('a sound service', () => {
  test('the four documents come together byte for byte, each asked for once, all at the same time', async () => {
    let open = 0
    let most = 0
    server.intercept = (route, _request, response) => {
      open++
      most = Math.max(most, open)
      setTimeout(() => {
        open--
        answer(route, collateral, response)
      }, 50)
      return true
    }
    const fetched = await client().get(REQUEST)
    expect(fetched).toMatchObject({ from: 'network', notKept: null, failure: null })
    expect(fetched.collateral).toEqual(collateral)
    expect(server.requests.toSorted()).toEqual([
      '/IntelSGXRootCA.der',
      '/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      '/tdx/certification/v4/qe/identity?update=standard',
      '/tdx/certification/v4/tcb?fmspc=53494d000000&update=standard',
    ])
    expect(most).toBe(4)
  })

  test('a PCCS gives the same, its root list in hex from a route of its own', async () => {
    const fetched = await client({ service: server.pccs }).get({ ...REQUEST, ca: 'processor' })
    expect(fetched.collateral).toEqual(collateral)
    expect(server.requests).toContain('/sgx/certification/v4/rootcacrl')
    expect(server.requests).toContain('/sgx/certification/v4/pckcrl?ca=processor&encoding=der')
    expect(server.requests).not.toContain('/IntelSGXRootCA.der')
  })

  test('the early channel is asked for by name, and both channels at once share the lists', async () => {
    const both = client()
    await Promise.all([both.get(REQUEST), both.get({ ...REQUEST, channel: 'early' })])
    expect(server.requests.toSorted()).toEqual([
      '/IntelSGXRootCA.der',
      '/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      '/tdx/certification/v4/qe/identity?update=early',
      '/tdx/certification/v4/qe/identity?update=standard',
      '/tdx/certification/v4/tcb?fmspc=53494d000000&update=early',
      '/tdx/certification/v4/tcb?fmspc=53494d000000&update=standard',
    ])
  })

  test('who asks while the answer is on its way gets that answer; who asks later asks anew', async () => {
    const shared = client()
    const [first, second] = await Promise.all([shared.get(REQUEST), shared.get({ ...REQUEST })])
    expect(second).toBe(first)
    expect(server.requests).toHaveLength(4)
    await shared.get(REQUEST)
    expect(server.requests).toHaveLength(8)
  })

  test('signed text is taken as it stands: order, spacing and escapes stay', async () => {
    const text = collateral.tcb_info
      .replace('{"id":"TDX",', '{ "odd" : "}\\"\\u007d{", "n":1.0e0,\n"id" :\t"TDX",')
      .replace('"pceId"', '"pce\\u0049d"')
    expect(text).not.toBe(JSON.stringify(JSON.parse(text)))
    server.serve = () => ({ ...collateral, tcb_info: text })
    const plain = await client().get(REQUEST)
    expect(plain.collateral.tcb_info).toBe(text)
    server.intercept = on('tcbInfo', (response) => {
      response.setHeader('content-type', 'application/json')
      response.setHeader(
        'TCB-Info-Issuer-Chain',
        encodeURIComponent(collateral.tcb_info_issuer_chain),
      )
      response.end(
        `\n{ "signature" : "${collateral.tcb_info_signature.toUpperCase()}" , "tcb\\u0049nfo" :  ${text} \n}\n`,
      )
    })
    const spaced = await client().get(REQUEST)
    expect(spaced.collateral.tcb_info).toBe(text)
    expect(spaced.collateral.tcb_info_signature).toBe(collateral.tcb_info_signature)
  })

  test('an issuer chain under the header of version 3 is taken, two that differ are not', async () => {
    const other = createIntelPki({ now: NOW }).collateral.tcb_info_issuer_chain
    const serve = (old: string, both: boolean): Intercept =>
      on('tcbInfo', (response) => {
        response.setHeader('SGX-TCB-Info-Issuer-Chain', encodeURIComponent(old))
        if (both) return false
        response.setHeader('content-type', 'application/json')
        response.end(
          `{"tcbInfo":${collateral.tcb_info},"signature":"${collateral.tcb_info_signature}"}`,
        )
        return true
      })
    server.intercept = serve(collateral.tcb_info_issuer_chain, false)
    expect((await client().get(REQUEST)).collateral).toEqual(collateral)
    server.intercept = serve(collateral.tcb_info_issuer_chain, true)
    expect((await client().get(REQUEST)).collateral).toEqual(collateral)
    server.intercept = serve(other, true)
    expect((await failure(client().get(REQUEST))).code).toBe('collateral_malformed')
  })
})

describe('a service that does not give it', () => {
  test.each<readonly [number, CollateralErrorCode, number]>([
    [404, 'collateral_not_found', 1],
    [410, 'collateral_not_found', 1],
    [400, 'collateral_refused', 1],
    [401, 'collateral_refused', 1],
    [204, 'collateral_refused', 1],
    [500, 'collateral_refused', 3],
    [502, 'collateral_refused', 3],
    [503, 'collateral_busy', 3],
    [429, 'collateral_busy', 3],
  ])('HTTP %i is %s after %i attempts', async (status, code, attempts) => {
    server.intercept = on('tcbInfo', (response) => void response.writeHead(status).end())
    const error = await failure(client().get(REQUEST))
    expect(error.code).toBe(code)
    expect(error.message).toContain('TCB info')
    expect(server.requests.filter((path) => path.includes('/tcb?'))).toHaveLength(attempts)
  })

  test.each([429, 503])(
    'HTTP %i with Retry-After is waited for as long as it says',
    async (status) => {
      const times: number[] = []
      server.intercept = on('tcbInfo', (response, count) => {
        times.push(performance.now())
        if (count > 1) return false
        response.writeHead(status, { 'retry-after': '1' }).end()
        return true
      })
      expect((await client().get(REQUEST)).collateral).toEqual(collateral)
      expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990)
    },
  )

  test('a Retry-After in the form of a date counts too', async () => {
    const times: number[] = []
    server.intercept = on('tcbInfo', (response, count) => {
      times.push(performance.now())
      if (count > 1) return false
      // Dates have whole seconds: between one and two from now.
      const at = new Date(Date.now() + 1_400).toUTCString()
      response.writeHead(503, { 'retry-after': at }).end()
      return true
    })
    expect((await client().get(REQUEST)).collateral).toEqual(collateral)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(380)
  })

  test('a Retry-After that nobody would wait for ends it at once', async () => {
    server.intercept = on(
      'tcbInfo',
      (response) => void response.writeHead(429, { 'retry-after': '86400' }).end(),
    )
    const start = performance.now()
    expect((await failure(client().get(REQUEST))).code).toBe('collateral_busy')
    expect(performance.now() - start).toBeLessThan(1_000)
    expect(server.requests.filter((path) => path.includes('/tcb?'))).toHaveLength(1)
  })

  test('one passing fault is got over', async () => {
    server.intercept = on('tcbInfo', (response, count) => {
      if (count > 2) return false
      if (count === 2) response.writeHead(500).end()
      else response.destroy()
      return true
    })
    expect((await client().get(REQUEST)).collateral).toEqual(collateral)
  })

  test.each([301, 302, 303, 307, 308])(
    'a redirect (HTTP %i) is not followed, not even to itself',
    async (status) => {
      const elsewhere = await startIntelServer(collateral)
      server.intercept = on(
        'rootCrl',
        (response) =>
          void response
            .writeHead(status, { location: `${elsewhere.pcs.api}/IntelSGXRootCA.der` })
            .end(),
      )
      const error = await failure(
        client({ transport: { tlsCa: server.tlsCa + elsewhere.tlsCa } }).get(REQUEST),
      )
      expect(error.code).toBe('collateral_redirect')
      expect(elsewhere.requests).toEqual([])
      await elsewhere.close()
    },
  )
})

describe('a service that answers badly', () => {
  test('that switches the protocol is an error at once, not a wait', async () => {
    server.intercept = on('tcbInfo', (response) => {
      response.socket?.end(SWITCHED)
    })
    const began = performance.now()
    expect((await failure(client().get(REQUEST))).code).toBe('collateral_unreachable')
    expect(performance.now() - began).toBeLessThan(PATIENT.attemptMs)
  })

  test('one that says nothing is given up after its attempts', async () => {
    server.intercept = on('tcbInfo', () => true)
    const start = performance.now()
    expect((await failure(client({ transport: { timing: FAST } }).get(REQUEST))).code).toBe(
      'collateral_timeout',
    )
    expect(performance.now() - start).toBeLessThan(FAST.documentMs + 500)
    expect(server.requests.filter((path) => path.includes('/tcb?'))).toHaveLength(3)
  })

  test('one that drips byte after byte is no faster', async () => {
    const timers: NodeJS.Timeout[] = []
    server.intercept = on('tcbInfo', (response) => {
      response.setHeader('content-type', 'application/json')
      timers.push(setInterval(() => response.write(' '), 20))
      return true
    })
    expect((await failure(client({ transport: { timing: FAST } }).get(REQUEST))).code).toBe(
      'collateral_timeout',
    )
    for (const timer of timers) clearInterval(timer)
  })

  test.each(['tcbInfo', 'qeIdentity', 'pckCrl', 'rootCrl'] as const)(
    'a connection cut in the middle of %s is no answer',
    async (route) => {
      server.intercept = on(route, (response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '5000' })
        response.write('{"tcbInfo":', () => response.destroy())
        return true
      })
      expect((await failure(client().get(REQUEST))).code).toBe('collateral_unreachable')
    },
  )

  test('an announced length beyond the limit, and one that nobody announced', async () => {
    server.intercept = on('tcbInfo', (response) => {
      response.setHeader('content-type', 'application/json')
      response.end(Buffer.alloc(MAX_SIGNED_JSON_BYTES + 1, 0x20))
      return true
    })
    expect((await failure(client().get(REQUEST))).code).toBe('collateral_too_large')
    let sent = 0
    server.intercept = on('tcbInfo', (response) => {
      response.setHeader('content-type', 'application/json')
      const more = (): void => {
        if (response.destroyed) return
        sent += 65_536
        response.write(Buffer.alloc(65_536, 0x20), more)
      }
      more()
      return true
    })
    expect((await failure(client().get(REQUEST))).code).toBe('collateral_too_large')
    expect(sent).toBeLessThan(64 * MAX_SIGNED_JSON_BYTES)
  })

  test('headers beyond the limit', async () => {
    server.intercept = on('tcbInfo', (response) => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'x-filler': 'x'.repeat(40_000),
      })
      response.end('{}')
      return true
    })
    expect((await failure(client().get(REQUEST))).code).toBe('collateral_too_large')
  })

  test.each(['text/html', 'text/plain', ''])('TCB info as %j is refused', async (type) => {
    server.intercept = on('tcbInfo', (response) => {
      if (type !== '') response.setHeader('content-type', type)
      response.end(
        `{"tcbInfo":${collateral.tcb_info},"signature":"${collateral.tcb_info_signature}"}`,
      )
      return true
    })
    expect((await failure(client().get(REQUEST))).message).toContain('content type')
  })

  test('when one document cannot be had the others are not waited for, unless somebody else waits', async () => {
    const own = await startIntelServer(collateral)
    const closed: string[] = []
    own.intercept = (route, { url = '' }, response) => {
      if (route === 'pckCrl') return false
      response.on('close', () => closed.push(url))
      const early = url.includes('early')
      if (route === 'tcbInfo' && early) setTimeout(() => response.writeHead(404).end(), 50)
      else if (!early) setTimeout(() => answer(route, collateral, response), 300)
      return true
    }
    const shared = client({ service: own.pcs, transport: { tlsCa: own.tlsCa } })
    const standard = shared.get(REQUEST)
    const early = failure(shared.get({ ...REQUEST, channel: 'early' }))
    expect((await early).code).toBe('collateral_not_found')
    await expect.poll(() => closed).toHaveLength(2)
    expect(closed.every((url) => url.includes('early'))).toBe(true)
    expect((await standard).collateral).toEqual(collateral)
    await own.close()
  })

  test('a compressed answer is refused unread', async () => {
    server.intercept = on('tcbInfo', (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      response.end(Buffer.alloc(100))
      return true
    })
    expect((await failure(client().get(REQUEST))).message).toContain('encoded')
  })

  test.each<readonly [string, string | null]>([
    ['is missing', null],
    ['is not URL-encoded', '%zz'],
    ['is no PEM', 'hello'],
    [
      'has one certificate',
      encodeURIComponent(
        collateral.tcb_info_issuer_chain.slice(
          0,
          collateral.tcb_info_issuer_chain.indexOf('-----END') + 26,
        ),
      ),
    ],
    [
      'has three',
      encodeURIComponent(
        collateral.tcb_info_issuer_chain +
          collateral.tcb_info_issuer_chain.slice(
            0,
            collateral.tcb_info_issuer_chain.indexOf('-----END') + 26,
          ),
      ),
    ],
    ['is too long', 'A'.repeat(17_000)],
  ])('an issuer chain that %s', async (_what, value) => {
    server.intercept = on('tcbInfo', (response) => {
      response.setHeader('content-type', 'application/json')
      if (value !== null) response.setHeader('TCB-Info-Issuer-Chain', value)
      response.end(
        `{"tcbInfo":${collateral.tcb_info},"signature":"${collateral.tcb_info_signature}"}`,
      )
      return true
    })
    const error = await failure(client().get(REQUEST))
    expect(error.code).toBe('collateral_malformed')
    expect(error.message).not.toContain('hello')
  })

  const { tcb_info: info, tcb_info_signature: signature } = collateral
  test.each<readonly [string, string]>([
    ['no JSON', 'not json'],
    ['an array', '[]'],
    ['no tcbInfo', `{"signature":"${signature}"}`],
    ['tcbInfo as a string', `{"tcbInfo":"${'00'}","signature":"${signature}"}`],
    ['two tcbInfo', `{"tcbInfo":${info},"tcbInfo":${info},"signature":"${signature}"}`],
    ['no signature', `{"tcbInfo":${info}}`],
    ['a short signature', `{"tcbInfo":${info},"signature":"${signature.slice(2)}"}`],
    ['a further member', `{"tcbInfo":${info},"signature":"${signature}","url":"https://x"}`],
    ['bytes that are no UTF-8', `{"tcbInfo":{"a":"\xff"},"signature":"${signature}"}`],
    ['no dates', `{"tcbInfo":{"fmspc":"53494d000000"},"signature":"${signature}"}`],
    [
      'another platform',
      `{"tcbInfo":${info.replace('53494D000000', '000000000000')},"signature":"${signature}"}`,
    ],
  ])('TCB info with %s', async (_what, body) => {
    server.intercept = on('tcbInfo', (response) => {
      response.setHeader('content-type', 'application/json')
      response.setHeader(
        'TCB-Info-Issuer-Chain',
        encodeURIComponent(collateral.tcb_info_issuer_chain),
      )
      response.end(Buffer.from(body, 'latin1'))
      return true
    })
    expect((await failure(client().get(REQUEST))).code).toBe('collateral_malformed')
  })

  test.each<readonly [string, string | Uint8Array]>([
    ['nothing', ''],
    ['text', 'Service Unavailable'],
    ['half of it', Buffer.from(collateral.root_ca_crl, 'hex').subarray(0, 100)],
    ['something behind it', Buffer.from(`${collateral.root_ca_crl}00`, 'hex')],
    ['half of its hex', collateral.root_ca_crl.slice(0, 101)],
  ])('a revocation list that is %s', async (_what, body) => {
    server.intercept = on('rootCrl', (response) => {
      response.setHeader('content-type', 'application/pkix-crl')
      response.end(body)
      return true
    })
    expect((await failure(client().get(REQUEST))).code).toBe('collateral_malformed')
  })
})

describe('the way to the service', () => {
  test('a server under an unknown CA is refused, whatever the environment says', async () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      const error = await failure(
        createCollateralClient({
          service: server.pcs,
          transport: { proxy: null, timing: FAST },
        }).get(REQUEST),
      )
      expect(error.code).toBe('collateral_untrusted_tls')
      expect(server.requests).toEqual([])
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
    }
  })

  test('a server whose certificate names another host is refused', async () => {
    const api = `https://localhost:${server.port}`
    const error = await failure(client({ service: { kind: 'pccs', api } }).get(REQUEST))
    expect(error.code).toBe('collateral_untrusted_tls')
  })

  test('a service that is down is unreachable', async () => {
    const gone = await startIntelServer(collateral)
    await gone.close()
    expect((await failure(client({ service: gone.pcs }).get(REQUEST))).code).toBe(
      'collateral_unreachable',
    )
  })

  test('through a proxy that is named, with its credentials, TLS still ends at the service', async () => {
    const proxy = await startProxy()
    const named = new URL(proxy.url)
    named.username = 'user'
    named.password = 'p@ss'
    const fetched = await client({ transport: { proxy: named } }).get(REQUEST)
    expect(fetched.collateral).toEqual(collateral)
    expect(proxy.tunnels).toHaveLength(4)
    expect(proxy.tunnels[0]).toEqual({
      target: `127.0.0.1:${server.port}`,
      authorization: `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
    })
    const untrusted = createCollateralClient({
      service: server.pcs,
      transport: { proxy: proxy.url, timing: FAST },
    })
    expect((await failure(untrusted.get(REQUEST))).code).toBe('collateral_untrusted_tls')
    await proxy.close()
  })

  test('through the proxy of the environment, unless there is to be none', async () => {
    const proxy = await startProxy()
    const before = { ...process.env }
    process.env['HTTPS_PROXY'] = proxy.url.href
    delete process.env['NO_PROXY']
    delete process.env['no_proxy']
    delete process.env['https_proxy']
    try {
      await client({ transport: { proxy: 'environment' } }).get(REQUEST)
      expect(proxy.tunnels).toHaveLength(4)
      await client().get(REQUEST)
      expect(proxy.tunnels).toHaveLength(4)
      process.env['NO_PROXY'] = '127.0.0.1'
      await client({ transport: { proxy: 'environment' } }).get(REQUEST)
      expect(proxy.tunnels).toHaveLength(4)
    } finally {
      process.env = before
      await proxy.close()
    }
  })

  test('whoever waits can leave', async () => {
    server.intercept = () => true
    const controller = new AbortController()
    const waiting = client({ signal: controller.signal }).get(REQUEST)
    setTimeout(() => controller.abort(new Error('left')), 50)
    await expect(waiting).rejects.toThrow('left')
  })
})

describe('the URLs', () => {
  test("are Intel's, and the root list's is a constant", () => {
    expect(collateralUrls(INTEL_PCS, REQUEST)).toEqual({
      rootCrl: 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
      pckCrl:
        'https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      tcbInfo:
        'https://api.trustedservices.intel.com/tdx/certification/v4/tcb?fmspc=53494d000000&update=standard',
      qeIdentity:
        'https://api.trustedservices.intel.com/tdx/certification/v4/qe/identity?update=standard',
    })
  })

  test.each(['', '53494D000000', '53494d00000', '53494d000000&x=1', '../../evil/tcb'])(
    'no FMSPC but 12 lower-case digits gets into one: %j',
    (fmspc) => {
      expect(() => collateralUrls(INTEL_PCS, { ...REQUEST, fmspc })).toThrow(TypeError)
    },
  )

  test.each([
    ['https://pccs.example', 'https://pccs.example'],
    ['https://pccs.example:8081/', 'https://pccs.example:8081'],
    ['https://cache.example/intel//', 'https://cache.example/intel'],
  ])('a PCCS at %s', (text, api) => {
    expect(parsePccsUrl(text)).toEqual({ kind: 'pccs', api })
  })

  test.each([
    '',
    'pccs.example',
    'http://pccs.example',
    'https://u:p@pccs.example',
    'https://pccs.example?x',
    'file:///etc',
  ])('no PCCS at %j', (text) => {
    expect(parsePccsUrl(text)).toBeNull()
  })
})
