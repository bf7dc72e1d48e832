/**
 * Every code a check can carry, by family. `docs/errors.md` is generated from these tables, and a test asserts that
 * each code is produced by some test.
 *
 * @module
 */
import { CHANNEL_CODES } from './channel/codes.ts'
import { CUSTODY_CODES } from './custody/codes.ts'
import { EVIDENCE_CODES } from './evidence/codes.ts'
import { EVENT_LOG_CODES } from './eventlog/codes.ts'
import { GPU_CODES } from './gpu/codes.ts'
import { OCSP_CODES } from './gpu/ocsp/codes.ts'
import { GPU_FILE_CODES } from './gpu/file-codes.ts'
import { LOG_CODES } from './log/codes.ts'
import { NRAS_CODES } from './gpu/nras/codes.ts'
import { RIM_CODES } from './gpu/rim/codes.ts'
import { HTTP_SIGNATURE_CODES } from './http-signature/codes.ts'
import { COLLATERAL_CODES } from './quote/collateral-codes.ts'
import { QUOTE_CODES } from './quote/codes.ts'
import { RATLS_CODES } from './ratls/codes.ts'
import { RECEIPT_CODES } from './receipt/codes.ts'
import { REPORT_CODES } from './report/codes.ts'
import { DOCUMENT_CODES } from './document/codes.ts'
import { TAPP_CODES } from './tapp/codes.ts'

/**
 * malformed: cannot be read. unsupported: a genuine kind that this version does not judge. invalid: the evidence is bad.
 * policy: the evidence is good and not what the policy accepts. absent: nothing was there to judge. note: not a failure.
 */
export type CodeFamily = 'malformed' | 'unsupported' | 'invalid' | 'policy' | 'absent' | 'note'

export type CodeTable = Readonly<
  Record<string, { readonly family: CodeFamily; readonly meaning: string }>
>

export const GENERAL_CODES = {
  ok: { family: 'note', meaning: 'the check passed' },
  not_yet_checked: {
    family: 'absent',
    meaning: 'this version does not perform the check; the detail says which part is missing',
  },
  not_provided: { family: 'absent', meaning: 'the input that this check needs was not given' },
  depends_on_failed: {
    family: 'absent',
    meaning: 'a check that this one builds on failed or was skipped',
  },
} as const satisfies CodeTable

export const CHECK_CODES = {
  ...GENERAL_CODES,
  ...DOCUMENT_CODES,
  ...QUOTE_CODES,
  ...COLLATERAL_CODES,
  ...EVENT_LOG_CODES,
  ...TAPP_CODES,
  ...CHANNEL_CODES,
  ...CUSTODY_CODES,
  ...GPU_CODES,
  ...OCSP_CODES,
  ...GPU_FILE_CODES,
  ...NRAS_CODES,
  ...RIM_CODES,
  ...RATLS_CODES,
  ...RECEIPT_CODES,
  ...HTTP_SIGNATURE_CODES,
  ...LOG_CODES,
  ...REPORT_CODES,
  ...EVIDENCE_CODES,
} as const

export type CheckCode = keyof typeof CHECK_CODES
