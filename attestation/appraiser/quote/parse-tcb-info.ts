/**
 * TCB info for TDX, version 3 (PCS API v4, "Get TDX TCB Info"): which firmware of one processor family is in which state.
 *
 * @module
 */
import {
  advisoriesAt,
  bytesAt,
  instantAt,
  integerAt,
  listAt,
  objectAt,
  readSigned,
  statusAt,
  UnreadableCollateral,
} from './signed-json.ts'
import type { SignedResult } from './signed-json.ts'
import type { TcbStatus } from './tcb-status.ts'

const COMPONENTS = 16
const MAX_SVN = 255
const MAX_PCE_SVN = 65_535
export const MAX_EVALUATION_NUMBER = 2 ** 31 - 1
const TCB_TYPE = 0
const MODULE_ID = /^TDX_([0-9A-F]{2})$/

const PLATFORM_STATUSES: readonly TcbStatus[] = [
  ...(['UpToDate', 'SWHardeningNeeded', 'ConfigurationNeeded'] as const),
  ...(['ConfigurationAndSWHardeningNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded'] as const),
  'Revoked',
]
const MODULE_STATUSES: readonly TcbStatus[] = ['UpToDate', 'OutOfDate', 'Revoked']

/** What one level of any kind says of whoever reaches it. */
export interface LevelState {
  readonly status: TcbStatus
  /** Unix seconds. */
  readonly date: number
  readonly advisories: readonly string[]
}

export interface PlatformLevel extends LevelState {
  /** 16 numbers each, 0 to 255. */
  readonly sgxComponents: readonly number[]
  readonly tdxComponents: readonly number[]
  readonly pceSvn: number
}

export interface SvnLevel extends LevelState {
  readonly isvSvn: number
}

export interface ModuleSigner {
  /** 48 bytes. */
  readonly mrSigner: Uint8Array
  /** 8 bytes each. */
  readonly attributes: Uint8Array
  readonly attributesMask: Uint8Array
}

export interface ModuleIdentity extends ModuleSigner {
  /** Major version of the TDX module, byte 1 of tee_tcb_svn. */
  readonly version: number
  /** Newest first. */
  readonly levels: readonly SvnLevel[]
}

export interface TcbInfo {
  /** Unix seconds. */
  readonly issueDate: number
  readonly nextUpdate: number
  /** 6 bytes. */
  readonly fmspc: Uint8Array
  /** 2 bytes. */
  readonly pceId: Uint8Array
  readonly tcbEvaluationDataNumber: number
  /** For modules of version 0. */
  readonly module: ModuleSigner
  readonly modules: readonly ModuleIdentity[]
  /** Newest first. */
  readonly levels: readonly PlatformLevel[]
}

function componentsAt(value: unknown, what: string): readonly number[] {
  const list = listAt(value, what)
  // A shorter list would leave components out of the comparison.
  if (list.length !== COMPONENTS) {
    throw new UnreadableCollateral(`${what} has not ${COMPONENTS} entries`)
  }
  return list.map((item) => integerAt(objectAt(item, what)['svn'], what, MAX_SVN))
}

function platformLevel(value: unknown): PlatformLevel {
  const level = objectAt(value, 'a level')
  const tcb = objectAt(level['tcb'], 'tcb of a level')
  return {
    sgxComponents: componentsAt(tcb['sgxtcbcomponents'], 'sgxtcbcomponents'),
    tdxComponents: componentsAt(tcb['tdxtcbcomponents'], 'tdxtcbcomponents'),
    pceSvn: integerAt(tcb['pcesvn'], 'pcesvn', MAX_PCE_SVN),
    status: statusAt(level['tcbStatus'], 'tcbStatus', PLATFORM_STATUSES),
    date: instantAt(level['tcbDate'], 'tcbDate'),
    advisories: advisoriesAt(level['advisoryIDs'], 'advisoryIDs'),
  }
}

/** A level of an enclave or module: its own SVN and what it means. */
export function svnLevel(
  value: unknown,
  what: string,
  maxSvn: number,
  statuses: readonly TcbStatus[],
): SvnLevel {
  const level = objectAt(value, what)
  const tcb = objectAt(level['tcb'], what)
  return {
    isvSvn: integerAt(tcb['isvsvn'], 'isvsvn', maxSvn),
    status: statusAt(level['tcbStatus'], 'tcbStatus', statuses),
    date: instantAt(level['tcbDate'], 'tcbDate'),
    advisories: advisoriesAt(level['advisoryIDs'], 'advisoryIDs'),
  }
}

function moduleSigner(value: unknown, what: string): ModuleSigner {
  const signer = objectAt(value, what)
  return {
    mrSigner: bytesAt(signer['mrsigner'], `mrsigner of ${what}`, 48),
    attributes: bytesAt(signer['attributes'], `attributes of ${what}`, 8),
    attributesMask: bytesAt(signer['attributesMask'], `attributesMask of ${what}`, 8),
  }
}

function moduleIdentity(value: unknown): ModuleIdentity {
  const identity = objectAt(value, 'a module identity')
  const id = identity['id']
  const version = typeof id === 'string' ? MODULE_ID.exec(id.toUpperCase())?.[1] : undefined
  if (version === undefined) throw new UnreadableCollateral('a module identity has no id')
  return {
    version: Number.parseInt(version, 16),
    ...moduleSigner(identity, 'a module identity'),
    levels: listAt(identity['tcbLevels'], 'tcbLevels of a module').map((level) =>
      svnLevel(level, 'a level of a module', MAX_SVN, MODULE_STATUSES),
    ),
  }
}

/** Parses the exact text that was signed. Never throws; the signature is for the caller to verify first. */
export function parseTcbInfo(text: string): SignedResult<TcbInfo> {
  return readSigned(text, (document) => {
    // TCB info for SGX has the same form and another meaning.
    if (document['id'] !== 'TDX') throw new UnreadableCollateral('id is not TDX', 'unsupported')
    if (document['version'] !== 3) throw new UnreadableCollateral('version is not 3', 'unsupported')
    if (document['tcbType'] !== TCB_TYPE) {
      throw new UnreadableCollateral('the rules of another tcbType', 'unsupported')
    }
    // Absent from documents of 2023, before modules had versions.
    const identities = document['tdxModuleIdentities']
    const modules =
      identities === undefined ? [] : listAt(identities, 'tdxModuleIdentities').map(moduleIdentity)
    if (new Set(modules.map(({ version }) => version)).size !== modules.length) {
      throw new UnreadableCollateral('two identities of one module')
    }
    return {
      issueDate: instantAt(document['issueDate'], 'issueDate'),
      nextUpdate: instantAt(document['nextUpdate'], 'nextUpdate'),
      fmspc: bytesAt(document['fmspc'], 'fmspc', 6),
      pceId: bytesAt(document['pceId'], 'pceId', 2),
      tcbEvaluationDataNumber: integerAt(
        document['tcbEvaluationDataNumber'],
        'tcbEvaluationDataNumber',
        MAX_EVALUATION_NUMBER,
      ),
      module: moduleSigner(document['tdxModule'], 'tdxModule'),
      modules,
      levels: listAt(document['tcbLevels'], 'tcbLevels').map(platformLevel),
    }
  })
}
