/**
 * TCB info and QE identity: of another platform, version, time or text; levels, modules and statuses one by one.
 * Source: Intel PCS API v4, "Get TDX TCB Info" and "Get TDX QE Identity".
 *
 * @module
 */
import type { CollateralChange, Document, TextChange } from '../collateral.ts'
import { instant, listOf, makeCollateral } from '../collateral.ts'
import { keyOf } from '../keys.ts'
import { AT, DAY } from '../pki.ts'
import { BODY, bytes, QE, u16 } from '../quote.ts'
import type { QuoteParts } from '../quote.ts'
import { malformed, rejected, unsupported } from '../vector.ts'
import type { Evidence, Vector } from '../vector.ts'

type Edit = (document: Document) => void
type Code = Parameters<typeof rejected>[1]

const set =
  (name: string, value: unknown): Edit =>
  (document) => {
    document[name] = value
  }
const drop =
  (name: string): Edit =>
  (document) => {
    delete document[name]
  }
/** Of the level that the platform reaches. */
const topLevel =
  (change: Edit): Edit =>
  (document) => {
    change(listOf(document, 'tcbLevels')[0] ?? {})
  }
const tcbOfTop = (change: Edit): Edit => topLevel((level) => change(level['tcb'] as Document))
const module =
  (change: Edit): Edit =>
  (document) => {
    change(listOf(document, 'tdxModuleIdentities')[0] ?? {})
  }
const component =
  (list: 'sgxtcbcomponents' | 'tdxtcbcomponents', index: number, svn: unknown): Edit =>
  (tcb) => {
    listOf(tcb, list)[index] = { svn }
  }

const tcbInfo = (change: TextChange): Evidence => ({ collateral: { tcbInfo: change } })
const qeIdentity = (change: TextChange): Evidence => ({ collateral: { qeIdentity: change } })

const TEXTS = [
  ['tcb-info', 'tcb_info', tcbInfo, 'TCB info'],
  ['qe-identity', 'qe_identity', qeIdentity, 'QE identity'],
] as const

/** The same attacks on both signed texts. */
function texts(): Vector[] {
  return TEXTS.flatMap(([name, stem, evidence, what]) => {
    const unsigned = (id: string, title: string, change: TextChange): Vector =>
      rejected(`${name}-${id}`, `${stem}_signature_invalid`, `${what}: ${title}`, evidence(change))
    const unread = (id: string, title: string, change: TextChange | Edit): Vector =>
      malformed(
        `${name}-${id}`,
        `${stem}_malformed`,
        `${what}: ${title}`,
        evidence(typeof change === 'function' ? { edit: change } : change),
      )
    const other = (id: string, title: string, edit: Edit): Vector =>
      unsupported(`${name}-${id}`, `${stem}_unsupported`, `${what}: ${title}`, evidence({ edit }))
    const pretty = (text: string): string => JSON.stringify(JSON.parse(text), null, 2)
    const sorted = (text: string): string => {
      const document = JSON.parse(text) as Document
      return JSON.stringify(Object.fromEntries(Object.entries(document).toSorted()))
    }
    return [
      unsigned('signed-by-stranger', 'signed by another key', { signer: keyOf('other') }),
      unsigned('signature-zero', 'r and s are zero', { signature: new Uint8Array(64) }),
      unsigned('edited', 'one digit changed after it was signed', {
        after: (text) =>
          text.replace('"tcbEvaluationDataNumber":18', '"tcbEvaluationDataNumber":19'),
      }),
      unsigned('pretty-printed', 'the same JSON with line ends', { after: pretty }),
      unsigned('members-sorted', 'the same JSON with its members in another order', {
        after: sorted,
      }),
      unsigned('space-behind', 'a space behind the text', { after: (text) => `${text} ` }),
      unsigned('byte-order-mark', 'a byte order mark before the text', {
        after: (text) => `\ufeff${text}`,
      }),
      rejected(
        `${name}-future`,
        `${stem}_not_yet_valid`,
        `${what}: issued a second later`,
        evidence({ edit: set('issueDate', instant(AT + 1)) }),
      ),
      rejected(
        `${name}-expired`,
        `${stem}_expired`,
        `${what}: to be replaced a second before`,
        evidence({ edit: set('nextUpdate', instant(AT - 1)) }),
      ),
      unread('not-json', 'signed text that is no JSON', { text: 'TCB info' }),
      unread('member-twice', 'a member twice, of two values', {
        text: `{"version":3,${(stem === 'tcb_info' ? makeCollateral().tcb_info : makeCollateral().qe_identity).slice(1)}`,
      }),
      unread('array', 'a list in place of the document', { text: '[]' }),
      unread('no-next-update', 'without nextUpdate', drop('nextUpdate')),
      unread(
        'date-rolls-over',
        'a day that does not exist',
        set('nextUpdate', '2027-02-31T00:00:00Z'),
      ),
      unread(
        'date-with-offset',
        'a time in another zone',
        set('nextUpdate', '2027-01-31T00:00:00+02:00'),
      ),
      unread('no-levels', 'without levels', drop('tcbLevels')),
      unread(
        'unknown-status',
        'a status that Intel does not have',
        topLevel(set('tcbStatus', 'Fine')),
      ),
      unread(
        'evaluation-number-text',
        'an evaluation number in quotes',
        set('tcbEvaluationDataNumber', '18'),
      ),
      ...(stem === 'tcb_info' ? [1, 2, 4] : [1, 3]).map((version) =>
        other(`version-${version}`, `version ${version}`, set('version', version)),
      ),
    ]
  })
}

