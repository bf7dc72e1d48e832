/** Event log, compose text and description of the machine, judged together under a quote and a policy. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { appraiseEventLog } from '../../attestation/appraiser/eventlog/appraise-event-log.ts'
import type {
  EventLogAppraisal,
  EventLogEvidence,
  EventLogOptions,
} from '../../attestation/appraiser/eventlog/appraise-event-log.ts'
import { verifyVmConfig } from '../../attestation/appraiser/eventlog/verify-vm-config.ts'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import type { Quote } from '../../attestation/appraiser/quote/parse-quote.ts'
import type { ImageReference } from '../../attestation/appraiser/quote/tdx-policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { fixtureText, haveFixtures, hex, PORTS } from './x509.helpers.ts'

const COMPOSE = '{"name": "sim-test",\n "docker_compose_file": "services: {}"}'
const guest = createSimulatedGuest({ composeText: COMPOSE, now: new Date('2026-11-26T00:00:00Z') })

function read(bytes: Uint8Array): Quote {
  const parsed = parseQuote(bytes)
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.quote
}

const QUOTE = read(guest.quote(new Uint8Array(64)))
const GOOD: EventLogEvidence = {
  eventLog: guest.quotedEventLog,
  appCompose: COMPOSE,
  vmConfig: guest.vmConfig,
}
const OPTIONS: EventLogOptions = {
  crypto: nodeCrypto,
  policy: DEFAULT_POLICY,
  genuine: true,
}
const IMAGE = {
  osImageHash: toHex(guest.osImageHash),
  mrtd: toHex(guest.mrTd),
  rtmr0: ['00'.repeat(48), toHex(guest.rtmrs[0])],
  rtmr1: toHex(guest.rtmrs[1]),
  rtmr2: toHex(guest.rtmrs[2]),
}
const withImages = (images: readonly ImageReference[]): EventLogOptions['policy'] => ({
  ...DEFAULT_POLICY,
  tdx: { images },
})
const PINNED = {
  tdx: { images: [IMAGE] },
  composeHashes: [toHex(guest.composeHash)],
  appIds: [toHex(guest.appId)],
  keyProviderIds: [guest.keyProvider.id],
}

function judge(
  evidence: Partial<EventLogEvidence> = {},
  options: Partial<EventLogOptions> = {},
): EventLogAppraisal {
  return appraiseEventLog({ ...GOOD, ...evidence }, QUOTE, { ...OPTIONS, ...options })
}

/** What is not a pass. */
function rest({ checks }: EventLogAppraisal): string[] {
  return checks
    .filter(({ status }) => status !== 'pass')
    .map(({ id, status, code }) => `${id} ${status} ${code}`)
}

describe('a genuine guest', () => {
  test.each(PORTS)('passes every check under a policy that names it (%s)', (_, crypto) => {
    const appraisal = judge({}, { crypto, policy: PINNED })
    expect(rest(appraisal)).toEqual([])
    expect(appraisal.checks.map(({ id }) => id)).toEqual([
      ...['structure', 'digests', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3', 'system_events'].map(
        (name) => `eventlog.${name}`,
      ),
      ...['compose.hash', 'compose.mr_config_id', 'compose.accepted', 'app.id'],
      ...['app.key_provider', 'vm_config.structure', 'vm_config.os_image'],
    ])
    expect(appraisal.system?.appId).toEqual(guest.appId)
    expect(appraisal.system?.instanceId).toEqual(guest.instanceId)
    expect(appraisal.system?.keyProvider).toEqual(guest.keyProvider)
  })

  test('of which the policy names nothing is told, not passed', () => {
    expect(rest(judge())).toEqual([
      'compose.accepted info compose_not_pinned',
      'app.id info app_not_pinned',
      'app.key_provider info key_provider_not_pinned',
      'vm_config.os_image info os_image_unmeasured',
    ])
  })

  test('under a quote that nobody vouches for passes nothing and names no system', () => {
    const appraisal = judge({}, { genuine: false, policy: PINNED })
    expect(appraisal.system).toBeNull()
    expect(appraisal.checks.filter(({ status }) => status !== 'skip')).toEqual([])
    // What is wrong by itself stays wrong.
    const bad = judge({ appCompose: `${COMPOSE} ` }, { genuine: false })
    expect(rest(bad)).toContain('compose.hash fail compose_hash_mismatch')
  })
})

