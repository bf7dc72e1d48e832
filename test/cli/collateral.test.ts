import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { makeQuote } from '../../attestation/simulator/intel/make-quote.ts'
import { collateralFetch, collateralShow } from '../../src/cli/collateral.ts'
import { defaultCacheFolder, obtainCollateral } from '../../src/cli/obtain-collateral.ts'
import { readQuote } from '../../src/cli/read-quote.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { tcbStatus } from '../../src/cli/tcb-status.ts'
import type { TcbStatusOptions } from '../../src/cli/tcb-status.ts'
import {
  fixtureBytes,
  fixtureCollateral,
  hasFixtures,
  startIntelServer,
} from '../collateral/intel-server.helpers.ts'
import type { IntelServer } from '../collateral/intel-server.helpers.ts'

const pki = createIntelPki({ now: new Date() })
const zero = new Uint8Array(48)
const quote = makeQuote({
  pki,
  reportData: new Uint8Array(64),
  mrTd: zero,
  rtmrs: [zero, zero, zero, zero],
})

let server: IntelServer
let folder = ''
let dir = ''
let file = ''
let service = { pccs: '', tlsCa: '', proxy: 'none' }

beforeAll(async () => {
  server = await startIntelServer(pki.collateral)
  folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  dir = join(folder, 'cache')
  file = await save('quote.bin', quote)
  const tlsCa = await save('ca.pem', server.tlsCa)
  service = { pccs: server.pccs.api, tlsCa, proxy: 'none' }
})
afterEach(async () => {
  server.serve = () => pki.collateral
  server.requests.length = 0
  await rm(dir, { recursive: true, force: true })
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

async function save(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function run(command: () => Promise<number>): Promise<Ran> {
  const text = { out: '', err: '' }
  const spies = (['out', 'err'] as const).map((name) =>
    vi.spyOn(process[name === 'out' ? 'stdout' : 'stderr'], 'write').mockImplementation((chunk) => {
      text[name] += String(chunk)
      return true
    }),
  )
  try {
    return { code: await command(), ...text }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

async function refusal(command: () => Promise<unknown>): Promise<string> {
  try {
    await command()
  } catch (error) {
    if (error instanceof Refusal) return error.message
    throw error
  }
  throw new Error('it was not refused')
}

describe('countersign collateral', () => {
  test('fetch keeps both channels, show tells what is there without asking anybody', async () => {
    const fetched = await run(() => collateralFetch(file, { ...service, dir }))
    expect(fetched).toMatchObject({ code: 0, err: '' })
    expect(fetched.out).toMatch(/^53494d000000 platform standard: evaluation 18, .*, current$/m)
    expect(fetched.out).toMatch(/^53494d000000 platform early: evaluation 18, .*, current$/m)
    expect(await readdir(dir)).toHaveLength(2)
    server.requests.length = 0
    const shown = await run(() => collateralShow(dir, {}))
    expect(shown).toMatchObject({ code: 0, err: '' })
    expect(shown.out.split('\n').toSorted()).toEqual(fetched.out.split('\n').toSorted())
    const json: unknown = JSON.parse((await run(() => collateralShow(dir, { json: true }))).out)
    expect(json).toMatchObject({ sets: [{ channel: 'early' }, { channel: 'standard' }] })
    expect(server.requests).toEqual([])
  })

  test('fetch asks the service even where the cache has it, for one channel if so told', async () => {
    const fetch = () =>
      run(() =>
        collateralFetch(undefined, { ...service, dir, fmspc: '53494D000000', channel: 'early' }),
      )
    await fetch()
    await fetch()
    expect(server.requests).toHaveLength(8)
    expect(await readdir(dir)).toEqual(['53494d000000-platform-early.json'])
  })

  test('fetch fails where the service does not have it, in one sentence with a stable code', async () => {
    server.serve = () => null
    const message = await refusal(() => collateralFetch(file, { ...service, dir }))
    expect(message).toContain('collateral_not_found')
    server.serve = () => pki.collateral
    await run(() => collateralFetch(file, { ...service, dir }))
    server.serve = () => null
    const kept = await run(() => collateralFetch(file, { ...service, dir }))
    expect(kept.code).toBe(1)
    expect(kept.err).toContain('does not have it')
  })

  test('fetch says when it could not keep what it got', async () => {
    const blocked = await save('blocked', 'a file')
    const ran = await run(() => collateralFetch(file, { ...service, dir: blocked }))
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('EEXIST')
  })

  test('show tells of a file that is not whole', async () => {
    await run(() => collateralFetch(file, { ...service, dir }))
    await truncate(join(dir, '53494d000000-platform-early.json'), 100)
    const shown = await run(() => collateralShow(dir, {}))
    expect(shown.code).toBe(30)
    expect(shown.err).toContain('53494d000000 platform early: not whole')
    expect(shown.out).toContain('standard')
  })

  test('show reads one set in a file, and an empty folder', async () => {
    const one = await save('one.json', JSON.stringify(pki.collateral))
    expect((await run(() => collateralShow(one, {}))).out).toMatch(/^53494d000000: evaluation 18/)
    expect(await run(() => collateralShow(folder, {}))).toMatchObject({ code: 0, out: '' })
    const bad = await save('bad.json', '{}')
    expect(await refusal(() => collateralShow(bad, {}))).toContain('bad.json')
    expect(await refusal(() => collateralShow(join(folder, 'absent'), {}))).toContain('absent')
  })

  test.each([
    [{ fmspc: 'xyz' }, '--fmspc'],
    [{}, '--fmspc'],
    [{ fmspc: '53494d000000', ca: 'root' }, '--ca'],
    [{ fmspc: '53494d000000', channel: 'late' }, '--channel'],
    [{ fmspc: '53494d000000', pccs: 'http://plain.example' }, '--pccs'],
    [{ fmspc: '53494d000000', proxy: 'socks5://x' }, '--proxy'],
    [{ fmspc: '53494d000000', tlsCa: '/absent' }, '/absent'],
  ])('wrong use is refused: %j', async (options, word) => {
    expect(
      await refusal(() => collateralFetch(undefined, { ...service, dir, ...options })),
    ).toContain(word)
    expect(server.requests).toEqual([])
  })

  test('a file and --fmspc at once are refused', async () => {
    expect(
      await refusal(() => collateralFetch(file, { ...service, fmspc: '53494d000000' })),
    ).toContain('--fmspc')
  })

  test('the cache lies where the XDG specification says', () => {
    expect(defaultCacheFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/countersign/collateral')
    expect(defaultCacheFolder({ XDG_CACHE_HOME: 'relative' })).toMatch(
      /\/\.cache\/countersign\/collateral$/,
    )
    expect(defaultCacheFolder({})).toMatch(/\/\.cache\/countersign\/collateral$/)
  })
})

describe('collateral for countersign verify', () => {
  test('nobody is asked unless --fetch-collateral says so', async () => {
    expect(await obtainCollateral(quote, { ...service }, null)).toBeNull()
    expect(server.requests).toEqual([])
    expect(
      await obtainCollateral(quote, { ...service, collateral: dir, fetchCollateral: true }, null),
    ).toEqual(pki.collateral)
    expect(server.requests).toHaveLength(4)
  })

  test('a folder that was fetched before serves offline, expired or not', async () => {
    await run(() => collateralFetch(file, { ...service, dir }))
    server.requests.length = 0
    expect(await obtainCollateral(quote, { collateral: dir }, null)).toEqual(pki.collateral)
    expect(await obtainCollateral(quote, { collateral: dir, channel: 'early' }, 1)).toEqual(
      pki.collateral,
    )
    expect(server.requests).toEqual([])
  })

  test('a folder without it, a broken file in it and a quote without a platform are refused', async () => {
    expect(await refusal(() => obtainCollateral(quote, { collateral: folder }, null))).toContain(
      '53494d000000',
    )
    await run(() => collateralFetch(file, { ...service, dir }))
    await truncate(join(dir, '53494d000000-platform-standard.json'), 100)
    expect(await refusal(() => obtainCollateral(quote, { collateral: dir }, null))).toContain(
      'whole',
    )
    const noQuote = new Uint8Array(10)
    expect(await refusal(() => obtainCollateral(noQuote, { collateral: dir }, null))).toContain(
      'header',
    )
  })

  test('a file gives its set, and cannot be fetched into', async () => {
    const one = await save('one.json', JSON.stringify(pki.collateral))
    expect(await obtainCollateral(quote, { collateral: one }, null)).toEqual(pki.collateral)
    expect(
      await refusal(() =>
        obtainCollateral(quote, { ...service, collateral: one, fetchCollateral: true }, null),
      ),
    ).toContain('folder')
  })

  test('collateral older than the policy allows is fetched anew, not taken from the cache', async () => {
    const options = { ...service, collateral: dir, fetchCollateral: true }
    await obtainCollateral(quote, options, null)
    await obtainCollateral(quote, options, null)
    expect(server.requests).toHaveLength(4)
    // The simulator's is one hour old.
    await obtainCollateral(quote, options, 60)
    expect(server.requests).toHaveLength(8)
  })
})

describe('where a quote is found', () => {
  const hex = Buffer.from(quote).toString('hex')
  test.each<readonly [string, string | Uint8Array]>([
    ['bytes', quote],
    ['hex', hex],
    ['hex with 0x and a line end', `0x${hex.toUpperCase()}\n`],
    ['a dstack report', JSON.stringify({ quote: hex, event_log: '[]' })],
    ['a vllm-proxy report', JSON.stringify({ intel_quote: hex })],
  ])('in %s', async (_what, content) => {
    expect(await readQuote(await save('any', content))).toEqual(new Uint8Array(quote))
  })

  test.each([
    ['no quote', '{}'],
    ['two', JSON.stringify({ quote: hex, intel_quote: hex })],
    ['something else there', JSON.stringify({ quote: 'zz' })],
  ])('not in a report with %s', async (_what, content) => {
    const path = await save('any', content)
    expect(await refusal(() => readQuote(path))).toContain('holds no quote')
  })
})

describe('countersign tcb-status', () => {
  const status = (options: TcbStatusOptions = {}) =>
    run(() => tcbStatus(file, { ...service, collateral: dir, allowSimulated: true, ...options }))
  const fill = async (early: DcapCollateral): Promise<void> => {
    server.serve = (_fmspc, channel) => (channel === 'early' ? early : pki.collateral)
    await run(() => collateralFetch(file, { ...service, dir }))
  }

  test('an up-to-date platform: both channels, nothing short, and until when', async () => {
    await fill(pki.collateral)
    const { code, out } = await status()
    expect(code).toBe(0)
    expect(out).toContain('standard: The policy accepts the state of the platform as a SIMULATION.')
    expect(out).toContain('no version number is short')
    expect(out).toMatch(
      /By the standard channel UpToDate until \d{4}-.*Z; the early channel says the same\.\n$/,
    )
  })

  test('without --allow-simulated a simulated platform has no status, and nobody is asked for one', async () => {
    const { collateral: _, ...asking } = { ...service, collateral: dir }
    const error: unknown = await tcbStatus(file, asking).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ name: 'Refusal', exit: 10 })
    expect(String(error)).toContain('SIMULATION')
    expect(server.requests).toEqual([])
  })

  test.each(['standard', 'early'] as const)(
    'a folder with the %s channel alone is judged by that, and the last line says so',
    async (channel) => {
      await run(() => collateralFetch(file, { ...service, dir, channel }))
      const { code, out } = await status()
      expect(code).toBe(0)
      const other = channel === 'standard' ? 'early' : 'standard'
      expect(out).toMatch(
        new RegExp(`By the ${channel} channel UpToDate .* none of the ${other} channel`),
      )
    },
  )

  test('a folder with neither channel gives no status', async () => {
    expect(
      await refusal(() => tcbStatus(file, { collateral: folder, allowSimulated: true })),
    ).toContain('collateral fetch')
  })

  test.skipIf(!hasFixtures)(
    '--allow-simulated does not make a simulation of real hardware',
    async () => {
      const collateral = fixtureCollateral('v5-td15-outdated.collateral.json')
      const one = await save('real.json', JSON.stringify(collateral))
      const real = await save('real.bin', fixtureBytes('v5-td15.quote.bin'))
      const { code, out } = await run(() =>
        tcbStatus(real, { collateral: one, at: '1772600000', allowSimulated: true }),
      )
      expect(out).toContain('The policy accepts the state of the platform at the time given.')
      expect(out).not.toContain('SIMULATION')
      expect(code).toBe(0)
    },
  )

  test('without a folder the service is asked', async () => {
    const before = process.env['XDG_CACHE_HOME']
    process.env['XDG_CACHE_HOME'] = folder
    try {
      const { collateral: _, ...rest } = { ...service, collateral: dir }
      const { code, out } = await run(() =>
        tcbStatus(file, { ...rest, allowSimulated: true, json: true }),
      )
      expect(code).toBe(0)
      expect(server.requests).toHaveLength(6)
      expect(JSON.parse(out)).toMatchObject({
        channels: [
          { channel: 'standard', verdict: 'accepted', tcb: { status: 'UpToDate' }, shortfalls: [] },
          { channel: 'early', verdict: 'accepted' },
        ],
      })
      expect(await readdir(join(folder, 'countersign', 'collateral'))).toHaveLength(2)
    } finally {
      if (before === undefined) delete process.env['XDG_CACHE_HOME']
      else process.env['XDG_CACHE_HOME'] = before
    }
  })

  test('one set from a file is judged alone', async () => {
    const one = await save('one.json', JSON.stringify(pki.collateral))
    const { code, out } = await status({ collateral: one })
    expect(code).toBe(0)
    expect(out).toMatch(/By the collateral given UpToDate until .*Z\.\n$/)
  })

  test.skipIf(!hasFixtures)(
    'a real platform below all levels: which numbers, by how much',
    async () => {
      const one = await save(
        'real.json',
        JSON.stringify(fixtureCollateral('v5-td15-outdated.collateral.json')),
      )
      const real = await save('real.bin', fixtureBytes('v5-td15-outdated.quote.bin'))
      const { code, out } = await run(() => tcbStatus(real, { collateral: one, at: '1772600000' }))
      expect(code).toBe(10)
      // By `openssl asn1parse` of the PCK certificate and the first level of the TCB info.
      expect(out.match(/.*short by.*/g)).toEqual(['  SGX TCB component 8 3, 5 wanted (short by 2)'])
    },
  )
})
