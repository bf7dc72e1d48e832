import type { RequestListener } from 'node:http'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CollateralError } from '../../attestation/collateral/collateral-error.ts'
import { examineNetwork } from '../../src/doctor/examine-network.ts'
import type { NetworkInput, NetworkSources } from '../../src/doctor/examine-network.ts'
import { examineMounts } from '../../src/doctor/examine-mounts.ts'
import { examineUpstreams } from '../../src/doctor/examine-upstreams.ts'
import { examineVolumes, SLOW_MS } from '../../src/doctor/examine-volume.ts'
import type { VolumeFiles } from '../../src/doctor/examine-volume.ts'
import { closeDouble, startDouble } from '../harness/model-double.ts'
import { NO_STUB } from '../harness/nvml-stub.ts'
import { rowOf, startNode } from './doctor.helpers.ts'
import type { DoctorNode } from './doctor.helpers.ts'

describe.skipIf(NO_STUB !== null)('doctor: what is around the service', () => {
  let node: DoctorNode
  beforeAll(async () => {
    node = await startNode()
  })
  afterAll(() => node.close())
  afterEach(() => {
    node.model.script = null
  })

  /** The row of the upstream whose list is answered so. */
  const upstream = async (script: RequestListener | null, models: readonly string[] = []) => {
    node.model.script = script
    const config = node.config({ upstreams: [{ name: 'demo', url: node.model.url, models }] })
    const { rows, models: found } = await examineUpstreams(config, 500)
    return { ...rowOf(rows, 'upstream.demo'), found }
  }
  const sending =
    (body: string, status = 200): RequestListener =>
    (_req, res) => {
      res.writeHead(status, { 'content-type': 'application/json' }).end(body)
    }

  test('upstream: its models are shown, over HTTP and over a unix socket', async () => {
    expect(await upstream(null)).toMatchObject({
      status: 'ok',
      seen: `${node.model.url}: demo/words`,
      found: ['demo/words'],
    })
    const at = await startDouble('over/uds', join(node.folder, 'vllm.sock'))
    const config = node.config({ upstreams: [{ name: 'uds', url: at.url }] })
    const { rows } = await examineUpstreams(config)
    expect(rowOf(rows, 'upstream.uds')).toMatchObject({ status: 'ok', seen: `${at.url}: over/uds` })
    await closeDouble(at)
  })

  test('upstream: down', async () => {
    const config = node.config({ upstreams: [{ name: 'demo', url: 'unix:/nowhere/vllm.sock' }] })
    expect(rowOf((await examineUpstreams(config)).rows, 'upstream.demo')).toMatchObject({
      status: 'fail',
      code: 'upstream_unreachable',
      seen: 'unix:/nowhere/vllm.sock: ENOENT',
    })
  })

  test('upstream: silent', async () => {
    expect(await upstream(() => {})).toMatchObject({ status: 'fail', code: 'upstream_slow' })
  })

  test.each([
    ['no JSON', sending('<html>')],
    ['an error', sending('{"data":[]}', 500)],
    ['a redirect', sending('', 302)],
    ['a list of something else', sending('{"data":[{"name":"x"}]}')],
  ])('upstream: %s in place of a list', async (_, script) => {
    expect(await upstream(script)).toMatchObject({ status: 'fail', code: 'upstream_malformed' })
  })

  test('upstream: an empty list, and one without the configured model', async () => {
    expect(await upstream(sending('{"data":[]}'))).toMatchObject({
      code: 'upstream_without_models',
      found: [],
    })
    expect(await upstream(null, ['other/model'])).toMatchObject({
      status: 'fail',
      code: 'upstream_models_missing',
      seen: `${node.model.url}: demo/words; not other/model`,
    })
  })

  test('upstream: each of its addresses has a row', async () => {
    const config = node.config({
      upstreams: [{ name: 'demo', urls: [node.model.url, 'unix:/nowhere/vllm.sock'] }],
    })
    const { rows } = await examineUpstreams(config)
    expect(rows.map(({ code }) => code)).toEqual(['ok', 'upstream_unreachable'])
  })
})

