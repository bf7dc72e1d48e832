/**
 * Identity of the TD quoting enclave, version 2 (PCS API v4, "Get TDX QE Identity"): which enclave may certify attestation
 * keys, and which versions of it are in which state.
 *
 * @module
 */
import { MAX_EVALUATION_NUMBER, svnLevel } from './parse-tcb-info.ts'
import type { SvnLevel } from './parse-tcb-info.ts'
import {
  bytesAt,
  instantAt,
  integerAt,
  listAt,
  readSigned,
  UnreadableCollateral,
} from './signed-json.ts'
import type { SignedResult } from './signed-json.ts'
import type { TcbStatus } from './tcb-status.ts'

const MAX_UINT16 = 65_535

const QE_STATUSES: readonly TcbStatus[] = [
  ...(['UpToDate', 'ConfigurationNeeded', 'OutOfDate'] as const),
  ...(['OutOfDateConfigurationNeeded', 'Revoked'] as const),
]

export interface QeIdentity {
  /** Unix seconds. */
  readonly issueDate: number
  readonly nextUpdate: number
  readonly tcbEvaluationDataNumber: number
  /** 4 bytes each, in the order of the enclave report. */
  readonly miscSelect: Uint8Array
  readonly miscSelectMask: Uint8Array
  /** 16 bytes each. */
  readonly attributes: Uint8Array
  readonly attributesMask: Uint8Array
  /** 32 bytes. */
  readonly mrSigner: Uint8Array
  readonly isvProdId: number
  /** Newest first. */
  readonly levels: readonly SvnLevel[]
}

/** Parses the exact text that was signed. Never throws; the signature is for the caller to verify first. */
export function parseQeIdentity(text: string): SignedResult<QeIdentity> {
  return readSigned(text, (document) => {
    // The same signer vouches for the SGX quoting enclave (QE) and the verification enclave (QVE).
    if (document['id'] !== 'TD_QE') throw new UnreadableCollateral('id is not TD_QE', 'unsupported')
    if (document['version'] !== 2) throw new UnreadableCollateral('version is not 2', 'unsupported')
    return {
      issueDate: instantAt(document['issueDate'], 'issueDate'),
      nextUpdate: instantAt(document['nextUpdate'], 'nextUpdate'),
      tcbEvaluationDataNumber: integerAt(
        document['tcbEvaluationDataNumber'],
        'tcbEvaluationDataNumber',
        MAX_EVALUATION_NUMBER,
      ),
      miscSelect: bytesAt(document['miscselect'], 'miscselect', 4),
      miscSelectMask: bytesAt(document['miscselectMask'], 'miscselectMask', 4),
      attributes: bytesAt(document['attributes'], 'attributes', 16),
      attributesMask: bytesAt(document['attributesMask'], 'attributesMask', 16),
      mrSigner: bytesAt(document['mrsigner'], 'mrsigner', 32),
      isvProdId: integerAt(document['isvprodid'], 'isvprodid', MAX_UINT16),
      levels: listAt(document['tcbLevels'], 'tcbLevels').map((level) =>
        svnLevel(level, 'a level of the quoting enclave', MAX_UINT16, QE_STATUSES),
      ),
    }
  })
}