function tcbInfoForms(): Vector[] {
  const unread = (id: string, title: string, edit: Edit): Vector =>
    malformed(`tcb-info-${id}`, 'tcb_info_malformed', title, tcbInfo({ edit }))
  const other = (id: string, title: string, edit: Edit): Vector =>
    unsupported(`tcb-info-${id}`, 'tcb_info_unsupported', title, tcbInfo({ edit }))
  const reject = (id: string, code: Code, title: string, edit: Edit): Vector =>
    rejected(`tcb-info-${id}`, code, title, tcbInfo({ edit }))
  return [
    other('id-sgx', 'TCB info for SGX', set('id', 'SGX')),
    other('id-lower-case', 'an id that is not TDX to the letter', set('id', 'tdx')),
    other('id-absent', 'TCB info without an id', drop('id')),
    other('type-1', 'TCB info of another tcbType', set('tcbType', 1)),
    reject(
      'other-fmspc',
      'fmspc_mismatch',
      'TCB info of another FMSPC',
      set('fmspc', 'B0C06F000000'),
    ),
    reject('other-pce-id', 'pce_id_mismatch', 'TCB info of another PCE', set('pceId', '0001')),
    unread('fmspc-short', 'an FMSPC of five bytes', set('fmspc', '53494D0000')),
    unread(
      'fifteen-sgx-components',
      'fifteen SGX components',
      tcbOfTop((tcb) => listOf(tcb, 'sgxtcbcomponents').pop()),
    ),
    unread(
      'fifteen-tdx-components',
      'fifteen TDX components',
      tcbOfTop((tcb) => listOf(tcb, 'tdxtcbcomponents').pop()),
    ),
    unread(
      'seventeen-tdx-components',
      'seventeen TDX components',
      tcbOfTop((tcb) => listOf(tcb, 'tdxtcbcomponents').push({ svn: 0 })),
    ),
    unread(
      'no-tdx-components',
      'a level without TDX components',
      tcbOfTop(drop('tdxtcbcomponents')),
    ),
    unread('svn-256', 'an SVN of 256', tcbOfTop(component('sgxtcbcomponents', 0, 256))),
    unread('svn-negative', 'an SVN of -1', tcbOfTop(component('sgxtcbcomponents', 0, -1))),
    unread('svn-text', 'an SVN in quotes', tcbOfTop(component('tdxtcbcomponents', 2, '1'))),
    unread('pcesvn-65536', 'a PCESVN of 65536', tcbOfTop(set('pcesvn', 65_536))),
    unread('module-twice', 'two identities of one module', (document) => {
      const identities = listOf(document, 'tdxModuleIdentities')
      identities.push({ ...identities[0] })
    }),
    unread('module-without-id', 'a module identity without id', module(drop('id'))),
    unread('no-module', 'without the identity of the module', drop('tdxModule')),
  ]
}