describe('doctor: volume', () => {
  const folder = process.cwd()
  const failure = (code: string) => Object.assign(new Error(code), { code })
  const files = (changes: Partial<VolumeFiles> = {}): VolumeFiles => ({
    open: () =>
      Promise.resolve({
        write: () => Promise.resolve(),
        datasync: () => Promise.resolve(),
        close: () => Promise.resolve(),
      }),
    free: () => Promise.resolve(1024 ** 4),
    now: () => 0,
    ...changes,
  })
  const codes = async (changes: Partial<VolumeFiles>) =>
    (await examineVolumes([{ role: 'volume', folder }], files(changes))).map(({ code }) => code)

  test('a real folder is measured, and nothing is left in it', async () => {
    const real = join(process.cwd(), 'node_modules', '.countersign-volume-test')
    const { mkdir } = await import('node:fs/promises')
    await mkdir(real, { recursive: true })
    const rows = await examineVolumes([{ role: 'volume', folder: real }])
    expect(rowOf(rows, 'volume.write')).toMatchObject({ status: 'ok', seen: real })
    expect(rowOf(rows, 'volume.fsync').seen).toMatch(/median of 21: \d+\.\d\d ms$/)
    expect(rowOf(rows, 'volume.space').seen).toMatch(/^\d+ MiB free$/)
    expect(await readdir(real)).toEqual([])
    await rm(real, { recursive: true })
  })

  test.each([
    ['EROFS', 'volume_read_only'],
    ['EACCES', 'volume_denied'],
    ['EPERM', 'volume_denied'],
    ['ENOSPC', 'volume_full'],
    ['EDQUOT', 'volume_full'],
    ['EIO', 'volume_failed'],
    ['ENOENT', 'volume_absent'],
  ])('%s when the file is made is %s', async (system, code) => {
    expect(await codes({ open: () => Promise.reject(failure(system)) })).toEqual([code])
  })

  test('a disk that fills while it is written to', async () => {
    let closed = false
    const open = () =>
      Promise.resolve({
        write: () => Promise.resolve(),
        datasync: () => Promise.reject(failure('ENOSPC')),
        close: () => {
          closed = true
          return Promise.resolve()
        },
      })
    expect(await codes({ open })).toEqual(['volume_full'])
    expect(closed).toBe(true)
  })

  test('no folder, a file in its place, none named', async () => {
    const code = async (place: string) =>
      (await examineVolumes([{ role: 'volume', folder: place }]))[0]?.code
    expect(await code('/nowhere/at/all')).toBe('volume_absent')
    expect(await code(join(process.cwd(), 'package.json'))).toBe('volume_absent')
    expect(await examineVolumes([])).toMatchObject([{ check: 'volume.write', status: 'ok' }])
  })

  test('of a store and a sealed key: each by its name, a shared one once', async () => {
    const checks = async (...folders: readonly string[]) => {
      const roles = ['volume', 'store', 'keys'] as const
      const volumes = folders.flatMap((place, at) => {
        const role = roles[at]
        return role === undefined ? [] : [{ role, folder: place }]
      })
      return (await examineVolumes(volumes, files())).map(({ check }) => check)
    }
    const both = await checks(folder, join(folder, 'docs'))
    expect(both.slice(0, 4)).toEqual([
      'volume.write',
      'volume.fsync',
      'volume.space',
      'store.write',
    ])
    expect(await checks(folder, folder, folder)).toEqual(both.slice(0, 3))
  })

  test('slow to flush, and nearly full', async () => {
    let time = 0
    const slow = await codes({
      now: () => (time += SLOW_MS + 1),
      free: () => Promise.resolve(1024),
    })
    expect(slow).toEqual(['ok', 'volume_slow', 'volume_low'])
    // One slow write among many is no slow disk.
    const steps = [0, 10_000]
    expect(await codes({ now: () => steps.shift() ?? 10_000 })).toEqual(['ok', 'ok', 'ok'])
  })
})

describe('doctor: mounts', () => {
  const table = join(process.cwd(), 'node_modules', '.countersign-mounts-test')
  const row = async (lines: readonly string[]) => {
    await writeFile(table, lines.join('\n'))
    return examineMounts(table)
  }
  afterAll(() => rm(table, { force: true }))
  const mount = (root: string, point: string) =>
    `36 35 98:0 ${root} ${point} rw,noatime - ext4 /dev/sda rw`

  test('only what dstack and the NVIDIA runtime mount', async () => {
    const lines = [mount('/', '/'), mount('/dstack.sock', '/run/dstack.sock')]
    expect(
      await row([
        ...lines,
        mount('/nvidia-persistenced/socket', '/run/nvidia-persistenced/socket'),
      ]),
    ).toMatchObject({ status: 'ok' })
  })

  test.each([
    ['docker.sock at its usual place', '/docker.sock', '/run/docker.sock'],
    ['docker.sock under another name', '/docker.sock', '/run/harmless'],
    ['another socket mounted as docker.sock', '/harmless', '/var/run/docker.sock'],
    ["containerd's", '/containerd/containerd.sock', '/run/containerd.sock'],
    ['one whose path is written with escapes', '/a\\040b/docker.sock', '/run/a\\040b/x'],
  ])('%s', async (_, root, point) => {
    expect(await row([mount('/', '/'), mount(root, point)])).toMatchObject({
      status: 'fail',
      code: 'runtime_socket_mounted',
      seen: point.replace('\\040', ' '),
    })
  })

  test('a table that cannot be read is no good table', async () => {
    expect(await examineMounts('/nowhere/mountinfo')).toMatchObject({
      status: 'unknown',
      code: 'mounts_unreadable',
    })
  })
})

