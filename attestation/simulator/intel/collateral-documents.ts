/**
 * The two signed JSON documents of Intel's Provisioning Certification Service: TCB info version 3 for TDX and the
 * identity of the TD quoting enclave, version 2 (PCS API v4, "Get TDX TCB Info" and "Get TDX QE Identity"). Returned
 * as text because exactly these bytes are signed.
 *
 * @module
 */
import {
  QE_PRODUCT_ID,
  QE_SVN,
  SIMULATED_COMPONENTS,
  SIMULATED_FMSPC,
  SIMULATED_PCE_ID,
  SIMULATED_PCE_SVN,
  SIMULATED_QE_SIGNER,
  SIMULATED_TEE_TCB_SVN,
} from './simulated-platform.ts'

/** Worst last; what Intel calls the status of a TCB level. */
export type TcbStatus =
  | 'UpToDate'
  | 'SWHardeningNeeded'
  | 'ConfigurationNeeded'
  | 'ConfigurationAndSWHardeningNeeded'
  | 'OutOfDate'
  | 'OutOfDateConfigurationNeeded'
  | 'Revoked'

export interface DocumentDates {
  readonly issueDate: Date
  readonly nextUpdate: Date
}

/** Lowest version of the quoting enclave that is up to date; the simulated one is newer. */
const MINIMUM_QE_SVN = QE_SVN - 2
const TCB_EVALUATION_DATA_NUMBER = 18
const LEVEL_DATE = '2024-11-13T00:00:00Z'
const OLD_LEVEL_DATE = '2018-01-04T00:00:00Z'
const OLD_PCE_SVN = 5
const ADVISORY = 'INTEL-SA-00000'

/** Upper case, as Intel writes hex in collateral. */
function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase()
}

/** ISO 8601 without fractions of a second, as Intel writes it. */
function instant(at: Date): string {
  return at.toISOString().replace(/\.\d{3}Z$/, 'Z')
}

function level(
  pceSvn: number,
  date: string,
  status: TcbStatus,
  advisories: readonly string[],
): object {
  // Two below the platform in each dimension, so that a comparison by equality instead of "at least" shows.
  const lower = (svn: number): number => Math.max(0, svn - 2)
  return {
    tcb: {
      sgxtcbcomponents: SIMULATED_COMPONENTS.map((svn) => ({ svn: lower(svn) })),
      pcesvn: pceSvn,
      // The first two bytes belong to the module identity when the second is not zero (PCS API v4).
      tdxtcbcomponents: [...SIMULATED_TEE_TCB_SVN].map((svn, index) => ({
        svn: index === 1 ? 0 : lower(svn),
      })),
    },
    tcbDate: date,
    tcbStatus: status,
    ...(advisories.length === 0 ? {} : { advisoryIDs: advisories }),
  }
}

/** TCB info: the level that the simulated platform reaches has `status`, one older level is out of date. */
export function tcbInfo(dates: DocumentDates, status: TcbStatus): string {
  const advisories = status === 'UpToDate' ? [] : [ADVISORY]
  const module = {
    mrsigner: '00'.repeat(48),
    attributes: '00'.repeat(8),
    attributesMask: 'FF'.repeat(8),
  }
  const moduleSvn = (SIMULATED_TEE_TCB_SVN[0] ?? 0) - 1
  return JSON.stringify({
    id: 'TDX',
    version: 3,
    issueDate: instant(dates.issueDate),
    nextUpdate: instant(dates.nextUpdate),
    fmspc: hex(SIMULATED_FMSPC),
    pceId: hex(SIMULATED_PCE_ID),
    tcbType: 0,
    tcbEvaluationDataNumber: TCB_EVALUATION_DATA_NUMBER,
    tdxModule: module,
    tdxModuleIdentities: [
      {
        id: 'TDX_01',
        ...module,
        tcbLevels: [
          { tcb: { isvsvn: moduleSvn }, tcbDate: LEVEL_DATE, tcbStatus: 'UpToDate' },
          {
            tcb: { isvsvn: 2 },
            tcbDate: OLD_LEVEL_DATE,
            tcbStatus: 'OutOfDate',
            advisoryIDs: [ADVISORY],
          },
        ],
      },
    ],
    tcbLevels: [
      level(SIMULATED_PCE_SVN, LEVEL_DATE, status, advisories),
      level(OLD_PCE_SVN, OLD_LEVEL_DATE, 'OutOfDate', [ADVISORY]),
    ],
  })
}

/** Identity of the simulated TD quoting enclave. */
export function qeIdentity(dates: DocumentDates): string {
  return JSON.stringify({
    id: 'TD_QE',
    version: 2,
    issueDate: instant(dates.issueDate),
    nextUpdate: instant(dates.nextUpdate),
    tcbEvaluationDataNumber: TCB_EVALUATION_DATA_NUMBER,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: `11${'00'.repeat(15)}`,
    attributesMask: `FB${'FF'.repeat(7)}${'00'.repeat(8)}`,
    mrsigner: hex(SIMULATED_QE_SIGNER),
    isvprodid: QE_PRODUCT_ID,
    tcbLevels: [{ tcb: { isvsvn: MINIMUM_QE_SVN }, tcbDate: LEVEL_DATE, tcbStatus: 'UpToDate' }],
  })
}
