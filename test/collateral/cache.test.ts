import { appendFileSync, existsSync } from 'node:fs'
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { renderEntry } from '../../attestation/collateral/cache/cache-entry.ts'
import { openDiskCache } from '../../attestation/collateral/cache/disk-cache.ts'
import type { DiskCache } from '../../attestation/collateral/cache/disk-cache.ts'
import { createCollateralClient } from '../../attestation/collateral/collateral-client.ts'
import type { CollateralClient } from '../../attestation/collateral/collateral-client.ts'
import type { CollateralRequest } from '../../attestation/collateral/collateral-service.ts'
import { MAX_CACHE_ENTRIES, REFRESH_MARGIN_S } from '../../attestation/collateral/limits.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { startIntelServer } from './intel-server.helpers.ts'
import type { IntelServer } from './intel-server.helpers.ts'

/** The error that writing to a file gives next, as a full disk would. */
let writeError: string | null = null
vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:fs/promises')>()
  return {
    ...original,
    open: async (...given: Parameters<typeof original.open>) => {
      const file = await original.open(...given)
      if (writeError !== null && given[1] === 'wx') {
        const code = writeError
        file.writeFile = () => Promise.reject(Object.assign(new Error(code), { code }))
      }
      return file
    },
  }
})

const NOW = new Date('2026-11-26T12:00:00Z')
const DAY = 86_400
const start = NOW.getTime() / 1000
const collateral = createIntelPki({ now: NOW }).collateral
const renewed = createIntelPki({ now: new Date((start + 30 * DAY) * 1000) }).collateral
const REQUEST: CollateralRequest = { fmspc: '53494d000000', ca: 'platform', channel: 'standard' }
const NAME = '53494d000000-platform-standard.json'

let server: IntelServer
let directory: string
let cache: DiskCache
let at = start
let client: CollateralClient

beforeAll(async () => {
  server = await startIntelServer(collateral)
})
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'countersign-cache-')), 'collateral')
  cache = openDiskCache(directory)
  at = start
  client = clientOf(cache)
})
afterEach(async () => {
  writeError = null
  server.serve = () => collateral
  server.intercept = null
  server.requests.length = 0
  await rm(join(directory, '..'), { recursive: true, force: true })
})
afterAll(() => server.close())

function clientOf(of: DiskCache): CollateralClient {
  const timing = { attemptMs: 1_000, documentMs: 2_000, firstPauseMs: 5 }
  const transport = { tlsCa: server.tlsCa, proxy: null, timing }
  return createCollateralClient({ service: server.pcs, transport, cache: of, now: () => at })
}

describe('what the cache gives', () => {
  test('nobody is asked again until an hour before the first nextUpdate, then once', async () => {
    expect(await client.get(REQUEST)).toMatchObject({ from: 'network', notKept: null })
    expect(server.requests).toHaveLength(4)
    at = start + 30 * DAY - REFRESH_MARGIN_S - 1
    expect(await client.get(REQUEST)).toMatchObject({ from: 'cache', collateral })
    expect(server.requests).toHaveLength(4)
    at += 1
    server.serve = () => renewed
    expect(await client.get(REQUEST)).toMatchObject({ from: 'network', notKept: null })
    expect((await client.get(REQUEST)).collateral).toEqual(renewed)
    expect(server.requests).toHaveLength(8)
  })

  test('another process finds it', async () => {
    await client.get(REQUEST)
    expect(await clientOf(openDiskCache(directory)).get(REQUEST)).toMatchObject({
      from: 'cache',
      collateral,
    })
    expect(await cache.list()).toEqual([REQUEST])
  })

  test('each platform, CA and channel has its own', async () => {
    await client.get(REQUEST)
    await client.get({ ...REQUEST, channel: 'early' })
    await client.get({ ...REQUEST, ca: 'processor' })
    expect(server.requests).toHaveLength(12)
    expect(await readdir(directory)).toEqual([
      '53494d000000-platform-early.json',
      NAME,
      '53494d000000-processor-standard.json',
    ])
  })

  test('who demands younger collateral, or new collateral, gets it from the service', async () => {
    await client.get(REQUEST)
    at = start + 2 * DAY
    expect((await client.get(REQUEST, { maxAgeS: 3 * DAY })).from).toBe('cache')
    expect((await client.get(REQUEST, { maxAgeS: DAY })).from).toBe('network')
    expect((await client.get(REQUEST, { refresh: true })).from).toBe('network')
    expect(server.requests).toHaveLength(12)
  })

  test('while the service is away, what still counts is given and the failure is told', async () => {
    await client.get(REQUEST)
    server.serve = () => null
    at = start + 30 * DAY - 10
    const kept = await client.get(REQUEST)
    expect(kept).toMatchObject({ from: 'cache_after_failure', collateral })
    expect(kept.failure?.code).toBe('collateral_not_found')
  })

  test('what has expired is never given instead', async () => {
    await client.get(REQUEST)
    server.serve = () => null
    at = start + 30 * DAY
    await expect(client.get(REQUEST)).rejects.toMatchObject({ code: 'collateral_not_found' })
  })
})

