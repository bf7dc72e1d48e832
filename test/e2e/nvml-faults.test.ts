/** A service whose GPUs stand behind the driver's library: whatever that does, nothing unattested is served. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openNvml } from '../../attestation/attester/nvml/open-nvml.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import { simulatedReportTemplate } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import type { SimulatedGpu } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createGate } from '../../src/service/gate.ts'
import { chat, chatBody, errorCode, get, jsonObject } from '../harness/chat.ts'
import { NO_STUB, startNvmlStub } from '../harness/nvml-stub.ts'
import type { GpuAnswers, NvmlStub } from '../harness/nvml-stub.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { transpile } from '../harness/transpile.ts'
import type { Transpiled } from '../harness/transpile.ts'

const GPUS = 8
const READY_MS = 15_000
const REPORT = 'nvmlDeviceGetConfComputeGpuAttestationReport'

interface Fault {
  readonly what: string
  readonly cause: string
  readonly settings?: Readonly<Record<string, number>>
  /** The GPUs answer another nonce. */
  readonly stale?: boolean
}

const FAULTS: readonly Fault[] = [
  { what: 'a hanging call', cause: 'nvml_timeout', settings: { [`hang.${REPORT}.6`]: 1 } },
  { what: 'a failing call', cause: 'nvml_failed', settings: { [`return.${REPORT}`]: 999 } },
  { what: 'a crash', cause: 'nvml_process_died', settings: { [`crash.${REPORT}.3`]: 1 } },
  { what: 'a wrong nonce', cause: 'nvml_nonce_mismatch', stale: true },
  { what: 'one of eight missing', cause: 'nvml_count_mismatch', settings: { count: 7 } },
  {
    what: 'a certificate cut short',
    cause: 'nvml_chain_malformed',
    settings: { certificateSize: 1_500 },
  },
  { what: 'developer tools', cause: 'nvml_devtools_on', settings: { devToolsMode: 1 } },
  { what: 'CC mode off', cause: 'nvml_cc_off', settings: { ccFeature: 0 } },
]

/** PEM of the leaf first, of the root last. */
function certificatesOf({ chainPem }: SimulatedGpu): readonly string[] {
  return chainPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? []
}

interface Lie extends Pick<Fault, 'what' | 'cause' | 'settings'>, Pick<GpuAnswers, 'chain'> {}

/** Evidence that is whole by itself, so that only the appraisal finds it. */
const LIES: readonly Lie[] = [
  {
    what: 'two GPUs that are one, each report of it under the right nonce',
    cause: 'gpu_duplicate',
    settings: { 'same.3': 2 },
  },
  {
    what: 'a chain without the leaf',
    cause: 'gpu_chain_length',
    chain: (gpu, index) =>
      Buffer.from(
        certificatesOf(gpu)
          .slice(index === 5 ? 1 : 0)
          .join(''),
      ),
  },
  {
    what: 'a chain without the root, where the mark of a simulation is',
    cause: 'simulation_mismatch',
    chain: (gpu, index) =>
      Buffer.from(
        certificatesOf(gpu)
          .slice(0, index === 5 ? -1 : undefined)
          .join(''),
      ),
  },
]

