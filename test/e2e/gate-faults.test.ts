import { afterEach, describe, expect, test, vi } from 'vitest'
import { NvmlError } from '../../attestation/attester/nvml/nvml-error.ts'
import { CollateralError } from '../../attestation/collateral/collateral-error.ts'
import { tcbInfo } from '../../attestation/simulator/intel/collateral-documents.ts'
import type { TcbStatus } from '../../attestation/simulator/intel/collateral-documents.ts'
import { signText } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import {
  collectSimulatedGpuEvidence,
  simulatedReportTemplate,
  toGpuEvidence,
} from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import {
  answerOcsp,
  driverRim,
  revocableOfDevices,
  vbiosRim,
} from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { SIMULATED_GPU_FIRMWARE } from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import { composeText, startWorld } from './gate-faults.helpers.ts'
import type { World } from './gate-faults.helpers.ts'

const DAY_S = 86_400
const POLL = { timeout: 15_000, interval: 250 }

vi.setConfig({ testTimeout: 60_000 })
const seconds = (): number => Math.floor(Date.now() / 1000)

let open: World | null = null
afterEach(async () => {
  await open?.service.close()
  open = null
})
async function start(...args: Parameters<typeof startWorld>): Promise<World> {
  open = await startWorld(...args)
  return open
}
async function ready(world: World): Promise<World> {
  await world.service.ready
  await expect.poll(() => world.health(), POLL).toBe('200 null')
  return world
}

/** What Intel would publish the night after: the same platform, another state. */
function published({ guest: { pki } }: World, status: TcbStatus) {
  const text = tcbInfo(
    { issueDate: new Date(), nextUpdate: new Date(Date.now() + 30 * DAY_S * 1000) },
    status,
  )
  const signature = signText(text, pki.issuers.signer.key)
  return { ...pki.collateral, tcb_info: text, tcb_info_signature: signature }
}

function withAnswer(
  world: World,
  reason: number,
): { rims: World['genuine']['rims']; ocsp: string[] } {
  const [device] = revocableOfDevices(world.nvidia)
  if (device === undefined) throw new Error('no device')
  const answer = answerOcsp(device, {
    at: seconds() + 1,
    status: { kind: 'revoked', at: new Date(Date.now() - 60_000), reason },
  })
  const { rims, ocsp } = world.genuine
  return { rims, ocsp: [Buffer.from(answer).toString('base64'), ...ocsp.slice(1)] }
}

describe('soft causes: served with a warning', () => {
  test('vendors that are down from the start, slow, or lie; what is not there is said, and who relies on it says no', async () => {
    const down = () => Promise.reject(new CollateralError('collateral_unreachable', 'down'))
    const world = await start(({ faults }) => {
      faults.dcap = down
      faults.ocsp = () => new Promise(() => {})
    })
    await ready(world)
    const expected = ['collateral_not_given', 'staple_unreachable']
    await expect.poll(() => world.warnings(), POLL).toEqual(expect.arrayContaining(expected))
    expect(await world.metric('warning')).toEqual(expect.arrayContaining(expected))
    expect((await world.verdict('node')).verdict).toBe('accepted')
    expect((await world.verdict('relying-party')).verdict).not.toBe('accepted')
    world.mend()
    await expect.poll(() => world.warnings(), POLL).toEqual([])
    expect((await world.verdict('relying-party')).verdict).toBe('accepted')
    // A lie never takes the place of what is held.
    world.faults.dcap = () =>
      Promise.resolve({ ...published(world, 'OutOfDate'), tcb_info_signature: '00'.repeat(64) })
    await expect.poll(() => world.warnings(), POLL).toEqual(['staple_refused'])
    expect((await world.verdict('relying-party')).verdict).toBe('accepted')
    expect(await world.health()).toBe('200 null')
  })

  test('collateral that nobody renewed past its dates, until a window closes; the keyset is renewed meanwhile', async () => {
    const world = await ready(await start())
    const { keys } = world.service
    const first = keys.keysetDigest
    world.faults.dcap = () => Promise.reject(new CollateralError('collateral_unreachable', 'down'))
    world.faults.ocsp = () => Promise.reject(new CollateralError('collateral_unreachable', 'down'))
    world.faults.clockS = 20 * DAY_S
    await expect.poll(() => world.warnings(), POLL).toContain('staple_stale')
    await expect.poll(() => keys.keysetDigest, POLL).not.toBe(first)
    await expect.poll(() => world.health(), POLL).toBe('200 null')
    expect((await world.verdict('node')).verdict).toBe('accepted')
    const { verdict, codes } = await world.verdict('relying-party')
    expect(verdict).toBe('rejected')
    expect(codes).toContain('collateral_too_old')
    // The window that closes: what answered for the certificates is no responder any more.
    world.faults.clockS = 32 * DAY_S
    await expect.poll(() => world.health(), POLL).toBe('503 ocsp_responder_time')
    world.mend()
    await expect.poll(() => world.health(), POLL).toBe('200 null')
  })

  test('TCB that went out of date overnight', async () => {
    const world = await ready(await start())
    expect(await world.verdict('relying-party')).toEqual({ verdict: 'accepted', codes: [] })
    world.faults.dcap = () => Promise.resolve(published(world, 'OutOfDate'))
    await expect.poll(() => world.warnings(), POLL).toEqual(['tcb_status_not_accepted'])
    expect(await world.health()).toBe('200 null')
    expect(await world.metric('warning')).toEqual(['tcb_status_not_accepted'])
    expect((await world.verdict('node')).verdict).toBe('accepted')
    expect(await world.verdict('relying-party')).toEqual({
      verdict: 'rejected',
      codes: ['tcb_status_not_accepted'],
    })
  })

  test('a certificate on hold', async () => {
    const world = await ready(await start())
    const held = withAnswer(world, 6)
    world.faults.ocsp = () => Promise.resolve(held)
    await expect.poll(() => world.warnings(), POLL).toEqual(['ocsp_hold'])
    expect(await world.health()).toBe('200 null')
    expect((await world.verdict('relying-party')).verdict).toBe('rejected')
  })

  test('a driver that was changed: its files are fetched by themselves', async () => {
    const world = await ready(await start())
    const firmware = { ...SIMULATED_GPU_FIRMWARE, driver: '580.159.99' }
    world.faults.gpus = (nonce) =>
      Promise.resolve(
        world.nvidia.gpus.map((gpu) =>
          toGpuEvidence(gpu, buildSpdmReport(simulatedReportTemplate(gpu, nonce, { firmware }))),
        ),
      )
    await expect.poll(() => world.warnings(), POLL).toContain('collateral_not_given')
    expect(await world.health()).toBe('200 null')
    const rims = [driverRim(world.rims, firmware), vbiosRim(world.rims, firmware)].map(
      ({ id, bytes }) => ({ id, rim: Buffer.from(bytes).toString('base64') }),
    )
    world.faults.ocsp = () => Promise.resolve({ rims, ocsp: world.genuine.ocsp })
    await expect.poll(() => world.warnings(), POLL).toEqual([])
    expect((await world.verdict('relying-party')).verdict).toBe('accepted')
  })
})

