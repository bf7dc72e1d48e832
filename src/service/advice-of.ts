/**
 * What an operator can do about evidence that could not be had, as a fixed text that may stand in a log.
 *
 * @module
 */
import {
  NVATTEST_ERRORS,
  NvattestError,
} from '../../attestation/attester/nvattest/nvattest-error.ts'
import {
  GUEST_AGENT_ERRORS,
  GuestAgentError,
} from '../../attestation/attester/dstack/guest-agent-error.ts'
import { TAPP_ERRORS, TappError } from '../../attestation/attester/tapp/tapp-error.ts'
import { NVML_ERRORS, NvmlError } from '../../attestation/attester/nvml/nvml-error.ts'
import { ADDRESS_ERRORS, AddressError } from '../../enclave/keys/address-error.ts'
import { SEALED_KEY_ERRORS, SealedKeyError } from '../../enclave/keys/sealed/sealed-key-error.ts'

/** @returns null where the error, and what caused it, has no advice of its own */
export function adviceOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  if (error instanceof NvattestError) return NVATTEST_ERRORS[error.code]
  if (error instanceof SealedKeyError) return SEALED_KEY_ERRORS[error.code]
  if (error instanceof AddressError) return ADDRESS_ERRORS[error.code]
  if (error instanceof TappError) return TAPP_ERRORS[error.code]
  if (error instanceof GuestAgentError) return GUEST_AGENT_ERRORS[error.code]
  return error instanceof NvmlError ? NVML_ERRORS[error.code] : adviceOf(error.cause)
}