describe.skipIf(NO_STUB !== null)('a service with eight GPUs behind NVML', () => {
  let stub: NvmlStub
  let built: Transpiled
  beforeAll(async () => {
    stub = await startNvmlStub(GPUS)
    built = await transpile('attestation/attester/nvml/nvml-process.ts')
  })
  afterAll(async () => {
    await stub.close()
    await built.remove()
  })

  const breakIt = async ({ settings, stale }: Fault): Promise<void> => {
    await stub.set(settings)
    stub.answers.report =
      stale === true
        ? (gpu) => buildSpdmReport(simulatedReportTemplate(gpu, Uint8Array.from(randomBytes(32))))
        : undefined
  }
  const mend = async (): Promise<void> => {
    stub.answers.report = undefined
    stub.answers.chain = undefined
    await stub.set()
  }
  const start = async (): Promise<{ at: TestService; close: () => Promise<void> }> => {
    const gpu = openNvml({
      required: GPUS,
      library: stub.library,
      script: new URL(built.url),
      timing: { initMs: 5_000, callMs: 2_000 },
    })
    let gate: (document: string) => string | null = () => 'not_started'
    const at = await startTestService({ gpus: GPUS, gpu, gate: (document) => gate(document) })
    if (at.simulation === null) throw new Error('no simulated guest')
    const own = createGate({ sgx: at.simulation.roots.sgx, nvidia: toHex(stub.pki.rootSha256) })
    gate = (document) => own(document).cause
    return {
      at,
      close: async () => {
        await at.close()
        await gpu.close()
      },
    }
  }
  const nonce = (): string => toHex(Uint8Array.from(randomBytes(32)))
  const fresh = (at: TestService) => get(at, `/attestation?nonce=${nonce()}`)

  test.each(FAULTS)(
    '$what at start: refuses every request, says why, and serves when it is gone',
    async (fault) => {
      await breakIt(fault)
      const { at, close } = await start()
      try {
        await expect
          .poll(() => at.log.find(({ fields }) => String(fields['fault']).includes('Nvml')), {
            timeout: READY_MS,
          })
          .toBeDefined()
        expect(at.log.map(({ fields }) => fields['fault'])).toContain(
          `AttestationError:attestation_unavailable < NvmlError:${fault.cause}`,
        )
        const reply = await chat(at, chatBody('the answer must not come'))
        expect([reply.status, errorCode(reply)]).toEqual([503, 'not_attested'])
        const evidence = await fresh(at)
        expect([evidence.status, errorCode(evidence)]).toEqual([503, 'attestation_unavailable'])
        expect(at.model.requests).toHaveLength(0)
        expect(at.quotes).toHaveLength(0)
        const address = at.simulation?.address.address
        await mend()
        await at.service.ready
        expect((await chat(at, chatBody('now it may'))).status).toBe(200)
        expect(at.simulation?.address.address).toBe(address)
      } finally {
        await mend()
        await close()
      }
    },
    60_000,
  )

  test.each(LIES)(
    '$what: refused by name, and served when the machine is honest again',
    async ({ cause, chain, settings }) => {
      stub.answers.chain = chain
      await stub.set(settings)
      const { at, close } = await start()
      try {
        const seen = async () => jsonObject((await get(at, '/health/ready')).body)['attested']
        await expect.poll(seen, { timeout: READY_MS }).toMatchObject({ cause })
        const reply = await chat(at, chatBody('the answer must not come'))
        expect([reply.status, errorCode(reply)]).toEqual([503, 'not_attested'])
        expect(at.model.requests).toHaveLength(0)
        const address = at.simulation?.address.address
        await mend()
        await at.service.ready
        expect((await chat(at, chatBody('now it may'))).status).toBe(200)
        expect(at.simulation?.address.address).toBe(address)
      } finally {
        await mend()
        await close()
      }
    },
    60_000,
  )

  test('faults while it serves: no fresh document, then one again that covers all eight', async () => {
    const { at, close } = await start()
    try {
      await at.service.ready
      for (const fault of FAULTS.filter(({ cause }) => /timeout|count|nonce/.test(cause))) {
        await breakIt(fault)
        const quotes = at.quotes.length
        expect((await fresh(at)).status).toBe(503)
        expect(at.quotes).toHaveLength(quotes)
        await mend()
        await expect.poll(async () => (await fresh(at)).status, { timeout: READY_MS }).toBe(200)
      }
      const document = jsonObject((await fresh(at)).body)
      expect(document).toMatchObject({ evidence: { gpu: { length: GPUS } } })
    } finally {
      await mend()
      await close()
    }
  }, 60_000)
})
