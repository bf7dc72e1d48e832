/**
 * A driver's library for tests, compiled with gcc, and simulated GPUs behind it: nonces go through the real binding and
 * the C structures to a signer in this process, and back.
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import { simulatedReportTemplate } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import type {
  NvidiaPki,
  SimulatedGpu,
} from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { ROOT } from '../project/source-tree.ts'

/** Why the tests of NVML cannot run here; null where they can. */
export const NO_STUB: string | null =
  spawnSync('gcc', ['--version']).status === 0 ? null : 'gcc is not installed'
if (NO_STUB !== null) process.stderr.write(`\n*** SKIPPED: tests of NVML: ${NO_STUB} ***\n`)

export interface GpuAnswers {
  report?: ((gpu: SimulatedGpu, nonce: Uint8Array, index: number) => Uint8Array) | undefined
  chain?: ((gpu: SimulatedGpu, index: number) => Uint8Array) | undefined
}

export interface NvmlStub {
  /** Path of the library. */
  readonly library: string
  readonly pki: NvidiaPki
  /** Nonces that the GPUs were asked for, in order. */
  readonly nonces: readonly Uint8Array[]
  /** In place of what a genuine GPU answers; change its members at any time. */
  readonly answers: GpuAnswers
  /** What the library answers from now on, all else as by default; names in `nvml-stub.c`. */
  set(settings?: Readonly<Record<string, number>>): Promise<void>
  close(): Promise<void>
}

const REQUEST_BYTES = 34

function respond(
  stub: { pki: NvidiaPki; answers: GpuAnswers; nonces: Uint8Array[] },
  request: Buffer,
) {
  const index = request[1] ?? 0
  const gpu = stub.pki.gpus[index]
  if (gpu === undefined) return new Uint8Array(0)
  if (request[0] === 'C'.charCodeAt(0)) {
    return stub.answers.chain?.(gpu, index) ?? Buffer.from(gpu.chainPem)
  }
  const nonce = Uint8Array.from(request.subarray(2))
  stub.nonces.push(nonce)
  return (
    stub.answers.report?.(gpu, nonce, index) ?? buildSpdmReport(simulatedReportTemplate(gpu, nonce))
  )
}

/** @param defines of the preprocessor, e.g. `OLD_DRIVER` */
export async function startNvmlStub(
  gpus: number,
  defines: readonly string[] = [],
): Promise<NvmlStub> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-nvml-'))
  const library = join(folder, 'libnvidia-ml.so.1')
  const source = join(ROOT, 'test/harness/nvml-stub.c')
  const flags = ['-shared', '-fPIC', '-Wall', '-Werror', '-fvisibility=hidden']
  const built = spawnSync(
    'gcc',
    [...flags, ...defines.map((name) => `-D${name}`), '-o', library, source, '-ldl'],
    { encoding: 'utf8' },
  )
  if (built.status !== 0) throw new Error(built.stderr)
  const pki = createNvidiaPki({ now: new Date(), gpus })
  const answers: GpuAnswers = {}
  const nonces: Uint8Array[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let request = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (piece: Buffer) => {
      request = Buffer.concat([request, piece])
      if (request.length === REQUEST_BYTES) socket.end(respond({ pki, answers, nonces }, request))
    })
  })
  await new Promise<void>((resolve) => server.listen(join(folder, 'gpu.sock'), resolve))
  const set = (settings: Readonly<Record<string, number>> = {}): Promise<void> => {
    const lines = Object.entries({ count: gpus, ...settings })
    return writeFile(
      join(folder, 'control'),
      lines.map(([name, value]) => `${name} ${value}\n`).join(''),
    )
  }
  await set()
  return {
    library,
    pki,
    nonces,
    answers,
    set,
    async close() {
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}
