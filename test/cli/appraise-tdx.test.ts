import { describe, expect, test } from 'vitest'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { appraiseTdxCommand } from '../../src/cli/appraise-tdx.ts'
import { runInput } from './run-input.helpers.ts'
import { fixtureBytes, fixtureCollateral, hasFixtures } from '../collateral/intel-server.helpers.ts'

const NOW = new Date('2026-11-26T12:00:00Z')
const guest = createSimulatedGuest({ composeText: '{"name":"sim"}', now: NOW })
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const INPUT = {
  quote: hex(guest.quote(new Uint8Array(64))),
  collateral: guest.pki.collateral,
  at: NOW.getTime() / 1000,
  policy: { allowSimulated: true, sgxRoots: [hex(guest.pki.rootSha256)] },
  event_log: guest.quotedEventLog,
  app_compose: guest.composeText,
  vm_config: guest.vmConfig,
}
const POLICY = INPUT.policy

async function run(input: unknown): Promise<{ exit: number; verdict: string; code: string }> {
  const { exit, verdict, code } = await runInput(appraiseTdxCommand, input)
  return { exit, verdict, code }
}

describe('countersign appraise-tdx', () => {
  test('accepts genuine evidence, as of the time given', async () => {
    expect(await run(INPUT)).toEqual({ exit: 0, verdict: 'accepted-as-of', code: 'ok' })
  })

  test('judges a quote alone where no log is given', async () => {
    expect(await run({ ...INPUT, event_log: null, app_compose: null, vm_config: null })).toEqual({
      exit: 0,
      verdict: 'accepted-as-of',
      code: 'ok',
    })
  })

  test.each<readonly [string, object, number, string]>([
    ['a simulation that nobody allowed', { policy: {} }, 10, 'simulation_not_allowed'],
    ['an expired collateral', { at: INPUT.at + 31 * 86_400 }, 10, 'crl_expired'],
    ['another compose text', { app_compose: '{"name":"evil"}' }, 10, 'compose_hash_mismatch'],
    [
      'a compose hash that the policy does not name',
      { policy: { ...POLICY, composeHashes: ['00'.repeat(32)] } },
      10,
      'compose_not_accepted',
    ],
    [
      'a policy about software and no log to check it by',
      { event_log: null, policy: { ...POLICY, composeHashes: ['00'.repeat(32)] } },
      10,
      'not_met',
    ],
    ['bytes behind the quote', { quote: `${INPUT.quote}01` }, 30, 'quote_malformed'],
    ['an SGX quote', { quote: INPUT.quote.replace(/^0400/, '0300') }, 20, 'quote_unsupported'],
    ['an unknown member', { url: 'https://x' }, 30, 'report_malformed'],
    ['an unknown member of the policy', { policy: { tdx: { fmspc: [] } } }, 30, 'report_malformed'],
    ['a time that is none', { at: '2026' }, 30, 'report_malformed'],
    ['no quote', { quote: null }, 30, 'report_malformed'],
  ])('refuses %s', async (_what, change, exit, code) => {
    expect(await run({ ...INPUT, ...change })).toMatchObject({ exit, code })
  })

  test.each(['', 'null', '[]', '{"quote":"","quote":""}', `"${'x'.repeat(9_000_000)}"`])(
    'refuses an input that is no such document (%#)',
    async (text) => {
      expect(await run(text)).toMatchObject({ exit: 30, verdict: 'malformed' })
    },
  )

  test.skipIf(!hasFixtures)('judges recorded quotes as the manifest says', async () => {
    const real = (name: string, at: number): object => ({
      quote: hex(fixtureBytes(`${name}.quote.bin`)),
      at,
      policy: { acceptUnchecked: ['quote.image'] },
    })
    const td10 = fixtureCollateral('v4-td10.collateral.json')
    const td15 = fixtureCollateral('v5-td15-outdated.collateral.json')
    const accepted = { exit: 0, code: 'ok' }
    expect(await run({ ...real('v4-td10', 1_751_328_000), collateral: td10 })).toMatchObject(
      accepted,
    )
    expect(await run({ ...real('v5-td15', 1_772_600_000), collateral: td15 })).toMatchObject(
      accepted,
    )
    expect(
      await run({ ...real('v5-td15-outdated', 1_772_600_000), collateral: td15 }),
    ).toMatchObject({ exit: 10, code: 'tcb_level_missing' })
    expect(await run(real('v4-td10', 1_751_328_000))).toMatchObject({ exit: 20 })
  })
})
