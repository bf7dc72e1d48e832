import { describe, expect, test } from 'vitest'
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import {
  isTcbStatus,
  mergeStatuses,
  relaunchStatus,
  TCB_STATUSES,
} from '../../attestation/appraiser/quote/tcb-status.ts'
import type { TcbStatus } from '../../attestation/appraiser/quote/tcb-status.ts'
import { DAY, edit, failed, makeIntelWorld } from './collateral.helpers.ts'
import type { WorldChange } from './collateral.helpers.ts'
import { AT } from './x509.helpers.ts'

interface Level {
  tcb: {
    sgxtcbcomponents: { svn: number }[]
    tdxtcbcomponents: { svn: number }[]
    pcesvn: number
    isvsvn: number
  }
  tcbStatus: string
  advisoryIDs?: string[]
}

interface Info {
  tcbLevels: Level[]
  tdxModuleIdentities: { id: string; tcbLevels: Level[] }[]
}

function levelOf(levels: readonly Level[] | undefined, index = 0): Level {
  const level = levels?.[index]
  if (level === undefined) throw new Error('no such level')
  return level
}

/** A world whose signed documents were changed, and what its quote comes to. */
function world(
  change: (info: Info) => void = () => undefined,
  changeQe: (identity: { tcbLevels: Level[] }) => void = () => undefined,
): (change?: WorldChange) => string {
  const made = makeIntelWorld({
    editTcbInfo: edit((document) => change(document as unknown as Info)),
    editQeIdentity: edit((document) => changeQe(document as unknown as Info)),
  })
  return (options) => {
    const appraisal = made.appraise(options)
    const outcome = failed(appraisal)
    return outcome === 'ok' ? (appraisal.tcb?.status ?? 'no state') : outcome
  }
}

const platformStatus = (status: TcbStatus, advisoryIDs: string[] = []) =>
  world((info) => Object.assign(levelOf(info.tcbLevels), { tcbStatus: status, advisoryIDs }))

describe('statuses', () => {
  test('of parts become one in which nothing that is wrong is lost', () => {
    const merged = (...statuses: TcbStatus[]): TcbStatus => mergeStatuses(statuses)
    expect(merged()).toBe('UpToDate')
    for (const status of TCB_STATUSES) {
      expect(merged(status)).toBe(status)
      expect(merged(status, 'UpToDate')).toBe(status)
      expect(merged('Revoked', status)).toBe('Revoked')
      expect(isTcbStatus(status)).toBe(true)
    }
    expect(merged('SWHardeningNeeded', 'ConfigurationNeeded')).toBe(
      'ConfigurationAndSWHardeningNeeded',
    )
    expect(merged('SWHardeningNeeded', 'OutOfDate')).toBe('OutOfDate')
    expect(merged('ConfigurationNeeded', 'OutOfDate')).toBe('OutOfDateConfigurationNeeded')
    expect(merged('ConfigurationAndSWHardeningNeeded', 'OutOfDate')).toBe(
      'OutOfDateConfigurationNeeded',
    )
    expect(merged('TDRelaunchAdvised', 'ConfigurationNeeded')).toBe(
      'TDRelaunchAdvisedConfigurationNeeded',
    )
    expect(merged('TDRelaunchAdvised', 'OutOfDate')).toBe('OutOfDate')
    expect(isTcbStatus('toString')).toBe(false)
  })

  test('a TD that started outdated and runs on an updated platform should start again', () => {
    const fine = [
      ['UpToDate', ''],
      ['SWHardeningNeeded', ''],
      ['ConfigurationNeeded', 'ConfigurationNeeded'],
      ['ConfigurationAndSWHardeningNeeded', 'ConfigurationNeeded'],
    ] as const
    for (const [current, suffix] of fine) {
      expect(relaunchStatus('OutOfDate', current)).toBe(`TDRelaunchAdvised${suffix}`)
      expect(relaunchStatus('OutOfDateConfigurationNeeded', current)).toBe(
        'TDRelaunchAdvisedConfigurationNeeded',
      )
      expect(relaunchStatus(current, current)).toBe(current)
    }
    expect(relaunchStatus('OutOfDate', 'OutOfDate')).toBe('OutOfDate')
    expect(relaunchStatus('OutOfDate', 'Revoked')).toBe('Revoked')
    expect(relaunchStatus('Revoked', 'UpToDate')).toBe('Revoked')
    // Stricter than Intel's library, which lets the state at launch stand.
    expect(relaunchStatus('UpToDate', 'OutOfDate')).toBe('OutOfDate')
  })
})

