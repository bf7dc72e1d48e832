import { afterEach, describe, expect, test, vi } from 'vitest'
import { CollateralError } from '../../attestation/collateral/collateral-error.ts'
import type { CollateralSource } from '../../attestation/collateral/staple/collateral-source.ts'
import { createStapler } from '../../attestation/collateral/staple/create-stapler.ts'
import type { Stapler } from '../../attestation/collateral/staple/create-stapler.ts'
import type { StapleTiming } from '../../attestation/collateral/staple/limits.ts'
import { readCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { readGpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import type { JsonValue } from '../../attestation/protocol/json.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import {
  answerOcsp,
  createGpuCollateral,
  revocableOfDevices,
} from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'

const NOW = Math.floor(Date.UTC(2026, 10, 26) / 1000)
const DAY_S = 86_400
const now = new Date(NOW * 1000)
const guest = createSimulatedGuest({ composeText: '{}', now })
const nvidia = createNvidiaPki({ now, gpus: 2 })
const rims = createRimPki({ now })
const roots = {
  sgx: [guest.pki.rootSha256],
  nvidia: [nvidia.rootSha256],
  rim: [rims.rootSha256],
  allowSimulated: true,
}
const shown = {
  quote: guest.quote(new Uint8Array(64)),
  gpu: collectSimulatedGpuEvidence(nvidia, new Uint8Array(32)),
}
const genuine = createGpuCollateral(nvidia, rims, NOW)
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** Vendors that can be changed while they are asked. */
function makeVendors() {
  const vendors = {
    at: NOW,
    asked: { dcap: 0, gpu: 0 },
    dcap: (): Promise<DcapCollateral> => Promise.resolve(guest.pki.collateral),
    gpu: (): Promise<GpuCollateral> => Promise.resolve(genuine),
    missing: [] as { what: string; error: CollateralError }[],
  }
  const source: CollateralSource = {
    dcap: () => {
      vendors.asked.dcap++
      return vendors.dcap()
    },
    async gpu() {
      vendors.asked.gpu++
      return { collateral: await vendors.gpu(), missing: vendors.missing }
    },
  }
  return { vendors, source }
}

const FAST = {
  fetchMs: 100,
  firstRetryMs: 5,
  maxRetryMs: 5,
  minRefreshMs: 5,
  maxRefreshMs: 5,
} as const satisfies StapleTiming
const SLOW: Partial<StapleTiming> = { fetchMs: 100 }

const open: Stapler[] = []
afterEach(() => {
  for (const stapler of open.splice(0)) stapler.close()
})

function start(timing: Partial<StapleTiming>, parts = makeVendors()) {
  const stapler = createStapler({
    source: parts.source,
    roots,
    now: () => parts.vendors.at,
    timing,
  })
  open.push(stapler)
  return { stapler, vendors: parts.vendors }
}

const codes = (stapler: Stapler): string[] => stapler.warnings().map(({ code }) => code)
const valueOf = (stapler: Stapler, type: string): unknown =>
  stapler.entries().find((entry) => entry.type === type)?.value
const down = () => Promise.reject(new CollateralError('collateral_unreachable', 'no connection'))

describe('a stapler', () => {
  test('has nothing and says so until the machine has shown its evidence, then serves both kinds', async () => {
    const { stapler, vendors } = start(SLOW)
    expect(stapler.entries()).toEqual([])
    expect(codes(stapler)).toEqual(['staple_pending', 'staple_pending'])
    expect(vendors.asked).toEqual({ dcap: 0, gpu: 0 })
    stapler.observe(shown)
    await stapler.attempted
    const [dcap, gpu] = ['dcap', 'nvidia'].map((type) => valueOf(stapler, type))
    expect(readCollateral(dcap as JsonValue).ok).toBe(true)
    expect(readGpuCollateral(gpu as JsonValue)).toMatchObject({
      ok: true,
      collateral: { rims: genuine.rims },
    })
    expect(new Set((gpu as GpuCollateral).ocsp)).toEqual(new Set(genuine.ocsp))
    expect(codes(stapler)).toEqual([])
    expect(stapler.newestSignedAt()).toBe(NOW)
  })

  test('asks once for the same machine, and anew for another set of GPUs', async () => {
    const { stapler, vendors } = start(SLOW)
    stapler.observe(shown)
    await stapler.attempted
    stapler.observe({
      ...shown,
      gpu: collectSimulatedGpuEvidence(nvidia, new Uint8Array(32).fill(1)),
    })
    expect(vendors.asked).toEqual({ dcap: 1, gpu: 1 })
    const others = createNvidiaPki({ now, gpus: 1 })
    stapler.observe({ ...shown, gpu: collectSimulatedGpuEvidence(others, new Uint8Array(32)) })
    expect(vendors.asked).toEqual({ dcap: 1, gpu: 2 })
  })

  test('without GPUs has none of NVIDIA’s and warns of none', async () => {
    const { stapler } = start(SLOW)
    stapler.observe({ ...shown, gpu: null })
    await stapler.attempted
    expect(stapler.entries().map(({ type }) => type)).toEqual(['dcap'])
    expect(codes(stapler)).toEqual([])
  })

  test('keeps what it has while the vendors are down, warns, and is silent when they are back', async () => {
    const { stapler, vendors } = start(FAST)
    stapler.observe(shown)
    await stapler.attempted
    const before = stapler.entries()
    const { dcap, gpu } = vendors
    vendors.dcap = down
    vendors.gpu = down
    await expect.poll(() => codes(stapler)).toEqual(['staple_unreachable', 'staple_unreachable'])
    expect(stapler.warnings()[0]?.detail).toBe('DCAP: collateral_unreachable')
    expect(stapler.entries()).toBe(before)
    // The time of what is held is over: it is served still, and said to be stale.
    vendors.at = NOW + 400 * DAY_S
    expect(codes(stapler)).toContain('staple_stale')
    expect(stapler.entries()).toBe(before)
    vendors.at = NOW
    vendors.dcap = dcap
    vendors.gpu = gpu
    await expect.poll(() => codes(stapler)).toEqual([])
  })

  test('gives up on a vendor that never answers', async () => {
    const { stapler, vendors } = start(SLOW)
    vendors.dcap = () => new Promise(() => {})
    vendors.gpu = () => new Promise(() => {})
    stapler.observe(shown)
    await stapler.attempted
    expect(stapler.warnings().map(({ detail }) => detail)).toEqual([
      'DCAP: collateral_timeout',
      'GPU collateral: collateral_timeout',
    ])
    expect(stapler.entries()).toEqual([])
  })

  test('does not let a text of a vendor or of an error into its warnings', async () => {
    const { stapler, vendors } = start(SLOW)
    vendors.dcap = () => Promise.reject(new Error('token=abc'))
    stapler.observe(shown)
    await stapler.attempted
    expect(JSON.stringify(stapler.warnings())).not.toContain('abc')
  })

  const stranger = createIntelPki({ now }).collateral
  test.each<[string, () => DcapCollateral, string]>([
    ['of another PKI', () => stranger, 'staple_refused'],
    [
      'with a signature of another key',
      () => ({ ...guest.pki.collateral, tcb_info_signature: stranger.tcb_info_signature }),
      'staple_refused',
    ],
    [
      'with a list that somebody else signed',
      () => ({ ...guest.pki.collateral, pck_crl: stranger.pck_crl }),
      'staple_refused',
    ],
  ])('never serves DCAP collateral %s', async (_, lie, code) => {
    const { stapler, vendors } = start(FAST)
    stapler.observe(shown)
    await stapler.attempted
    const held = valueOf(stapler, 'dcap')
    vendors.dcap = () => Promise.resolve(lie())
    await expect.poll(() => codes(stapler)).toEqual([code])
    expect(valueOf(stapler, 'dcap')).toBe(held)
    expect(stapler.newestSignedAt()).toBe(NOW)
  })

  test('serves what lies about nothing from the start, and nothing where all are lies', async () => {
    const { stapler, vendors } = start(SLOW)
    vendors.dcap = () => Promise.resolve(stranger)
    const other = createNvidiaPki({ now, gpus: 2 })
    vendors.gpu = () => Promise.resolve(createGpuCollateral(other, createRimPki({ now }), NOW))
    stapler.observe(shown)
    await stapler.attempted
    expect(stapler.entries()).toEqual([])
    expect(new Set(codes(stapler))).toEqual(new Set(['staple_refused']))
    expect(stapler.newestSignedAt()).toBeNull()
  })

  const [device] = revocableOfDevices(nvidia)
  if (device === undefined) throw new Error('no device')
  const since = new Date((NOW - 60) * 1000)

  test('takes a hold, and does not let an older answer take its place', async () => {
    const { stapler, vendors } = start(FAST)
    const hold = base64(
      answerOcsp(device, { at: NOW + 30, status: { kind: 'revoked', at: since, reason: 6 } }),
    )
    vendors.gpu = () =>
      Promise.resolve({ rims: genuine.rims, ocsp: [hold, ...genuine.ocsp.slice(1)] })
    stapler.observe(shown)
    await stapler.attempted
    const served = () => (valueOf(stapler, 'nvidia') as GpuCollateral).ocsp
    expect(served()).toContain(hold)
    vendors.gpu = () => Promise.resolve(genuine)
    await expect.poll(() => codes(stapler)).toEqual(['staple_rolled_back'])
    expect(served()).toContain(hold)
    expect(served()).not.toContain(genuine.ocsp[0])
  })

  test('keeps the answers and files that one outage left out', async () => {
    const { stapler, vendors } = start(FAST)
    stapler.observe(shown)
    await stapler.attempted
    const before = new Set((valueOf(stapler, 'nvidia') as GpuCollateral).ocsp)
    vendors.missing = [
      { what: 'OCSP of certificate 1', error: new CollateralError('collateral_busy', 'busy') },
    ]
    vendors.gpu = () => Promise.resolve({ rims: [], ocsp: genuine.ocsp.slice(2) })
    await expect.poll(() => codes(stapler)).toEqual(['staple_unreachable'])
    const after = valueOf(stapler, 'nvidia') as GpuCollateral
    expect(new Set(after.ocsp)).toEqual(before)
    expect(after.rims).toHaveLength(genuine.rims.length)
  })

  test('fetches again at half of the life of what it has, and at the latest after six hours', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const { stapler, vendors } = start({})
      const HOUR_S = 3600
      const short = base64(answerOcsp(device, { at: NOW, lifetimeS: 4 * HOUR_S }))
      vendors.gpu = () =>
        Promise.resolve({ rims: genuine.rims, ocsp: [short, ...genuine.ocsp.slice(1)] })
      stapler.observe(shown)
      await stapler.attempted
      await vi.advanceTimersByTimeAsync((2 * HOUR_S - 1) * 1000)
      expect(vendors.asked).toEqual({ dcap: 1, gpu: 1 })
      await vi.advanceTimersByTimeAsync(2_000)
      expect(vendors.asked).toEqual({ dcap: 1, gpu: 2 })
      // The clock of the test stands still, so the answers keep four hours; Intel's documents have weeks left.
      await vi.advanceTimersByTimeAsync(4 * HOUR_S * 1000 - 4_000)
      expect(vendors.asked.dcap).toBe(1)
      await vi.advanceTimersByTimeAsync(4_000)
      expect(vendors.asked.dcap).toBe(2)
    } finally {
      vi.useRealTimers()
    }
  })
})
