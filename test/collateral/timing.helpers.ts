import type { FetchTiming } from '../../attestation/collateral/limits.ts'

/** Longer than a busy machine pauses: what is answered is answered in time. */
export const PATIENT: FetchTiming = {
  attemptMs: 5_000,
  documentMs: 15_000,
  attempts: 3,
  firstPauseMs: 5,
  maxRetryAfterMs: 1_500,
}
/** For services that answer nothing. */
export const FAST: FetchTiming = { ...PATIENT, attemptMs: 400, documentMs: 2_000 }
