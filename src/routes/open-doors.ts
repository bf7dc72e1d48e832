/**
 * Which of the doors that the configuration opens a platform can serve.
 *
 * @module
 */
import type { Platform } from '../../attestation/attester/evidence-source.ts'
import type { Door } from './attestation.ts'

/** Their formats fix the report data of a quote, which under TAPP is always of a text that TAPP writes. */
export const REPORT_DATA_DOORS: readonly Door[] = ['aci', 'vllm-proxy', '0g-quote']

export function openDoors(configured: readonly Door[], platform: Platform): Door[] {
  return configured.filter((door) => platform === 'dstack' || !REPORT_DATA_DOORS.includes(door))
}