/** Each dimension of the comparison, short by one. */
function levels(): Vector[] {
  const above = (id: string, title: string, edit: Edit): Vector =>
    rejected(`tcb-level-${id}`, 'tcb_level_missing', title, tcbInfo({ edit: edit }))
  const olderModule: QuoteParts = { put: { [BODY.teeTcbSvn]: bytes('0400050000000000') } }
  return [
    rejected(
      'tcb-level-none',
      'tcb_level_missing',
      'TCB info without any level',
      tcbInfo({ edit: set('tcbLevels', []) }),
    ),
    above(
      'sgx-component-first',
      'the first SGX component is short by one',
      tcbOfTop(component('sgxtcbcomponents', 0, 4)),
    ),
    above(
      'sgx-component-last',
      'the last SGX component is short by one',
      tcbOfTop(component('sgxtcbcomponents', 15, 1)),
    ),
    above('pcesvn', 'the PCESVN is short by one', tcbOfTop(set('pcesvn', 14))),
    above(
      'tdx-component-third',
      'the third TDX component is short by one',
      tcbOfTop(component('tdxtcbcomponents', 2, 5)),
    ),
    above(
      'tdx-component-last',
      'the last TDX component is short by one',
      tcbOfTop(component('tdxtcbcomponents', 15, 1)),
    ),
    rejected(
      'tcb-level-module-of-version-0',
      'tcb_level_missing',
      'a module of version 0, whose SVN counts among the components',
      {
        quote: olderModule,
        collateral: {
          tcbInfo: { edit: tcbOfTop(component('tdxtcbcomponents', 0, 5)) },
        },
      },
    ),
    rejected(
      'tcb-level-module',
      'tcb_level_missing',
      'the module is older than every version listed',
      {
        quote: { put: { [BODY.teeTcbSvn]: bytes('0101040000000000') } },
      },
    ),
    rejected(
      'tcb-level-lower',
      'tcb_status_not_accepted',
      'the platform reaches the second level, which is out of date',
      { collateral: { oldLevels: true, tcbInfo: { edit: tcbOfTop(set('pcesvn', 14)) } } },
    ),
  ]
}