describe('hard causes: not ready, inference refused, and back by itself', () => {
  const hard = async (world: World, cause: string, documented = true): Promise<void> => {
    await expect.poll(() => world.health(), POLL).toBe(`503 ${cause}`)
    expect(await world.chat()).toBe('503 not_attested')
    expect(await world.metric('cause')).toEqual([cause])
    // Where evidence can be had at all, the document says so too.
    if (documented) expect(await world.warnings()).toContain(cause)
    world.mend()
    await expect.poll(() => world.health(), POLL).toBe('200 null')
    expect(await world.metric('cause')).toEqual([])
    expect(await world.warnings()).not.toContain(cause)
  }

  test('a GPU that was lost', async () => {
    const world = await ready(await start())
    world.faults.gpus = (nonce) =>
      Promise.resolve(collectSimulatedGpuEvidence(world.nvidia, nonce).slice(1))
    await hard(world, 'gpu_count_mismatch')
  })

  test('confidential computing switched off', async () => {
    const world = await ready(await start())
    world.faults.gpus = () =>
      Promise.reject(new NvmlError({ code: 'nvml_cc_off', detail: 'GPU 0' }))
    await hard(world, 'nvml_cc_off', false)
  })

  test('a host that configured another number of GPUs', async () => {
    const world = await ready(await start())
    world.faults.vmConfig = (text) => text.replace('"num_gpus":1', '"num_gpus":8')
    await hard(world, 'gpu_count_vm_config')
  })

  test.each([
    ['as one word', ' serve --require-gpu=8'],
    ['as items of a list', '\n      - serve\n      - --require-gpu\n      - "8"'],
    ['beside the right one', ' ["serve", "--require-gpu", "1", "--require-gpu", "8"]'],
  ])('a measured compose text that requires another number of GPUs, %s', async (_form, command) => {
    const world = await start(undefined, composeText(command))
    await expect.poll(() => world.health(), POLL).toBe('503 gpu_count_compose')
    expect(await world.chat()).toBe('503 not_attested')
  })

  test('GPU evidence of another round', async () => {
    const world = await ready(await start())
    world.faults.gpus = () =>
      Promise.resolve(collectSimulatedGpuEvidence(world.nvidia, new Uint8Array(32).fill(1)))
    await hard(world, 'gpu_nonce_mismatch')
  })

  test('a clock that was set back by a month, by the newest date that a vendor signed', async () => {
    const world = await ready(await start())
    world.faults.clockS = -30 * DAY_S
    await hard(world, 'clock_set_back')
  })

  test('a platform that Intel revoked, from the first judgement on', async () => {
    const world = await ready(await start())
    world.faults.dcap = () => Promise.resolve(published(world, 'Revoked'))
    await expect.poll(() => world.health(), POLL).toBe('503 tcb_revoked')
    // The set from before the revocation does not bring it back.
    world.mend()
    await expect.poll(() => world.warnings(), POLL).toContain('staple_rolled_back')
    expect(await world.health()).toBe('503 tcb_revoked')
    world.faults.dcap = () => Promise.resolve(published(world, 'UpToDate'))
    await expect.poll(() => world.health(), POLL).toBe('200 null')
  })

  test('a GPU that NVIDIA revoked', async () => {
    const world = await ready(await start())
    const revoked = withAnswer(world, 1)
    world.faults.ocsp = () => Promise.resolve(revoked)
    await expect.poll(() => world.health(), POLL).toBe('503 ocsp_revoked')
  })
})