describe('a clock that is wrong', () => {
  test('one before the issue date gets what there is, and nothing is kept or taken from the cache', async () => {
    await client.get(REQUEST)
    at = start - 2 * 3600
    const fetched = await client.get(REQUEST)
    expect(fetched).toMatchObject({ from: 'network', notKept: 'not_current', collateral })
    await rm(directory, { recursive: true })
    await client.get(REQUEST)
    expect(existsSync(directory)).toBe(false)
  })

  test('one after nextUpdate likewise', async () => {
    at = start + 31 * DAY
    expect(await client.get(REQUEST)).toMatchObject({ from: 'network', notKept: 'not_current' })
    expect(existsSync(directory)).toBe(false)
  })
})

describe('a file that is not as it was written', () => {
  const spoil: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
    'is empty': (path) => truncate(path, 0),
    'is cut': (path) => truncate(path, 5_000),
    'lacks its last byte but one': async (path) =>
      truncate(path, (await readFile(path)).length - 2),
    'has something behind it': async (path) => appendFileSync(path, '{}'),
    'has one digit of the PCK list changed': async (path) => {
      const text = await readFile(path, 'utf8')
      const place = text.indexOf('"pck_crl":"') + 200
      const digit = text[place] === '0' ? '1' : '0'
      await writeFile(path, `${text.slice(0, place)}${digit}${text.slice(place + 1)}`)
    },
    'says another time': async (path) =>
      writeFile(path, (await readFile(path, 'utf8')).replace(/"fetched_at":\d+/, '"fetched_at":1')),
    'is of another platform under this name': async (path) => {
      const request = { ...REQUEST, fmspc: '000000000000' }
      await writeFile(
        path,
        renderEntry({ request, collateral, fetchedAt: at, service: 'https://x' }),
      )
    },
    'is of this platform by its name and of another inside': async (path) => {
      const tcb_info = collateral.tcb_info.replace('53494D000000', '000000000000')
      const other = { ...collateral, tcb_info }
      await writeFile(
        path,
        renderEntry({ request: REQUEST, collateral: other, fetchedAt: at, service: 'x' }),
      )
    },
    'is a folder': async (path) => {
      await rm(path)
      await mkdir(path)
    },
    'is a link to a good one': async (path) => {
      const good = join(path, '..', 'elsewhere')
      await writeFile(good, await readFile(path))
      await rm(path)
      await symlink(good, path)
    },
    'is too large': async (path) => truncate(path, 4 * 1024 * 1024),
  }

  test.each(Object.keys(spoil))('%s: it is fetched anew', async (how) => {
    await client.get(REQUEST)
    await spoil[how]?.(join(directory, NAME))
    const fetched = await client.get(REQUEST)
    expect(fetched).toMatchObject({ from: 'network', collateral })
    // Only a folder cannot be replaced by a file.
    expect(fetched.notKept === null).toBe(how !== 'is a folder')
    if (fetched.notKept === null) expect((await client.get(REQUEST)).from).toBe('cache')
  })
})

describe('a cache that cannot be written', () => {
  test('a full disk costs nothing but the keeping', async () => {
    writeError = 'ENOSPC'
    expect(await client.get(REQUEST)).toMatchObject({
      from: 'network',
      notKept: 'ENOSPC',
      collateral,
    })
    expect(await readdir(directory)).toEqual([])
  })

  test('a full disk leaves what was there', async () => {
    await client.get(REQUEST)
    const before = await readFile(join(directory, NAME))
    writeError = 'ENOSPC'
    await client.get(REQUEST, { refresh: true })
    expect(await readFile(join(directory, NAME))).toEqual(before)
    expect(await readdir(directory)).toEqual([NAME])
  })

  test('nor does a folder that cannot be', async () => {
    await writeFile(directory, 'a file')
    expect(await client.get(REQUEST)).toMatchObject({ from: 'network', notKept: 'EEXIST' })
    expect(await cache.list()).toEqual([])
  })
})

describe('the bound', () => {
  test('the oldest go first, and nothing that is not ours goes', async () => {
    await mkdir(directory)
    const name = (index: number): string =>
      `${index.toString(16).padStart(12, '0')}-platform-standard.json`
    for (let index = 0; index < MAX_CACHE_ENTRIES; index++) {
      await writeFile(join(directory, name(index)), '')
      await utimes(join(directory, name(index)), index + 1, index + 1)
    }
    const foreign = ['notes.txt', '.hidden.tmp', '0.json']
    for (const each of foreign) {
      await writeFile(join(directory, each), '')
      await utimes(join(directory, each), 0, 0)
    }
    await client.get(REQUEST)
    const left = await readdir(directory)
    expect(left).toHaveLength(MAX_CACHE_ENTRIES + foreign.length)
    expect(left).not.toContain(name(0))
    expect(left).toEqual(expect.arrayContaining([NAME, name(1), ...foreign]))
  })

  test('what a killed process left behind is swept when it is old, not while it is written', async () => {
    await mkdir(directory)
    const temporary = (tail: string): string => `.${NAME}.${tail.repeat(16)}.tmp`
    await writeFile(join(directory, temporary('0')), 'half')
    await writeFile(join(directory, temporary('1')), 'half')
    await utimes(join(directory, temporary('0')), 1, 1)
    await client.get(REQUEST)
    expect((await readdir(directory)).toSorted()).toEqual([temporary('1'), NAME])
  })
})