function modules(): Vector[] {
  const signer = 'ff'.repeat(48)
  const signed: QuoteParts = { put: { [BODY.mrSignerSeam]: bytes(signer) } }
  const attributes: QuoteParts = { put: { [BODY.seamAttributes]: bytes('0100000000000000') } }
  const version2: QuoteParts = { put: { [BODY.teeTcbSvn]: bytes('0b02040000000000') } }
  const statusOf = (status: string): Edit =>
    module((identity) => {
      const [level] = listOf(identity, 'tcbLevels')
      if (level !== undefined) level['tcbStatus'] = status
    })
  return [
    rejected(
      'module-version-unknown',
      'tdx_module_unknown',
      'a module of a version that is not listed',
      { quote: version2 },
    ),
    rejected(
      'module-identities-absent',
      'tdx_module_unknown',
      'TCB info without module identities',
      tcbInfo({ edit: drop('tdxModuleIdentities') }),
    ),
    rejected('module-signer', 'tdx_module_mismatch', 'a module that another party signed', {
      quote: signed,
    }),
    rejected(
      'module-signer-of-listed',
      'tdx_module_mismatch',
      'TCB info lists another signer',
      tcbInfo({ edit: module(set('mrsigner', signer)) }),
    ),
    rejected('module-attributes', 'tdx_module_mismatch', 'a module with attributes set', {
      quote: attributes,
    }),
    rejected(
      'module-signer-vouched-for',
      'seam_not_production',
      'a module of another signer that TCB info lists',
      {
        quote: signed,
        collateral: { tcbInfo: { edit: module(set('mrsigner', signer)) } },
      },
    ),
    rejected(
      'module-attributes-vouched-for',
      'seam_not_production',
      'a module with an attribute that TCB info masks out',
      {
        quote: attributes,
        collateral: { tcbInfo: { edit: module(set('attributesMask', '00'.repeat(8))) } },
      },
    ),
    rejected(
      'module-out-of-date',
      'tcb_status_not_accepted',
      'the module is out of date',
      tcbInfo({ edit: statusOf('OutOfDate') }),
    ),
    rejected(
      'module-revoked',
      'tcb_revoked',
      'the module is revoked',
      tcbInfo({ edit: statusOf('Revoked') }),
    ),
    rejected('module-pinned-by-policy', 'mr_seam_not_accepted', 'the policy names another module', {
      policy: { tdx: { mrSeams: ['00'.repeat(48)] } },
    }),
    // The launch was under module SVN 2, out of date; the platform has been updated since.
    rejected(
      'module-relaunch-advised',
      'tcb_status_not_accepted',
      'a TD that started under an outdated module',
      {
        collateral: { oldLevels: true },
        quote: { version: 5, body: 'td15', put: { [BODY.teeTcbSvn]: bytes('0201040000000000') } },
      },
    ),
    rejected('module-current-revoked', 'tcb_revoked', 'a TD that runs under a revoked module now', {
      quote: { version: 5, body: 'td15', put: { [BODY.teeTcbSvn2]: bytes('0201040000000000') } },
      collateral: {
        oldLevels: true,
        tcbInfo: {
          edit: module((identity) =>
            set('tcbStatus', 'Revoked')(listOf(identity, 'tcbLevels')[1] ?? {}),
          ),
        },
      },
    }),
    rejected(
      'module-current-unknown',
      'tdx_module_unknown',
      'a TD that runs under a module that is not listed now',
      {
        quote: { version: 5, body: 'td15', put: { [BODY.teeTcbSvn2]: bytes('0b02040000000000') } },
      },
    ),
  ]
}

export const STATUSES = [
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
] as const

export function kebab(status: string): string {
  return status.replaceAll(/([a-z])([A-Z])/g, '$1-$2').toLowerCase()
}

