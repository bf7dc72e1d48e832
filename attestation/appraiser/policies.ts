/**
 * The two policies that ship, by name.
 *
 * @module
 */
import { requirePolicy } from './policy.ts'
import type { AppraisalPolicy } from './policy.ts'

export const POLICY_NAMES = Object.freeze(['relying-party', 'node'] as const)
export type PolicyName = (typeof POLICY_NAMES)[number]

const DAY_S = 24 * 3600
/** The standard evaluation of March 2026, the newest that this project has evidence of. */
const EVALUATION_FLOOR = 18
/** The first branch whose reports state the firmware identity. */
const DRIVER_FLOOR = '550'

/** Whatever could not be checked of quote and devices, for want of collateral or of reference values. */
export const UNCHECKED: readonly string[] = Object.freeze([
  ...['quote.*', 'gpu.*', 'gpu.*.*', 'switch.*', 'switch.*.*'],
])

export const POLICIES: Readonly<Record<PolicyName, AppraisalPolicy>> = Object.freeze({
  /** For who relies on answers: current firmware, by collateral that nobody held back for long. */
  'relying-party': requirePolicy({
    tdx: { maxCollateralAgeS: 7 * DAY_S, minTcbEvaluationDataNumber: EVALUATION_FLOOR },
    gpu: { maxOcspAgeS: 7 * DAY_S, minDriver: DRIVER_FLOOR },
  }),
  /**
   * For a node's own gate: it keeps a machine from serving that nobody could accept. Firmware that is merely behind,
   * collateral that is stale or not at hand, and a model server elsewhere are for each relying party to judge.
   */
  node: requirePolicy({
    tdx: {
      acceptedStatuses: [
        ...['UpToDate', 'SWHardeningNeeded', 'ConfigurationNeeded'],
        ...['ConfigurationAndSWHardeningNeeded', 'TDRelaunchAdvised'],
        ...['TDRelaunchAdvisedConfigurationNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
      ],
      acceptedAdvisories: null,
      collateralGraceS: 365 * DAY_S,
    },
    gpu: { allowHold: true, ocspGraceS: 365 * DAY_S, rimGraceS: 365 * DAY_S },
    // A node knows what started it; that is nothing which collateral or reference values could show to others.
    acceptUnchecked: [...UNCHECKED, 'tapp.starts'],
    allowRemoteUpstream: true,
  }),
})

export function isPolicyName(name: string): name is PolicyName {
  return POLICY_NAMES.some((known) => known === name)
}
