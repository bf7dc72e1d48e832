/**
 * What genuine TCB info and QE identity say of a platform: levels, modules and statuses one by one, ages, the quoting enclave.
 * Source: Intel PCS API v4, "Get TDX TCB Info" and "Get TDX QE Identity".
 *
 * @module
 */
import type { CollateralChange } from '../collateral.ts'
import { instant, listOf, makeCollateral } from '../collateral.ts'
import { component, drop, module, qeIdentity, set, tcbInfo, tcbOfTop, topLevel } from '../edits.ts'
import type { Edit } from '../edits.ts'
import { AT, DAY } from '../pki.ts'
import { BODY, bytes, QE, u16 } from '../quote.ts'
import type { QuoteParts } from '../quote.ts'
import { rejected, unsupported } from '../vector.ts'
import type { Vector } from '../vector.ts'

type Code = Parameters<typeof rejected>[1]

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
  return [...levels(), ...modules(), ...statuses(), ...qeIdentities(), ...ages()]
}
