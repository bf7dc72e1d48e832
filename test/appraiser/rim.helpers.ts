import { compareMeasurements } from '../../attestation/appraiser/gpu/rim/compare-measurements.ts'
import { NVIDIA_RIM_ROOT_SHA256 } from '../../attestation/appraiser/gpu/rim/nvidia-rim-root.ts'
import { verifyRim } from '../../attestation/appraiser/gpu/rim/verify-rim.ts'
import type { Rim, RimOptions, RimResult } from '../../attestation/appraiser/gpu/rim/verify-rim.ts'
import { parseSpdmReport } from '../../attestation/appraiser/gpu/parse-spdm-report.ts'
import type { SpdmReport } from '../../attestation/appraiser/gpu/parse-spdm-report.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'

/** `ok`, or the code. */
export function rimOutcome(result: RimResult): string {
  return result.ok ? 'ok' : result.code
}

export function goodRim(bytes: Uint8Array, options: RimOptions): Rim {
  const result = verifyRim(bytes, options)
  if (!result.ok) throw new Error(`${result.code}: ${result.detail}`)
  return result.rim
}

export function nvidiaRimOptions(at: number, changes: Partial<RimOptions> = {}): RimOptions {
  return {
    crypto: nodeCrypto,
    at,
    rootSha256: [NVIDIA_RIM_ROOT_SHA256],
    allowSimulated: false,
    ...changes,
  }
}

export function parsedReport(bytes: Uint8Array): SpdmReport {
  const result = parseSpdmReport(bytes)
  if (!result.ok) throw new Error(result.detail)
  return result.report
}

/** `ok` or the code, then the detail: what a user reads. */
export function comparison(...input: Parameters<typeof compareMeasurements>): string {
  const outcome = compareMeasurements(...input)
  return `${outcome.ok ? 'ok' : outcome.code}: ${outcome.detail}`
}
