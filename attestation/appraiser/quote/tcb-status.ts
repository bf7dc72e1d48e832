/**
 * What Intel calls the state of a platform's trusted computing base, and how several such states become one.
 *
 * Source: PCS API v4, "Get TDX TCB Info"; Intel SGX and TDX DCAP Quote Verification Library, evaluation of a TDX TCB.
 *
 * @module
 */

/** What each status says is wrong. Two statuses merge by joining what is wrong with either. */
const FLAWS = Object.freeze({
  UpToDate: 0b00000,
  SWHardeningNeeded: 0b00001,
  ConfigurationNeeded: 0b00010,
  ConfigurationAndSWHardeningNeeded: 0b00011,
  TDRelaunchAdvised: 0b00100,
  TDRelaunchAdvisedConfigurationNeeded: 0b00110,
  OutOfDate: 0b01000,
  OutOfDateConfigurationNeeded: 0b01010,
  Revoked: 0b10000,
} as const)

const CONFIGURATION = 0b00010
const RELAUNCH = 0b00100
const OUT_OF_DATE = 0b01000
const REVOKED = 0b10000

export type TcbStatus = keyof typeof FLAWS

/** Best first. */
export const TCB_STATUSES: readonly TcbStatus[] = Object.freeze(
  Object.keys(FLAWS) as readonly TcbStatus[],
)

export function isTcbStatus(value: unknown): value is TcbStatus {
  return typeof value === 'string' && Object.hasOwn(FLAWS, value)
}

/**
 * The status of a whole whose parts have these.
 *
 * Intel's library lets a quoting enclave that needs configuration pass as up to date, because it joins only OutOfDate and
 * Revoked of a component; here nothing that is wrong with a part is lost.
 */
export function mergeStatuses(statuses: readonly TcbStatus[]): TcbStatus {
  const flaws = statuses.reduce((sum, status) => sum | FLAWS[status], 0)
  if ((flaws & REVOKED) !== 0) return 'Revoked'
  const configuration = (flaws & CONFIGURATION) !== 0
  // Intel has no name for "out of date and needs software hardening": the first already asks for more than the second.
  if ((flaws & OUT_OF_DATE) !== 0) {
    return configuration ? 'OutOfDateConfigurationNeeded' : 'OutOfDate'
  }
  if ((flaws & RELAUNCH) !== 0) {
    return configuration ? 'TDRelaunchAdvisedConfigurationNeeded' : 'TDRelaunchAdvised'
  }
  return TCB_STATUSES.find((status) => FLAWS[status] === flaws) ?? 'Revoked'
}

/**
 * The status of a TD 1.5 that started under one module (`launch`) and now runs under another (`current`).
 *
 * A TD that started under an outdated module on a platform that has been updated since is not outdated any more, but its
 * launch measurements were taken by the old module: Intel advises to start it again. A current state that is worse than
 * that at launch counts too; Intel's library looks at the launch alone then.
 */
export function relaunchStatus(launch: TcbStatus, current: TcbStatus): TcbStatus {
  const outdated = (FLAWS[launch] & OUT_OF_DATE) !== 0
  const currentIsFine = (FLAWS[current] & (OUT_OF_DATE | REVOKED | RELAUNCH)) === 0
  if (!outdated || !currentIsFine) return mergeStatuses([launch, current])
  const configuration = ((FLAWS[launch] | FLAWS[current]) & CONFIGURATION) !== 0
  return configuration ? 'TDRelaunchAdvisedConfigurationNeeded' : 'TDRelaunchAdvised'
}
