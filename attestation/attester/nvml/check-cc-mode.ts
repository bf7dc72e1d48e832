/**
 * Whether the driver says that its GPUs are in a mode in which they attest. Signed by nobody: it refuses early and says
 * what to do, while acceptance rests on the signed reports alone.
 *
 * @module
 */
import type { CcSettings, CcState } from './nvml-calls.ts'
import type { NvmlFailure } from './nvml-error.ts'

const CC_ON = 1
const DEVTOOLS_OFF = 0
const PROTECTED_PCIE = 1
/** 0 (unavailable) is left to the report: which drivers say it with CC on is documented nowhere. */
const ENVIRONMENT_SIMULATED = 1

/**
 * @param state null where the driver does not support the call, which it does wherever it supports CC
 * @param settings null where the driver is too old to have them
 * @returns null where evidence may be asked for
 */
export function checkCcMode(
  state: CcState | null,
  settings: CcSettings | null,
): NvmlFailure | null {
  if (state === null) {
    return { code: 'nvml_cc_off', detail: 'the driver has no confidential-computing state' }
  }
  const multiGpuMode = settings?.multiGpuMode ?? 0
  const said = `ccFeature ${state.ccFeature}, devToolsMode ${state.devToolsMode}, multiGpuMode ${multiGpuMode}, environment ${state.environment}`
  if (state.devToolsMode !== DEVTOOLS_OFF || (settings?.devToolsMode ?? 0) !== DEVTOOLS_OFF) {
    return { code: 'nvml_devtools_on', detail: said }
  }
  if (state.ccFeature !== CC_ON && multiGpuMode !== PROTECTED_PCIE) {
    return { code: 'nvml_cc_off', detail: said }
  }
  if (state.environment === ENVIRONMENT_SIMULATED) {
    return { code: 'nvml_simulated_environment', detail: said }
  }
  return null
}
