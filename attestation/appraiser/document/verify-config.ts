/**
 * Judges what the attested configuration says about itself against the evidence and the policy.
 *
 * @module
 */
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { readGpuList } from '../gpu/judge-gpus.ts'
import type { GpuList } from '../gpu/judge-gpus.ts'
import type { AppraisalPolicy } from '../policy.ts'
import type { Quote } from '../quote/parse-quote.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { parsePemChain } from '../x509/parse-pem-chain.ts'
import { isSimulatedRoot } from '../x509/verify-chain.ts'
import type { AttestationDocument } from './parse-document.ts'
import type { ReadConfig } from './read-config.ts'

const PROVES_SIMULATION = 'The document says truly whether its evidence is simulated.'
const PROVES_UPSTREAMS =
  'The model servers are reached over unix sockets or loopback, inside the machine.'
const MAX_CHAIN_CERTIFICATES = 8

/** The certificates under which the evidence stands, as the document gives them. */
export interface EvidenceChains {
  readonly cpu: readonly Certificate[]
  readonly gpu: GpuList
}

export function readChains(document: AttestationDocument, quote: Quote | null): EvidenceChains {
  const cpu = quote === null ? null : parsePemChain(quote.pemChain, MAX_CHAIN_CERTIFICATES)
  return {
    cpu: cpu?.ok === true ? cpu.certificates : [],
    gpu: readGpuList(document.gpu ?? []),
  }
}

/**
 * Declared and evident simulation must agree: a simulated root must not be relabelled as real, nor real evidence be mixed
 * with simulated.
 */
export function simulationCheck(
  config: ReadConfig | null,
  chains: Pick<EvidenceChains, 'cpu'> & { readonly gpu: GpuList['chains'] },
  policy: AppraisalPolicy,
): Check {
  const id = 'config.simulation'
  if (config === null || chains.cpu.length === 0) {
    return skip(id, 'depends_on_failed', PROVES_SIMULATION)
  }
  // A GPU's chain that cannot be read fails for that and has no mark to be judged by.
  const marks = [chains.cpu, ...chains.gpu.filter((chain) => chain.length > 0)].map((chain) =>
    chain.some(isSimulatedRoot),
  )
  if (!config.simulation) {
    return marks.includes(true)
      ? fail(id, 'simulation_undeclared', PROVES_SIMULATION)
      : pass(id, PROVES_SIMULATION, 'not simulated')
  }
  if (!policy.allowSimulated) return fail(id, 'simulation_not_allowed', PROVES_SIMULATION)
  return marks.includes(false)
    ? fail(id, 'simulation_mismatch', PROVES_SIMULATION)
    : pass(id, PROVES_SIMULATION, 'SIMULATED, accepted because it was allowed')
}

export function upstreamsCheck(config: ReadConfig | null, policy: AppraisalPolicy): Check {
  const id = 'config.upstreams'
  if (config === null) return skip(id, 'depends_on_failed', PROVES_UPSTREAMS)
  if (!config.allowRemoteUpstream) return pass(id, PROVES_UPSTREAMS)
  return policy.allowRemoteUpstream
    ? info(id, 'remote_upstream', PROVES_UPSTREAMS, 'accepted by the policy')
    : fail(id, 'remote_upstream', PROVES_UPSTREAMS)
}
