/** A service over a machine, vendors and a clock that a test can break one at a time, judging itself several times a second. */
import { createHash, randomBytes } from 'node:crypto'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import type { GpuEvidence } from '../../attestation/attester/evidence-source.ts'
import { createStapler } from '../../attestation/collateral/staple/create-stapler.ts'
import type { StapleTiming } from '../../attestation/collateral/staple/limits.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { toHex, toHex32 } from '../../attestation/protocol/hex.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createGpuCollateral } from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import { createEphemeralAddressKey } from '../../enclave/keys/address-key.ts'
import { parseConfig } from '../../src/config/config.ts'
import { SILENT_LOG } from '../../src/operations/open-log.ts'
import { createGate } from '../../src/service/gate.ts'
import { startService } from '../../src/service/start-service.ts'

const GPUS = 1
const TOKEN = 'alice-token-0123456789'

/** @param command the arguments of the sidecar, as a piece of YAML */
export function composeText(command: string): string {
  const docker_compose_file = `services:\n  a:\n    command:${command}\n`
  return JSON.stringify({ name: 'sim-faults', docker_compose_file })
}

const TIMING: Partial<StapleTiming> = {
  fetchMs: 500,
  firstRetryMs: 300,
  maxRetryMs: 300,
  minRefreshMs: 300,
  maxRefreshMs: 300,
}

export type World = Awaited<ReturnType<typeof startWorld>>

/** @param change of what can be broken, before the service starts */
export async function startWorld(
  change: (machine: Machine) => void = () => {},
  compose = composeText(` ["serve", "--require-gpu", "${GPUS}"]`),
) {
  const machine = createMachine(compose)
  change(machine)
  const { guest, nvidia, rims, faults } = machine
  const nowMs = () => Date.now() + faults.clockS * 1000
  const now = () => Math.floor(nowMs() / 1000)
  const roots = {
    sgx: toHex(guest.pki.rootSha256),
    nvidia: toHex(nvidia.rootSha256),
    rim: toHex(rims.rootSha256),
  }
  const parsed = parseConfig({
    listen: { port: 0 },
    upstreams: [{ name: 'demo', url: 'http://127.0.0.1:9', health: null }],
    metrics: { port: 0 },
    gpu: { required: GPUS },
    limits: { gateMs: 300 },
  })
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  const service = await startService({
    config: parsed.config,
    principals: [
      { name: 'alice', relay: false, tokenHash: createHash('sha256').update(TOKEN).digest() },
    ],
    cpu: {
      facts: {
        platform: 'dstack',
        appId: toHex(guest.appId),
        instanceId: toHex(guest.instanceId),
        appCompose: guest.composeText,
        keyProvider: guest.keyProvider,
        tcbInfo: '{}',
        info: '{}',
      },
      quote: (data) =>
        Promise.resolve({
          quote: guest.quote(data),
          eventLog: guest.quotedEventLog,
          vmConfig: faults.vmConfig(guest.vmConfig),
        }),
    },
    gpu: { collect: (nonce) => faults.gpus(nonce) },
    gpuRequired: GPUS,
    address: createEphemeralAddressKey(nodeCrypto),
    simulated: true,
    log: SILENT_LOG,
    gate: createGate(roots, now),
    stapler: createStapler({
      source: {
        dcap: () => faults.dcap(),
        gpu: async () => ({ collateral: await faults.ocsp(), missing: [] }),
      },
      roots: {
        sgx: [guest.pki.rootSha256],
        nvidia: [nvidia.rootSha256],
        rim: [rims.rootSha256],
        allowSimulated: true,
      },
      now,
      timing: TIMING,
    }),
    weights: null,
    nowMs,
  })
  const read = async (url: string) => {
    const answer = await fetch(url)
    return { status: answer.status, text: await answer.text() }
  }
  return {
    ...machine,
    service,
    /** Status of `/health/ready` and the cause that it names. */
    async health(): Promise<string> {
      const { status, text } = await read(`${service.url}/health/ready`)
      const { attested } = JSON.parse(text) as { attested: { cause: string | null } }
      return `${String(status)} ${String(attested.cause)}`
    },
    async metric(name: string): Promise<string[]> {
      const { text } = await read(`${service.operations?.url ?? ''}/metrics`)
      const found = text.matchAll(
        new RegExp(`^countersign_attestation_${name}{code="(\\w+)"} 1`, 'gm'),
      )
      return [...found].map(([, code = '']) => code)
    },
    async warnings(): Promise<string[]> {
      const { text } = await read(`${service.url}/attestation`)
      const { warnings } = JSON.parse(text) as { warnings: { code: string }[] }
      return warnings.map(({ code }) => code)
    },
    /** What who relies on it says: codes of what failed. */
    async verdict(name: 'node' | 'relying-party'): Promise<{ verdict: string; codes: string[] }> {
      const nonce = toHex32(randomBytes(32))
      const { text } = await read(`${service.url}/attestation?nonce=${nonce}`)
      const policy = {
        ...POLICIES[name],
        allowSimulated: true,
        sgxRoots: [roots.sgx],
        nvidiaRoots: [roots.nvidia],
        gpu: { ...POLICIES[name].gpu, rimRoots: [roots.rim] },
        // Of a simulation, checks that could not be made are otherwise let pass.
        require: name === 'node' ? [] : ['quote.crl', 'quote.tcb_status', 'gpu.*.rim_ocsp'],
      }
      const { verdict } = appraiseDocument(Buffer.from(text), {
        crypto: nodeCrypto,
        at: now(),
        nonce,
        policy,
      })
      return {
        verdict: verdict.verdict,
        codes: verdict.checks.filter(({ status }) => status === 'fail').map(({ code }) => code),
      }
    },
    async chat(): Promise<string> {
      const answer = await fetch(`${service.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}` },
        body: '{"model":"x","messages":[]}',
      })
      const { error } = (await answer.json()) as { error: { code: string } }
      return `${String(answer.status)} ${error.code}`
    },
  }
}

interface Faults {
  clockS: number
  dcap: () => Promise<DcapCollateral>
  /** RIMs and responses. */
  ocsp: () => Promise<GpuCollateral>
  gpus: (nonce: Uint8Array) => Promise<readonly GpuEvidence[]>
  vmConfig: (text: string) => string
}

type Machine = ReturnType<typeof createMachine>

function createMachine(compose: string) {
  const now = new Date()
  const guest = createSimulatedGuest({ composeText: compose, now, gpus: GPUS })
  const nvidia = createNvidiaPki({ now, gpus: GPUS })
  const rims = createRimPki({ now })
  const genuine = createGpuCollateral(nvidia, rims, Math.floor(now.getTime() / 1000))
  const sound: Faults = {
    clockS: 0,
    dcap: () => Promise.resolve(guest.pki.collateral),
    ocsp: () => Promise.resolve(genuine),
    gpus: (nonce) => Promise.resolve(collectSimulatedGpuEvidence(nvidia, nonce)),
    vmConfig: (text) => text,
  }
  const faults: Faults = { ...sound }
  return { guest, nvidia, rims, genuine, faults, mend: () => void Object.assign(faults, sound) }
}
