import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { UNCHECKED } from '../../attestation/appraiser/policies.ts'
import { decideVerdict } from '../../attestation/appraiser/verdict.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { failures, newNonce } from './document.helpers.ts'
import {
  appraiseTappDocument,
  checkOf,
  COMPOSE,
  newTapp,
  tappDocument,
  tappPolicy,
} from './tapp.helpers.ts'

const SHA256_OF_COMPOSE = createHash('sha256').update(COMPOSE).digest('hex')

describe('a document of a machine that TAPP started', () => {
  const tapp = newTapp()
  const nonce = newNonce()
  let document: string
  beforeAll(async () => {
    document = await tappDocument(tapp, { nonce })
  })
  const judge = (text: string, policy: Record<string, unknown> = {}) =>
    appraiseTappDocument(text, tappPolicy(policy), nonce)

  test('is verified whole, offline, and says what it is: a simulation', () => {
    const { verdict, trusted } = judge(document)
    expect(failures(verdict.checks)).toEqual({})
    expect(verdict.sentence).toMatch(/^Accepted as a SIMULATION/)
    expect(trusted?.simulated).toBe(true)
    const passed = verdict.checks.filter(({ status }) => status === 'pass').map(({ id }) => id)
    expect(passed).toEqual(
      expect.arrayContaining([
        ...[
          'evidence.platform',
          'tapp.runtime_data',
          'tapp.signature',
          'tapp.address',
          'statement.binding',
        ],
        ...['eventlog.structure', 'eventlog.digests', 'eventlog.rtmr0', 'eventlog.rtmr1'],
        ...['eventlog.rtmr2', 'eventlog.rtmr3', 'eventlog.system_events', 'compose.hash'],
        ...['compose.mr_config_id', 'tapp.files', 'tapp.other_apps', 'statement.nonce'],
      ]),
    )
  })

  test('names what it cannot prove: keys of TAPP, owner, key provider, custody, virtual machine', () => {
    const appraisal = judge(document)
    expect(checkOf(appraisal, 'tapp.keys')).toEqual(['info', 'tapp_keys_not_compared'])
    expect(checkOf(appraisal, 'tapp.claim')).toEqual(['info', 'tapp_claim_shown'])
    expect(checkOf(appraisal, 'tapp.images')).toEqual(['info', 'images_not_pinned'])
    expect(checkOf(appraisal, 'compose.accepted')).toEqual(['info', 'compose_not_pinned'])
    expect(checkOf(appraisal, 'app.id')).toEqual(['info', 'app_not_pinned'])
    expect(checkOf(appraisal, 'app.key_provider')).toEqual(['skip', 'not_provided'])
    expect(checkOf(appraisal, 'custody.key')).toEqual(['skip', 'not_provided'])
    expect(checkOf(appraisal, 'vm_config.structure')).toEqual(['skip', 'not_provided'])
  })

  test('simulated evidence is refused by who does not allow it', () => {
    const { verdict, trusted } = judge(document, { allowSimulated: false })
    expect(trusted).toBeNull()
    expect(failures(verdict.checks)['config.simulation']).toBe('simulation_not_allowed')
  })

  test('meets a policy that pins compose text, app, image and files', () => {
    const policy = {
      composeHashes: [SHA256_OF_COMPOSE],
      tapp: { appIds: [tapp.appId], mountFiles: [] },
      require: ['tapp.files', 'tapp.other_apps'],
    }
    expect(judge(document, policy).trusted).not.toBeNull()
    expect(failures(judge(document, { composeHashes: ['00'.repeat(32)] }).verdict.checks)).toEqual({
      'compose.accepted': 'compose_not_accepted',
    })
  })

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['an app id of dstack', { appIds: ['00'.repeat(20)] }, /app\.id is required/],
    ['a key provider', { keyProviderIds: ['00'] }, /app\.key_provider is required/],
    ['a KMS', { kmsRoots: [`02${'11'.repeat(32)}`] }, /custody\.app_key is required/],
  ])('%s in a policy cannot be met by a machine of TAPP', (_, policy, why) => {
    const { verdict, trusted } = judge(document, policy)
    expect(trusted).toBeNull()
    expect(verdict.sentence).toMatch(why)
  })

  test('registers of an image are held against the quote as those of dstack are', () => {
    const [rtmr0, rtmr1, rtmr2] = tapp.rtmrs().map(toHex)
    const image = { osImageHash: '00'.repeat(32), mrtd: toHex(tapp.mrTd), rtmr1, rtmr2 }
    const good = judge(document, { tdx: { images: [{ ...image, rtmr0: [rtmr0] }] } })
    expect(checkOf(good, 'quote.image')).toEqual(['pass', 'ok'])
    const other = judge(document, { tdx: { images: [{ ...image, rtmr0: ['00'.repeat(48)] }] } })
    expect(failures(other.verdict.checks)).toEqual({ 'quote.image': 'image_not_accepted' })
    expect(checkOf(judge(document), 'quote.image')).toEqual(['skip', 'image_references_not_given'])
  })

  test('a compose text that is pinned alone does not pin what is mounted beside it', async () => {
    const machine = newTapp({ started: false })
    machine.startApp({ files: { './.env': 'ab'.repeat(48) } })
    const text = await tappDocument(machine, { nonce })
    const open = judge(text)
    expect(checkOf(open, 'tapp.files')).toEqual(['info', 'mount_files_not_pinned'])
    expect(open.trusted).not.toBeNull()
    const pinned = judge(text, { composeHashes: [SHA256_OF_COMPOSE] })
    expect(pinned.verdict.sentence).toMatch(/tapp\.files is required and did not pass/)
    const mountFiles = [{ path: './.env', sha384: 'ab'.repeat(48) }]
    expect(
      judge(text, { composeHashes: [SHA256_OF_COMPOSE], tapp: { mountFiles } }).trusted,
    ).not.toBeNull()
  })

  test('another app on the machine is refused, or shown where the policy allows it', async () => {
    const machine = newTapp()
    machine.startApp({ appId: 'other', composeText: 'services: {}\n' })
    const text = await tappDocument(machine, { nonce })
    expect(failures(judge(text).verdict.checks)).toEqual({ 'tapp.other_apps': 'tapp_other_app' })
    const allowed = judge(text, { tapp: { allowOtherApps: true } })
    expect(checkOf(allowed, 'tapp.other_apps')).toEqual(['info', 'tapp_other_app_allowed'])
    expect(allowed.trusted).not.toBeNull()
  })

  test('that nothing unmeasured ran there is no check that can pass: outside of a simulation the policy has to do without it', async () => {
    const { verdict } = judge(await tappDocument(newTapp(), { nonce }))
    const open = verdict.checks.filter(({ id }) => id === 'tapp.starts')
    expect(open).toMatchObject([{ status: 'skip', code: 'tapp_starts_unmeasured' }])
    const real = { required: [], asOf: false, simulated: false }
    expect(decideVerdict(open, { ...real, acceptUnchecked: [] }).verdict).toBe('unsupported')
    const without = decideVerdict(open, { ...real, acceptUnchecked: ['tapp.starts'] })
    expect(without.verdict).toBe('accepted')
    expect(without.sentence).toContain('without the checks tapp.starts')
    // --accept-unchecked is about collateral and reference values, and does without them alone.
    expect(decideVerdict(open, { ...real, acceptUnchecked: UNCHECKED }).verdict).toBe('unsupported')
  })
})
