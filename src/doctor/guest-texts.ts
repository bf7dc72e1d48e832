/**
 * What other rows read of the guest.
 *
 * @module
 */
import type { Platform } from '../../attestation/attester/evidence-source.ts'

export interface GuestTexts {
  readonly platform: Platform
  /** The measured compose text. */
  readonly appCompose: string
  /** JSON text; empty where there is none. */
  readonly vmConfig: string
}
