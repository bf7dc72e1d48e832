/**
 * The two policies that ship, by name.
 *
 * @module
 */
import { DEFAULT_POLICY } from './policy.ts'
import type { AppraisalPolicy } from './policy.ts'
import { DEFAULT_TDX_POLICY } from './quote/tdx-policy.ts'

export const POLICY_NAMES = Object.freeze(['relying-party', 'node'] as const)
export type PolicyName = (typeof POLICY_NAMES)[number]

const DAY_S = 24 * 3600
/** The standard evaluation of March 2026, the newest that this project has evidence of. */
const EVALUATION_FLOOR = 18

export const POLICIES: Readonly<Record<PolicyName, AppraisalPolicy>> = Object.freeze({
  /** For who relies on answers: current firmware, by collateral that nobody held back for long. */
  'relying-party': Object.freeze({
    ...DEFAULT_POLICY,
    tdx: Object.freeze({
      ...DEFAULT_TDX_POLICY,
      maxCollateralAgeS: 7 * DAY_S,
      minTcbEvaluationDataNumber: EVALUATION_FLOOR,
    }),
  }),
  /**
   * For a node's own gate: it keeps a machine from serving that nobody could accept. Firmware that is merely behind,
   * collateral that is stale or not at hand are for each relying party to judge.
   */
  node: Object.freeze({
    ...DEFAULT_POLICY,
    tdx: Object.freeze({
      ...DEFAULT_TDX_POLICY,
      acceptedStatuses: Object.freeze([
        ...(['UpToDate', 'SWHardeningNeeded', 'ConfigurationNeeded'] as const),
        ...(['ConfigurationAndSWHardeningNeeded', 'TDRelaunchAdvised'] as const),
        ...(['TDRelaunchAdvisedConfigurationNeeded', 'OutOfDate'] as const),
        'OutOfDateConfigurationNeeded' as const,
      ]),
      acceptedAdvisories: null,
      collateralGraceS: 365 * DAY_S,
    }),
    acceptUnchecked: Object.freeze(['quote.*', 'gpu.*.*']),
  }),
})

export function isPolicyName(name: string): name is PolicyName {
  return POLICY_NAMES.some((known) => known === name)
}
