import type { CodeTable } from '../codes.ts'

export const TAPP_CODES = {
  platform_not_accepted: {
    family: 'policy',
    meaning:
      'the evidence is of a machine that something else started than the policy names (dstack, or TAPP of 0G)',
  },
} as const satisfies CodeTable
