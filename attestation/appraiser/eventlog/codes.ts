import type { CodeTable } from '../codes.ts'

export const EVENT_LOG_CODES = {} as const satisfies CodeTable