describe('the state of a platform', () => {
  test.each(TCB_STATUSES.filter((status) => !status.startsWith('TDRelaunch')))(
    '%s is accepted where the policy lists it, and Revoked never',
    (status) => {
      const judge = platformStatus(status)
      const not =
        status === 'Revoked'
          ? 'quote.tcb_status tcb_revoked'
          : 'quote.tcb_status tcb_status_not_accepted'
      expect(judge()).toBe(status === 'UpToDate' ? 'UpToDate' : not)
      const listed = TCB_STATUSES.filter((item) => item !== 'Revoked')
      expect(judge({ policy: { acceptedStatuses: listed } })).toBe(
        status === 'Revoked' ? not : status,
      )
    },
  )

  test('the policies that ship: a node takes what Intel has not revoked, a relying party what is current', () => {
    const { node, 'relying-party': party } = POLICIES
    expect(platformStatus('OutOfDate', ['INTEL-SA-00001'])({ policy: node.tdx })).toBe('OutOfDate')
    expect(platformStatus('Revoked')({ policy: node.tdx })).toBe('quote.tcb_status tcb_revoked')
    expect(platformStatus('UpToDate')({ policy: party.tdx })).toBe('UpToDate')
    const aWeekOn = AT - 3600 + 7 * DAY
    const stale = 'quote.collateral_age collateral_too_old'
    expect(world()({ policy: party.tdx, input: { at: aWeekOn } })).toBe('UpToDate')
    expect(world()({ policy: party.tdx, input: { at: aWeekOn + 1 } })).toBe(stale)
    expect(world()({ policy: node.tdx, input: { at: AT + 200 * DAY } })).toBe('UpToDate')
    const old = world((info) => Object.assign(info, { tcbEvaluationDataNumber: 17 }))
    expect(old({ policy: party.tdx })).toBe('quote.collateral_age tcb_evaluation_too_old')
    const debug = { parts: { put: { 120: Uint8Array.of(1) } }, policy: node.tdx }
    expect(world()(debug)).toBe('quote.td_attributes td_debug')
  })

  test('statuses that Intel never writes there make the TCB info unreadable', () => {
    expect(platformStatus('TDRelaunchAdvised')()).toBe('quote.tcb_info tcb_info_malformed')
    const module = world((info) =>
      Object.assign(levelOf(info.tdxModuleIdentities[0]?.tcbLevels), {
        tcbStatus: 'SWHardeningNeeded',
      }),
    )
    expect(module()).toBe('quote.tcb_info tcb_info_malformed')
  })

  test('every advisory must be among the accepted ones', () => {
    const judge = platformStatus('SWHardeningNeeded', ['INTEL-SA-00001', 'INTEL-SA-00002'])
    const accepting = (acceptedAdvisories: string[] | null): string =>
      judge({ policy: { acceptedStatuses: ['SWHardeningNeeded'], acceptedAdvisories } })
    const not = 'quote.tcb_status tcb_advisory_not_accepted'
    expect(accepting([])).toBe(not)
    expect(accepting(['INTEL-SA-00001'])).toBe(not)
    expect(accepting(['INTEL-SA-00002', 'INTEL-SA-00001'])).toBe('SWHardeningNeeded')
    expect(accepting(null)).toBe('SWHardeningNeeded')
  })

  test.each<[string, (level: Level) => void]>([
    [
      'an SGX component',
      (level) => Object.assign(level.tcb.sgxtcbcomponents[15] ?? {}, { svn: 1 }),
    ],
    ['the provisioning enclave', (level) => Object.assign(level.tcb, { pcesvn: 14 })],
    [
      'the microcode of TDX',
      (level) => Object.assign(level.tcb.tdxtcbcomponents[2] ?? {}, { svn: 5 }),
    ],
  ])('%s one short of the newest level gives the next one', (_, raise) => {
    const judge = world((info) => raise(levelOf(info.tcbLevels)))
    expect(judge()).toBe('quote.tcb_status tcb_status_not_accepted')
    expect(judge({ policy: { acceptedStatuses: ['OutOfDate'], acceptedAdvisories: null } })).toBe(
      'OutOfDate',
    )
  })

  test('below every level it has none', () => {
    const raised = world((info) => {
      for (const level of info.tcbLevels) level.tcb.pcesvn = 99
    })
    expect(raised()).toBe('quote.tcb_status tcb_level_missing')
    expect(world((info) => info.tcbLevels.splice(0))()).toBe('quote.tcb_status tcb_level_missing')
  })

  test('the first two components of tee_tcb_svn are compared only for a module of version 0', () => {
    const judge = world((info) => {
      for (const { tcb } of info.tcbLevels) {
        Object.assign(tcb.tdxtcbcomponents[0] ?? {}, { svn: 200 })
        Object.assign(tcb.tdxtcbcomponents[1] ?? {}, { svn: 1 })
      }
    })
    expect(judge()).toBe('UpToDate')
    const versionZero = { parts: { put: { 0: Uint8Array.of(255, 0, 4) } } }
    expect(judge(versionZero)).toBe('quote.tcb_status tcb_level_missing')
    expect(world()(versionZero)).toBe('UpToDate')
    expect(world()({ parts: { put: { 0: Uint8Array.of(8, 0, 4) } } })).toBe(
      'quote.tcb_status tcb_level_missing',
    )
  })

  test('an outdated module or quoting enclave makes the whole outdated', () => {
    const anything: WorldChange['policy'] = {
      acceptedStatuses: ['OutOfDate', 'OutOfDateConfigurationNeeded', 'ConfigurationNeeded'],
      acceptedAdvisories: null,
    }
    const outdated = { parts: { put: { 0: Uint8Array.of(9, 1, 4) } } }
    expect(world()(outdated)).toBe('quote.tcb_status tcb_status_not_accepted')
    expect(world()({ ...outdated, policy: anything })).toBe('OutOfDate')
    expect(world()({ parts: { put: { 0: Uint8Array.of(1, 1, 4) } } })).toBe(
      'quote.tcb_status tcb_level_missing',
    )
    const enclave = (tcbStatus: TcbStatus) =>
      world(undefined, (identity) => Object.assign(levelOf(identity.tcbLevels), { tcbStatus }))
    expect(enclave('OutOfDate')()).toBe('quote.tcb_status tcb_status_not_accepted')
    expect(enclave('OutOfDate')({ policy: anything })).toBe('OutOfDate')
    expect(enclave('ConfigurationNeeded')({ policy: anything })).toBe('ConfigurationNeeded')
    expect(enclave('Revoked')({ policy: anything })).toBe('quote.tcb_status tcb_revoked')
  })

  test('a TD 1.5 is judged by the module it started under and by the one it runs under', () => {
    const td = (launch: Uint8Array, current: Uint8Array): WorldChange => ({
      parts: { version: 5, body: 'td15', put: { 0: launch, 584: current } },
      policy: {
        acceptedStatuses: ['UpToDate', 'TDRelaunchAdvised', 'OutOfDate'],
        acceptedAdvisories: null,
      },
    })
    const fresh = Uint8Array.of(11, 1, 4)
    const stale = Uint8Array.of(9, 1, 4)
    expect(world()(td(fresh, fresh))).toBe('UpToDate')
    expect(world()(td(stale, fresh))).toBe('TDRelaunchAdvised')
    expect(world()(td(stale, stale))).toBe('OutOfDate')
    expect(world()(td(fresh, stale))).toBe('OutOfDate')
    expect(world()(td(fresh, Uint8Array.of(11, 7, 4)))).toBe('quote.tcb_status tdx_module_unknown')
    const strict = { ...td(stale, fresh), policy: {} }
    expect(world()(strict)).toBe('quote.tcb_status tcb_status_not_accepted')
  })
})
