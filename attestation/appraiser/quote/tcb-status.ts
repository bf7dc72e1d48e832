/**
 * What Intel calls the state of a platform's trusted computing base, and how several such states become one.
 *
 * Source: PCS API v4, "Get TDX TCB Info"; Intel SGX TDX DCAP Quote Verification Library, convergence of component
 * statuses (evaluation of TDX TCB, step "converge").
 *
 * @module
 */

export const TCB_STATUSES = Object.freeze([
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const)

export type TcbStatus = (typeof TCB_STATUSES)[number]

export function isTcbStatus(value: unknown): value is TcbStatus {
  return TCB_STATUSES.some((status) => status === value)
}
