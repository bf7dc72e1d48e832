import type { CodeTable } from '../codes.ts'

export const DOCUMENT_CODES = {} as const satisfies CodeTable
