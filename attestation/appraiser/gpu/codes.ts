import type { CodeTable } from '../codes.ts'

export const GPU_CODES = {} as const satisfies CodeTable
