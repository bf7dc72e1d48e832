import type { CodeTable } from '../codes.ts'

export const QUOTE_CODES = {} as const satisfies CodeTable
