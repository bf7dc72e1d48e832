import type { CodeTable } from '../codes.ts'

export const RECEIPT_CODES = {} as const satisfies CodeTable
