/**
 * Evidence that could not be had.
 *
 * @module
 */

export type AttestationFault = 'attestation_busy' | 'attestation_unavailable'

/** What to do is to come back later. */
export class AttestationError extends Error {
  override readonly name = 'AttestationError'
  readonly code: AttestationFault
  constructor(code: AttestationFault, cause?: unknown) {
    super(
      code === 'attestation_busy'
        ? 'too many clients wait for attestation'
        : 'the machine did not give its evidence',
      { cause },
    )
    this.code = code
  }
}
