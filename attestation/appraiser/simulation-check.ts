/**
 * Whether evidence is of hardware, or of a simulation that somebody asked for.
 *
 * @module
 */
import { fail, pass, skip } from './check.ts'
import type { Check } from './check.ts'
import type { Certificate } from './x509/parse-certificate.ts'
import { isSimulatedRoot } from './x509/verify-chain.ts'

const PROVES = 'The evidence is of hardware, or of a simulation that was asked for.'

/** @param chains under which the evidence stands, as it gives them; what cannot be read fails elsewhere */
export function simulationCheck(
  chains: readonly (readonly Certificate[])[],
  allowed: boolean,
): Check {
  const id = 'evidence.simulation'
  const read = chains.filter((chain) => chain.length > 0)
  if (read.length === 0) return skip(id, 'depends_on_failed', PROVES)
  if (!read.some((chain) => chain.some(isSimulatedRoot))) return pass(id, PROVES, 'not simulated')
  return allowed
    ? pass(id, PROVES, 'SIMULATED, accepted because it was allowed')
    : fail(id, 'simulation_not_allowed', PROVES)
}