describe('policy', () => {
  const other = '00'.repeat(20)
  test.each([
    [{ composeHashes: ['11'.repeat(32)] }, 'compose.accepted fail compose_not_accepted'],
    [{ composeHashes: [] }, 'compose.accepted fail compose_not_accepted'],
    [{ appIds: [other] }, 'app.id fail app_not_accepted'],
    [{ appIds: [] }, 'app.id fail app_not_accepted'],
    [{ keyProviderIds: ['3059'] }, 'app.key_provider fail key_provider_not_accepted'],
    [{ keyProviderIds: [] }, 'app.key_provider fail key_provider_not_accepted'],
  ])('%j refuses another guest', (change, failure) => {
    expect(rest(judge({}, { policy: { ...PINNED, ...change } }))).toContain(failure)
  })

  test('an app id that is accepted does not make other software accepted', () => {
    const theirs = createSimulatedGuest({
      composeText: `${COMPOSE} `,
      now: new Date(),
      pki: guest.pki,
    })
    const policy = { ...PINNED, appIds: [toHex(theirs.appId)], keyProviderIds: null }
    const appraisal = appraiseEventLog(
      { eventLog: theirs.quotedEventLog, appCompose: theirs.composeText, vmConfig: null },
      read(theirs.quote(new Uint8Array(64))),
      { ...OPTIONS, policy },
    )
    expect(rest(appraisal)).toContain('compose.accepted fail compose_not_accepted')
    expect(rest(appraisal)).not.toContain('app.id fail app_not_accepted')
  })
})

describe('compose text', () => {
  test('written anew is another text, though every JSON reader takes it for the same', () => {
    const again = JSON.stringify(JSON.parse(COMPOSE))
    expect(rest(judge({ appCompose: again }))).toContain('compose.hash fail compose_hash_mismatch')
    const sorted = JSON.stringify(
      Object.fromEntries(Object.entries(JSON.parse(COMPOSE) as object).toSorted()),
    )
    expect(rest(judge({ appCompose: sorted }))).toContain('compose.hash fail compose_hash_mismatch')
  })

  test('that is not at hand is skipped', () => {
    expect(rest(judge({ appCompose: null }))).toContain('compose.hash skip not_provided')
  })
})