function statuses(): Vector[] {
  const all = ['UpToDate', ...STATUSES]
  const permissive = { tdx: { acceptedStatuses: all, acceptedAdvisories: null } }
  const advisory: Edit = topLevel(set('advisoryIDs', ['INTEL-SA-00837']))
  const qeLevel = (status: string): Edit => topLevel(set('tcbStatus', status))
  return [
    ...STATUSES.map((tcbStatus) =>
      rejected(
        `tcb-status-${kebab(tcbStatus)}`,
        'tcb_status_not_accepted',
        `the platform is ${tcbStatus}`,
        { collateral: { tcbStatus } },
      ),
    ),
    ...STATUSES.map((tcbStatus) =>
      rejected(
        `tcb-status-all-but-${kebab(tcbStatus)}`,
        'tcb_status_not_accepted',
        `the policy accepts all but ${tcbStatus}`,
        {
          collateral: { tcbStatus },
          policy: {
            tdx: {
              acceptedStatuses: all.filter((status) => status !== tcbStatus),
              acceptedAdvisories: null,
            },
          },
        },
      ),
    ),
    rejected('tcb-status-revoked', 'tcb_revoked', 'the platform is revoked', {
      collateral: { tcbStatus: 'Revoked' },
    }),
    rejected(
      'tcb-status-revoked-permissive',
      'tcb_revoked',
      'the platform is revoked and the policy accepts all else',
      { collateral: { tcbStatus: 'Revoked' }, policy: permissive },
    ),
    ...['ConfigurationNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded'].map((status) =>
      rejected(
        `qe-status-${kebab(status)}`,
        'tcb_status_not_accepted',
        `the quoting enclave is ${status}`,
        qeIdentity({ edit: qeLevel(status) }),
      ),
    ),
    rejected('qe-status-revoked', 'tcb_revoked', 'the quoting enclave is revoked', {
      ...qeIdentity({ edit: qeLevel('Revoked') }),
      policy: permissive,
    }),
    rejected('tcb-no-status-accepted', 'tcb_status_not_accepted', 'the policy accepts no status', {
      policy: { tdx: { acceptedStatuses: [] } },
    }),
    rejected(
      'advisory-not-accepted',
      'tcb_advisory_not_accepted',
      'UpToDate with an advisory',
      tcbInfo({ edit: advisory }),
    ),
    rejected(
      'advisory-other-accepted',
      'tcb_advisory_not_accepted',
      'the policy accepts another advisory',
      {
        ...tcbInfo({ edit: advisory }),
        policy: { tdx: { acceptedAdvisories: ['INTEL-SA-00615'] } },
      },
    ),
    rejected(
      'advisory-status-accepted-only',
      'tcb_advisory_not_accepted',
      'the status is accepted, its advisory is not',
      {
        collateral: { tcbStatus: 'OutOfDate' },
        policy: { tdx: { acceptedStatuses: ['OutOfDate'] } },
      },
    ),
    rejected(
      'advisory-of-quoting-enclave',
      'tcb_advisory_not_accepted',
      'an advisory of the quoting enclave',
      qeIdentity({ edit: advisory }),
    ),
  ]
}

function qeIdentities(): Vector[] {
  const enclave = (
    id: string,
    code: Code,
    title: string,
    putQe: NonNullable<QuoteParts['putQe']>,
  ): Vector => rejected(`qe-${id}`, code, `the quoting enclave: ${title}`, { quote: { putQe } })
  const identity = (id: string, title: string, edit: Edit): Vector =>
    rejected(
      `qe-identity-${id}`,
      'qe_identity_mismatch',
      `QE identity: ${title}`,
      qeIdentity({ edit }),
    )
  const other = (id: string, title: string, edit: Edit): Vector =>
    unsupported(
      `qe-identity-${id}`,
      'qe_identity_unsupported',
      `QE identity: ${title}`,
      qeIdentity({ edit }),
    )
  const info = makeCollateral().tcb_info
  const qe = makeCollateral().qe_identity
  return [
    enclave(
      'other-signer',
      'qe_identity_mismatch',
      'an enclave of another signer on a certified platform',
      { [QE.mrSigner]: new Uint8Array(32) },
    ),
    enclave('other-product', 'qe_identity_mismatch', 'another product of the same signer', {
      [QE.isvProdId]: u16(1),
    }),
    enclave('misc-select', 'qe_identity_mismatch', 'a bit of miscselect', {
      [QE.miscSelect]: bytes('01000000'),
    }),
    enclave('attribute', 'qe_identity_mismatch', 'an attribute that the identity masks in', {
      [QE.attributes]: bytes('3500000000000000e700000000000000'),
    }),
    enclave('debug', 'qe_debug', 'in debug mode', {
      [QE.attributes]: bytes('1700000000000000e700000000000000'),
    }),
    enclave('svn-below', 'qe_level_missing', 'older than every version listed', {
      [QE.isvSvn]: u16(3),
    }),
    identity('other-signer', 'of another signer', set('mrsigner', '00'.repeat(32))),
    identity('other-product', 'of another product', set('isvprodid', 1)),
    rejected(
      'qe-identity-no-level',
      'qe_level_missing',
      'QE identity without any level',
      qeIdentity({ edit: set('tcbLevels', []) }),
    ),
    other('id-sgx', 'of the SGX quoting enclave', set('id', 'QE')),
    other('id-verifier', 'of the verification enclave', set('id', 'QVE')),
    other('id-absent', 'without an id', drop('id')),
    unsupported(
      'qe-identity-is-tcb-info',
      'qe_identity_unsupported',
      'the TCB info, genuinely signed, in place of the QE identity',
      qeIdentity({ text: info }),
    ),
    unsupported(
      'tcb-info-is-qe-identity',
      'tcb_info_unsupported',
      'the QE identity, genuinely signed, in place of the TCB info',
      tcbInfo({ text: qe }),
    ),
  ]
}

