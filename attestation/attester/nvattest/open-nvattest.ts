/**
 * GPUs or NVSwitches as a source of evidence through NVIDIA's `nvattest`: beside NVML for GPUs, and the only way to
 * switches, whose library (NSCQ) has no documented interface.
 *
 * @module
 */
import { parseGpuEvidence } from '../../appraiser/gpu/parse-gpu-evidence.ts'
import { toHex32 } from '../../protocol/hex.ts'
import type { GpuEvidence, GpuEvidenceSource } from '../evidence-source.ts'
import { NvattestError } from './nvattest-error.ts'
import { parseNvattestOutput } from './parse-nvattest-output.ts'
import type { NvattestEvidence } from './parse-nvattest-output.ts'
import { NVATTEST_MS, runNvattest } from './run-nvattest.ts'

export interface NvattestOptions {
  readonly device: 'gpu' | 'nvswitch'
  /** How many devices there must be. */
  readonly required: number
  /** Absolute path of the program. */
  readonly path: string
  /** Default {@link NVATTEST_MS}. */
  readonly deadlineMs?: number
}

function checked({ arch, certificate, evidence }: NvattestEvidence, index: number, nonce: string) {
  const one: GpuEvidence = { arch, certificate, evidence }
  const parsed = parseGpuEvidence(one)
  if (!parsed.ok) {
    throw new NvattestError('nvattest_malformed', `device ${index}: ${parsed.detail}`)
  }
  if (toHex32(parsed.evidence.report.requestNonce) !== nonce) {
    throw new NvattestError('nvattest_nonce_mismatch', `device ${index}`)
  }
  return one
}

/** One run at a time: they share the driver. */
export function openNvattest(options: NvattestOptions): GpuEvidenceSource {
  const { device, required, path, deadlineMs = NVATTEST_MS } = options
  let last: Promise<unknown> = Promise.resolve()

  const collect = async (nonce: Uint8Array): Promise<readonly GpuEvidence[]> => {
    const hex = toHex32(nonce)
    const args = ['collect-evidence', '--device', device, '--nonce', hex, '--format', 'json']
    const output = parseNvattestOutput(await runNvattest({ path, args, deadlineMs }))
    switch (output.kind) {
      case 'malformed':
        throw new NvattestError('nvattest_malformed', output.detail)
      case 'failed':
        throw new NvattestError('nvattest_failed', `result code ${output.resultCode}`)
      case 'evidence': {
        const { evidence } = output
        if (evidence.length !== required) {
          const detail = `${evidence.length} where ${required} are required`
          throw new NvattestError('nvattest_count_mismatch', detail)
        }
        if (evidence.some((one) => one.nonce !== hex)) {
          throw new NvattestError('nvattest_nonce_mismatch', 'what nvattest says it asked for')
        }
        return evidence.map((one, index) => checked(one, index, hex))
      }
    }
  }

  return {
    /** @throws NvattestError */
    collect(nonce) {
      const next = last.then(() => collect(nonce))
      last = next.catch(() => {})
      return next
    },
  }
}
