/**
 * Evidence of every GPU under one nonce, or a named failure: never a part of it.
 *
 * @module
 */
import { parseGpuEvidence } from '../../appraiser/gpu/parse-gpu-evidence.ts'
import type { GpuEvidence } from '../evidence-source.ts'
import { architectureName } from './architecture-name.ts'
import { checkCcMode } from './check-cc-mode.ts'
import { NVML_NONCE_BYTES } from './nvml-calls.ts'
import { NvmlError } from './nvml-error.ts'
import type { NvmlErrorCode } from './nvml-error.ts'
import type { NvmlSession } from './nvml-session.ts'

/** What the appraiser's parser says, in the words of this side: nothing that it could not read leaves the machine. */
const UNREADABLE: Readonly<Record<string, NvmlErrorCode>> = {
  gpu_chain_malformed: 'nvml_chain_malformed',
  gpu_report_malformed: 'nvml_report_malformed',
  gpu_report_unsupported: 'nvml_report_malformed',
}

async function collectOne(
  session: NvmlSession,
  index: number,
  nonce: Uint8Array,
): Promise<GpuEvidence> {
  const where = `GPU ${index}`
  await session.handle(index)
  const architecture = await session.architecture(index)
  const arch = architectureName(architecture)
  if (arch === null) {
    const detail = `${where}: architecture ${architecture}`
    throw new NvmlError({ code: 'nvml_architecture_unknown', detail })
  }
  const report = await session.report(index, nonce)
  const chain = await session.certificateChain(index)
  const evidence = {
    arch,
    certificate: Buffer.from(chain).toString('base64'),
    evidence: Buffer.from(report).toString('base64'),
  }
  const parsed = parseGpuEvidence(evidence)
  if (!parsed.ok) {
    const code = UNREADABLE[parsed.code] ?? 'nvml_answer_malformed'
    throw new NvmlError({ code, detail: `${where}: ${parsed.detail}` })
  }
  // A library older than its header may ignore the nonce and answer with zeros, which would attest nothing fresh.
  if (Buffer.compare(parsed.evidence.report.requestNonce, nonce) !== 0) {
    throw new NvmlError({ code: 'nvml_nonce_mismatch', detail: where })
  }
  return evidence
}

/**
 * @param nonce 32 bytes
 * @param required how many GPUs there must be; the configuration's number, never the driver's
 * @throws NvmlError
 */
export async function collectGpuReports(
  session: NvmlSession,
  nonce: Uint8Array,
  required: number,
): Promise<readonly GpuEvidence[]> {
  if (nonce.length !== NVML_NONCE_BYTES) throw new RangeError('a GPU nonce has 32 bytes')
  // Anew each time: the driver can be reloaded, and a GPU can fall off its bus, under a process that lives on.
  const unfit = checkCcMode(await session.ccState(), await session.ccSettings())
  if (unfit !== null) throw new NvmlError(unfit)
  const count = await session.count()
  if (count !== required) {
    const detail = `${count} GPUs where ${required} are required`
    throw new NvmlError({ code: 'nvml_count_mismatch', detail })
  }
  const all: GpuEvidence[] = []
  for (let index = 0; index < required; index++) {
    all.push(await collectOne(session, index, nonce))
  }
  return all
}