function ages(): Vector[] {
  const old: CollateralChange = {
    tcbInfo: { edit: set('issueDate', instant(AT - 8 * DAY)) },
  }
  const policy = (tdx: object): { policy: object } => ({ policy: { tdx } })
  return [
    rejected(
      'evaluation-number-of-both',
      'tcb_evaluation_too_old',
      'evaluation 18 where 19 is asked for',
      policy({ minTcbEvaluationDataNumber: 19 }),
    ),
    rejected(
      'evaluation-number-of-qe-identity',
      'tcb_evaluation_too_old',
      'the QE identity is of an earlier evaluation',
      {
        ...qeIdentity({ edit: set('tcbEvaluationDataNumber', 17) }),
        ...policy({ minTcbEvaluationDataNumber: 18 }),
      },
    ),
    rejected(
      'evaluation-number-of-tcb-info',
      'tcb_evaluation_too_old',
      'the TCB info is of an earlier evaluation',
      {
        ...tcbInfo({ edit: set('tcbEvaluationDataNumber', 17) }),
        ...policy({ minTcbEvaluationDataNumber: 18 }),
      },
    ),
    rejected(
      'age-of-tcb-info',
      'collateral_too_old',
      'TCB info of eight days ago where seven are accepted',
      { collateral: old, ...policy({ maxCollateralAgeS: 7 * DAY }) },
    ),
    rejected(
      'age-of-qe-identity',
      'collateral_too_old',
      'QE identity of eight days ago where seven are accepted',
      {
        ...qeIdentity({ edit: set('issueDate', instant(AT - 8 * DAY)) }),
        ...policy({ maxCollateralAgeS: 7 * DAY }),
      },
    ),
    rejected(
      'age-of-pck-list',
      'collateral_too_old',
      'a PCK list of eight days ago where seven are accepted',
      {
        collateral: { pckCrl: { thisUpdate: AT - 8 * DAY } },
        ...policy({ maxCollateralAgeS: 7 * DAY }),
      },
    ),
    rejected(
      'grace-used-up',
      'tcb_info_expired',
      'TCB info two hours late where one hour is granted',
      {
        ...tcbInfo({ edit: set('nextUpdate', instant(AT - 7200)) }),
        ...policy({ collateralGraceS: 3600 }),
      },
    ),
    rejected(
      'grace-is-not-for-certificates',
      'pck_chain_expired',
      'grace does not keep a certificate alive',
      {
        at: AT + 3651 * DAY,
        ...policy({ collateralGraceS: 10 * 365 * DAY }),
      },
    ),
    rejected(
      'collateral-not-given',
      'not_met',
      'no collateral where the policy asks for revocation',
      { collateral: null, policy: { require: ['quote.crl'] } },
    ),
  ]
}

export function tcbCases(): Vector[] {
  return [
    ...texts(),
    ...tcbInfoForms(),
    ...levels(),
    ...modules(),
    ...statuses(),
    ...qeIdentities(),
    ...ages(),
  ]
}