describe('doctor: what lies outside', () => {
  const NOW = 1_795_700_000_000
  const unreachable = new CollateralError('collateral_unreachable', 'TCB info: ECONNREFUSED')
  const never = () => Promise.reject(new Error('asked'))
  const sources = (changes: Partial<NetworkSources> = {}): NetworkSources => ({
    judgeTcb: () =>
      Promise.resolve([
        { channel: 'standard', accepted: true, seen: 'UpToDate' },
        { channel: 'early', accepted: true, seen: 'UpToDate' },
      ]),
    gpu: { client: { rim: never, ocsp: never, ocspNow: never } },
    date: () => Promise.resolve(NOW),
    nowMs: () => NOW,
    ...changes,
  })
  const run = (changes: Partial<NetworkSources> = {}, input: Partial<NetworkInput> = {}) =>
    examineNetwork({
      sources: sources(changes),
      quote: new Uint8Array(1),
      evidence: [],
      info: null,
      ...input,
    })

  test('collateral.intel: unreachable, and both states unknown', async () => {
    const rows = await run({ judgeTcb: () => Promise.reject(unreachable) })
    expect(rowOf(rows, 'collateral.intel')).toMatchObject({
      status: 'fail',
      code: 'collateral_unavailable',
      seen: 'collateral_unreachable: TCB info: ECONNREFUSED',
    })
    expect(rowOf(rows, 'tcb.now').code).toBe('not_reached')
    expect(rowOf(rows, 'tcb.early').code).toBe('not_reached')
  })

  test('without a quote or evidence nobody is asked about the platform', async () => {
    const rows = await run({ judgeTcb: never }, { quote: null, evidence: null })
    for (const check of [
      'collateral.intel',
      'tcb.now',
      'tcb.early',
      'collateral.rim',
      'collateral.ocsp',
    ]) {
      expect(rowOf(rows, check)).toMatchObject({ status: 'unknown', code: 'not_reached' })
    }
  })

  test('tcb.now and tcb.early: accepted, accepted for a while, not accepted', async () => {
    const codes = async (standard: boolean, early: boolean) => {
      const judged = [
        { channel: 'standard', accepted: standard, seen: 'x' },
        { channel: 'early', accepted: early, seen: 'y' },
      ]
      const rows = await run({ judgeTcb: () => Promise.resolve(judged) })
      return [rowOf(rows, 'tcb.now').code, rowOf(rows, 'tcb.early').code]
    }
    expect(await codes(true, true)).toEqual(['ok', 'ok'])
    expect(await codes(true, false)).toEqual(['ok', 'tcb_soon_not_accepted'])
    expect(await codes(false, false)).toEqual(['tcb_not_accepted', 'tcb_soon_not_accepted'])
  })

  test('clock.skew: right, drifting, wrong either way, and a server that does not say', async () => {
    const row = async (seconds: number | null) => {
      const date = () => Promise.resolve(seconds === null ? null : NOW + seconds * 1_000)
      return rowOf(await run({ date }), 'clock.skew')
    }
    expect(await row(0)).toMatchObject({ status: 'ok' })
    expect(await row(-4)).toMatchObject({ status: 'ok' })
    expect(await row(20)).toMatchObject({ status: 'warn', code: 'clock_drifts' })
    expect(await row(-20)).toMatchObject({ status: 'warn', code: 'clock_drifts' })
    expect(await row(3600)).toMatchObject({
      code: 'clock_skewed',
      seen: "3600 s behind Intel's server",
    })
    expect(await row(-3601)).toMatchObject({
      code: 'clock_skewed',
      seen: "3600 s ahead of Intel's server",
    })
    expect(await row(null)).toMatchObject({ status: 'unknown', code: 'not_reached' })
    const down = await run({ date: () => Promise.reject(unreachable) })
    expect(rowOf(down, 'clock.skew')).toMatchObject({
      status: 'fail',
      code: 'collateral_unavailable',
    })
  })
})
