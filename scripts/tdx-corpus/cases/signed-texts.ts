/**
 * TCB info and QE identity whose text is not what was signed, cannot be read, or is of another version, kind, time or platform.
 * Source: Intel PCS API v4, "Get TDX TCB Info" and "Get TDX QE Identity".
 *
 * @module
 */
import type { Document, TextChange } from '../collateral.ts'
import { instant, listOf, makeCollateral } from '../collateral.ts'
import { component, drop, module, qeIdentity, set, tcbInfo, tcbOfTop, topLevel } from '../edits.ts'
import type { Edit } from '../edits.ts'
import { keyOf } from '../keys.ts'
import { AT } from '../pki.ts'
import { malformed, rejected, unsupported } from '../vector.ts'
import type { Vector } from '../vector.ts'

type Code = Parameters<typeof rejected>[1]

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

export function signedTextCases(): Vector[] {
  return [...texts(), ...tcbInfoForms()]
}
