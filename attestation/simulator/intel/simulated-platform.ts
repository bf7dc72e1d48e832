/**
 * The one processor that the simulator pretends to be: a TDX 1.5 platform at the newest level of its own TCB info.
 * No value is Intel's except where a verifier demands it (vendor id, mask widths).
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { SIMULATION_MARK } from '../../protocol/simulation.ts'

export interface SimulatedPlatform {
  /** 16 bytes, random for each run: Platform Provisioning ID. */
  readonly ppid: Uint8Array
  /** 16 bytes, random for each run. */
  readonly instanceId: Uint8Array
  /** 6 bytes; reads `SIM` in ASCII. */
  readonly fmspc: Uint8Array
  /** 2 bytes. */
  readonly pceId: Uint8Array
  /** 16 component SVNs, each 0 to 255. */
  readonly components: readonly number[]
  readonly pceSvn: number
  /** 16 bytes: TDX module SVN, module major version, microcode SVN, zeros. */
  readonly teeTcbSvn: Uint8Array
}

export const SIMULATED_FMSPC: Uint8Array = Uint8Array.of(0x53, 0x49, 0x4d, 0, 0, 0)
export const SIMULATED_PCE_ID: Uint8Array = Uint8Array.of(0, 0)
export const SIMULATED_COMPONENTS: readonly number[] = [
  3, 3, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0,
]
export const SIMULATED_PCE_SVN = 13

/** Module SVN 11; the second byte, not zero, selects the module identity `TDX_01`; microcode SVN 4. */
export const SIMULATED_TEE_TCB_SVN: Uint8Array = Uint8Array.of(
  ...[11, 1, 4, 0, 0, 0, 0, 0],
  ...[0, 0, 0, 0, 0, 0, 0, 0],
)

/** 32 bytes: who signed the simulated quoting enclave. */
export const SIMULATED_QE_SIGNER: Uint8Array = label('sha256', 'QE signer')
/** 32 bytes: the simulated quoting enclave. */
export const SIMULATED_QE_MEASUREMENT: Uint8Array = label('sha256', 'QE')
/** 48 bytes: the simulated TDX module. */
export const SIMULATED_MODULE_MEASUREMENT: Uint8Array = label('sha384', 'TDX module')

/** Product id and SVN of Intel's TD quoting enclave, which verifiers compare with the QE identity. */
export const QE_PRODUCT_ID = 2
export const QE_SVN = 6

/** A stand-in measurement that anyone can recompute and nobody can take for a real one. */
export function label(algorithm: 'sha256' | 'sha384', name: string): Uint8Array {
  return Uint8Array.from(createHash(algorithm).update(`${SIMULATION_MARK}: ${name}`).digest())
}
