/**
 * One finding of the doctor.
 *
 * @module
 */
import {
  GUEST_AGENT_ERRORS,
  GuestAgentError,
} from '../../attestation/attester/dstack/guest-agent-error.ts'
import {
  NVATTEST_ERRORS,
  NvattestError,
} from '../../attestation/attester/nvattest/nvattest-error.ts'
import { NVML_ERRORS, NvmlError } from '../../attestation/attester/nvml/nvml-error.ts'
import type { NvmlFailure } from '../../attestation/attester/nvml/nvml-error.ts'
import { ADDRESS_ERRORS, AddressError } from '../../enclave/keys/address-error.ts'
import { SEALED_KEY_ERRORS, SealedKeyError } from '../../enclave/keys/sealed/sealed-key-error.ts'
import { DOCTOR_CODES } from './doctor-codes.ts'
import type { DoctorCode, RowStatus } from './doctor-codes.ts'

export interface DoctorRow {
  /** What was looked at, e.g. `gpu.cc`. */
  readonly check: string
  readonly status: RowStatus
  /** `ok`, or one of `docs/errors.md`. */
  readonly code: string
  /** What was seen: names, numbers and versions, never a key or a token. */
  readonly seen: string
  /** What to do next; empty where there is nothing to do. */
  readonly action: string
}

export function good(check: string, seen: string): DoctorRow {
  return { check, status: 'ok', code: 'ok', seen, action: '' }
}

export function finding(check: string, code: DoctorCode, seen: string): DoctorRow {
  const { status, action } = DOCTOR_CODES[code]
  return { check, status, code, seen, action }
}

/** Rows that cannot be had, because what they stand on failed. */
export function unreached(checks: readonly string[], why: string): readonly DoctorRow[] {
  return checks.map((check) => finding(check, 'not_reached', why))
}

/** Of the agent, with its code. @throws anything that is no failure of the agent */
export function agentFailure(check: string, error: unknown): DoctorRow {
  if (!(error instanceof GuestAgentError)) throw error
  // The message holds no value of the agent but its own error text without long hex.
  const { code, message } = error
  return { check, status: 'fail', code, seen: message, action: GUEST_AGENT_ERRORS[code] }
}

/** Of a key, with the code of the agent, of the sealed file, or of an address that was not expected. @throws anything else */
export function keyFailure(check: string, error: unknown): DoctorRow {
  if (error instanceof AddressError) {
    const { code, message } = error
    return { check, status: 'fail', code, seen: message, action: ADDRESS_ERRORS[code] }
  }
  if (!(error instanceof SealedKeyError)) return agentFailure(check, error)
  const { code, message } = error
  return { check, status: 'fail', code, seen: message, action: SEALED_KEY_ERRORS[code] }
}

export function nvmlFailure(check: string, { code, detail }: NvmlFailure): DoctorRow {
  return { check, status: 'fail', code, seen: detail, action: NVML_ERRORS[code] }
}

/** Of collecting GPU evidence, by either way. @throws anything else */
export function gpuFailure(check: string, error: unknown): DoctorRow {
  if (error instanceof NvmlError) return nvmlFailure(check, error)
  if (!(error instanceof NvattestError)) throw error
  const { code, message } = error
  return { check, status: 'fail', code, seen: message, action: NVATTEST_ERRORS[code] }
}
