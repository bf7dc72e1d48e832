/**
 * What an operator can do about evidence that could not be had, as a fixed text that may stand in a log.
 *
 * @module
 */
import { NVML_ERRORS, NvmlError } from '../../attestation/attester/nvml/nvml-error.ts'

/** @returns null where the error, and what caused it, has no advice of its own */
export function adviceOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  return error instanceof NvmlError ? NVML_ERRORS[error.code] : adviceOf(error.cause)
}