describe('description of the virtual machine', () => {
  const claim = (hash: string): string => JSON.stringify({ os_image_hash: hash })

  test('is believed only where the registers are those of the image that it names', () => {
    const images = [{ ...IMAGE, osImageHash: '11'.repeat(32) }, IMAGE]
    expect(rest(judge({}, { policy: withImages(images) }))).not.toContain(
      'vm_config.os_image fail os_image_mismatch',
    )
    expect(rest(judge({}, { policy: withImages(images.slice(0, 1)) }))).toContain(
      'vm_config.os_image fail os_image_mismatch',
    )
    const other = 'ff'.repeat(48)
    for (const change of [{ mrtd: other }, { rtmr0: [] }, { rtmr1: other }, { rtmr2: other }]) {
      expect(rest(judge({}, { policy: withImages([{ ...IMAGE, ...change }]) }))).toContain(
        'vm_config.os_image skip depends_on_failed',
      )
    }
  })

  test('that names another image than the guest measured is refused without reference values', () => {
    const vmConfig = claim('22'.repeat(32))
    expect(rest(judge({ vmConfig }))).toContain('vm_config.os_image fail os_image_mismatch')
  })

  test.each([
    ['not JSON', '{'],
    ['a list', '[]'],
    ['two image hashes', `{"os_image_hash":"${'11'.repeat(32)}","os_image_hash":""}`],
    ['a short image hash', claim('11')],
    ['an image hash in upper case', claim('AA'.repeat(32))],
    ['a number', '{"os_image_hash":1}'],
    ['an endless text', `{"a":"${'x'.repeat(70_000)}"}`],
  ])('that is %s is malformed', (_, vmConfig) => {
    expect(rest(judge({ vmConfig }))).toContain('vm_config.structure fail vm_config_malformed')
  })

  test.each([null, ''])('that is absent (%s) leaves what the guest measured', (vmConfig) => {
    const codes = rest(judge({ vmConfig }, { policy: withImages([IMAGE]) }))
    expect(codes).toContain('vm_config.structure skip not_provided')
    expect(codes).not.toContain('vm_config.os_image skip not_provided')
  })

  test('never throws, and random text is never taken for an image', () => {
    const system = judge().system
    if (system === null) throw new Error('no system')
    const without = { ...system, osImageHash: null }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const checks = verifyVmConfig(text, without, QUOTE, [IMAGE])
        expect(checks.map(({ id }) => id)).toEqual(['vm_config.structure', 'vm_config.os_image'])
        expect(checks[1]?.status).not.toBe('pass')
      }),
      { numRuns: 300 },
    )
  })
})

/**
 * Members of a boot event that its register does not cover: only the digest counts there, nothing else of it is read as
 * more than a form, and nothing is concluded from it.
 */
const UNCOVERED = /"event_type":\d+|"event":"[^"]*"|"event_payload":"[0-9a-f]*"/g

/** Ranges of the text in which a change may go unnoticed. */
function uncoveredRanges(log: string): (readonly [number, number])[] {
  return [...log.matchAll(/\{[^{}]*\}/g)]
    .filter(([entry]) => /"imr":[012]\b/.test(entry))
    .flatMap((entry) =>
      [...entry[0].matchAll(UNCOVERED)].map((member) => {
        // From the colon on: a member of another name is one that is missing and one that is not known.
        const start = entry.index + member.index + member[0].indexOf(':') + 1
        return [start, entry.index + member.index + member[0].length] as const
      }),
    )
}

describe('a changed byte', () => {
  function mutants(log: string, quote: Quote, flips: readonly number[]): number {
    const accepted = (text: string) =>
      appraiseEventLog({ eventLog: text, appCompose: null, vmConfig: null }, quote, OPTIONS)
    const genuine = accepted(log)
    expect(genuine.checks.filter(({ status }) => status === 'fail')).toEqual([])
    const ranges = uncoveredRanges(log)
    let unnoticed = 0
    for (let at = 0; at < log.length; at++) {
      for (const flip of flips) {
        const changed = String.fromCharCode(log.charCodeAt(at) ^ flip)
        const { checks, system } = accepted(log.slice(0, at) + changed + log.slice(at + 1))
        if (checks.some(({ status }) => status === 'fail')) continue
        unnoticed++
        const inside = ranges.some(([from, to]) => at >= from && at < to)
        expect(inside, `byte ${at}: ${log.slice(at - 20, at + 20)}`).toBe(true)
        expect(system).toEqual(genuine.system)
      }
    }
    return unnoticed
  }

  test('of a simulated log is noticed, but in what no register covers', () => {
    // Stripped: boot events have a type and a name, runtime events have no digest to cross-check.
    expect(mutants(guest.quotedEventLog, QUOTE, [1, 2, 0x20])).toBeGreaterThan(0)
  })

  test.runIf(haveFixtures('tdx'))(
    'of a recorded log is noticed, but in what no register covers',
    () => {
      const report = JSON.parse(fixtureText('tdx/dstack-quote-report.json')) as {
        quote: string
        event_log: string
      }
      expect(mutants(report.event_log, read(hex(report.quote)), [1])).toBeGreaterThan(0)
    },
  )
})
