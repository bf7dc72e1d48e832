import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Appraisal } from '../../attestation/appraiser/appraise-document.ts'
import { appraiseReport } from '../../attestation/appraiser/report/appraise-report.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { encodeBase64 } from '../../attestation/protocol/base64.ts'
import { fromHex, toHex } from '../../attestation/protocol/hex.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { agentEvent } from '../../attestation/simulator/tapp/tcg2-log.ts'
import { failures, newNonce, NOW, tamper } from './document.helpers.ts'
import type { Draft } from './document.helpers.ts'
import {
  appraiseTappDocument,
  COMPOSE,
  newTapp,
  PKI,
  TAPP_CONFIG,
  tappDocument,
  tappPolicy,
} from './tapp.helpers.ts'
import type { TappDocumentOptions } from './tapp.helpers.ts'

const SHA256_OF_COMPOSE = createHash('sha256').update(COMPOSE).digest('hex')

const check = ({ verdict }: Appraisal, id: string) => {
  const found = verdict.checks.filter((one) => one.id === id)
  expect(found).toHaveLength(1)
  return [found[0]?.status, found[0]?.code]
}

describe('a document of a machine that TAPP started', () => {
  const tapp = newTapp()
  const nonce = newNonce()
  let document: string
  beforeAll(async () => {
    document = await tappDocument(tapp, { nonce })
  })
  const judge = (text: string, policy: Record<string, unknown> = {}) =>
    appraiseTappDocument(text, tappPolicy(policy), nonce)
  const bent = (change: (draft: Draft) => void) => judge(tamper(document, change))
  /** A document of its own, made over what TAPP is made to answer. */
  const answered = async (options: TappDocumentOptions, machine = tapp) =>
    judge(await tappDocument(machine, { nonce, ...options }))

  test('is verified whole, offline, and says what it is: a simulation', () => {
    const { verdict, trusted } = judge(document)
    expect(failures(verdict.checks)).toEqual({})
    expect(verdict.sentence).toMatch(/^Accepted as a SIMULATION/)
    expect(trusted?.simulated).toBe(true)
    const passed = verdict.checks.filter(({ status }) => status === 'pass').map(({ id }) => id)
    expect(passed).toEqual(
      expect.arrayContaining([
        ...['evidence.platform', 'tapp.runtime_data', 'tapp.address', 'statement.binding'],
        ...['eventlog.structure', 'eventlog.digests', 'eventlog.rtmr0', 'eventlog.rtmr1'],
        ...['eventlog.rtmr2', 'eventlog.rtmr3', 'eventlog.system_events', 'compose.hash'],
        ...['compose.mr_config_id', 'tapp.files', 'tapp.other_apps', 'statement.nonce'],
      ]),
    )
  })

  test('names what it cannot prove: keys of TAPP, owner, key provider, custody, virtual machine', () => {
    const appraisal = judge(document)
    expect(check(appraisal, 'tapp.keys')).toEqual(['info', 'tapp_keys_not_compared'])
    expect(check(appraisal, 'tapp.claim')).toEqual(['info', 'tapp_claim_shown'])
    expect(check(appraisal, 'tapp.images')).toEqual(['info', 'images_not_pinned'])
    expect(check(appraisal, 'compose.accepted')).toEqual(['info', 'compose_not_pinned'])
    expect(check(appraisal, 'app.id')).toEqual(['info', 'app_not_pinned'])
    expect(check(appraisal, 'app.key_provider')).toEqual(['skip', 'not_provided'])
    expect(check(appraisal, 'custody.key')).toEqual(['skip', 'not_provided'])
    expect(check(appraisal, 'vm_config.structure')).toEqual(['skip', 'not_provided'])
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
    expect(check(good, 'quote.image')).toEqual(['pass', 'ok'])
    const other = judge(document, { tdx: { images: [{ ...image, rtmr0: ['00'.repeat(48)] }] } })
    expect(failures(other.verdict.checks)).toEqual({ 'quote.image': 'image_not_accepted' })
    expect(check(judge(document), 'quote.image')).toEqual(['skip', 'image_references_not_given'])
  })

  test('a compose text that is pinned alone does not pin what is mounted beside it', async () => {
    const machine = newTapp({ started: false })
    machine.startApp({ files: { './.env': 'ab'.repeat(48) } })
    const text = await tappDocument(machine, { nonce })
    const open = judge(text)
    expect(check(open, 'tapp.files')).toEqual(['info', 'mount_files_not_pinned'])
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
    expect(check(allowed, 'tapp.other_apps')).toEqual(['info', 'tapp_other_app_allowed'])
    expect(allowed.trusted).not.toBeNull()
  })

  describe('refuses', () => {
    const fails = (appraisal: Appraisal, expected: Record<string, string>) => {
      expect(appraisal.trusted).toBeNull()
      expect(failures(appraisal.verdict.checks)).toEqual(expected)
    }

    test('a quote that answers the nonce of another statement', async () => {
      const other = Uint8Array.from(createHash('sha512').update('another statement').digest())
      const appraisal = await answered({ answer: (machine) => machine.evidence(other) })
      fails(appraisal, { 'statement.binding': 'statement_mismatch' })
    })

    test('a quote over the statement itself, as dstack makes it, beside runtime data', async () => {
      const appraisal = await answered({
        answer: (machine, over) => ({ ...machine.evidence(over), quote: machine.quote(over) }),
      })
      fails(appraisal, { 'tapp.runtime_data': 'runtime_data_mismatch' })
      expect(check(appraisal, 'statement.binding')).toEqual(['skip', 'depends_on_failed'])
    })

    test('runtime data of another round', async () => {
      const appraisal = await answered({
        answer: (machine, over) => ({
          ...machine.evidence(over),
          runtimeData: machine.evidence(new Uint8Array(64)).runtimeData,
        }),
      })
      fails(appraisal, { 'tapp.runtime_data': 'runtime_data_mismatch' })
    })

    test('evidence without a nonce, however genuine', async () => {
      const appraisal = await answered({ answer: (one) => one.evidence(new Uint8Array(0)) })
      fails(appraisal, { 'tapp.runtime_data': 'runtime_data_nonce_missing' })
      expect(check(appraisal, 'statement.binding')).toEqual(['skip', 'depends_on_failed'])
    })

    test('keys of somebody else under a genuine quote of TAPP', async () => {
      const other = JSON.parse(await tappDocument(tapp, { nonce })) as Draft
      const appraisal = bent((draft) => {
        draft.keyset = other.keyset
      })
      fails(appraisal, { 'statement.binding': 'statement_mismatch' })
    })

    test('the log of a dstack guest', () => {
      const now = new Date(NOW * 1000)
      const guest = createSimulatedGuest({ composeText: COMPOSE, now, pki: PKI })
      const appraisal = bent((draft) => {
        draft.evidence['event_log'] = guest.quotedEventLog
      })
      fails(appraisal, { 'eventlog.structure': 'tcg2_log_malformed' })
    })

    test('the log of another machine of TAPP', () => {
      const machine = newTapp()
      machine.measure('docker_login', {})
      const appraisal = bent((draft) => {
        draft.evidence['event_log'] = encodeBase64(machine.evidence(new Uint8Array(0)).eventLog)
      })
      fails(appraisal, { 'eventlog.rtmr3': 'rtmr_mismatch' })
    })

    test('a document whose app id is bent to another that runs', async () => {
      const machine = newTapp({ started: false })
      machine.startApp({ appId: 'other' })
      const appraisal = await answered({}, machine)
      fails(appraisal, { 'eventlog.system_events': 'tapp_app_not_started' })
    })

    test('compose text that is changed by a byte', () => {
      const appraisal = bent((draft) => {
        draft.evidence['app_compose'] = COMPOSE.replace('read_only: true', 'read_only: null')
      })
      fails(appraisal, { 'compose.hash': 'compose_hash_mismatch' })
    })

    test.each<[string, string, string]>([
      ['half a surrogate pair', 'a: \ud800\n', 'document_malformed'],
      [
        'over the limit of a compose text',
        `${COMPOSE}#${'x'.repeat(256 * 1024)}`,
        'compose_too_long',
      ],
    ])('compose text that is %s', (_, text, code) => {
      const appraisal = bent((draft) => {
        draft.evidence['app_compose'] = text
      })
      const id = code === 'document_malformed' ? 'document.structure' : 'compose.hash'
      fails(appraisal, { [id]: code })
    })

    test('a machine on which the app was stopped', async () => {
      const machine = newTapp()
      machine.stopApp()
      fails(await answered({}, machine), { 'eventlog.system_events': 'tapp_app_stopped' })
    })

    test('a log of 10,000 events, in time', async () => {
      const machine = newTapp()
      for (let i = 0; i < 10_000; i++) {
        machine.extend(agentEvent('tapp.0g.com', 'docker_login', '{}'))
      }
      fails(await answered({}, machine), { 'eventlog.structure': 'tcg2_log_malformed' })
    })

    test('an address that claims to survive', async () => {
      const config = { ...TAPP_CONFIG, address_key: { source: 'derived', generation: 0 } }
      fails(await answered({ config }), { 'tapp.address': 'address_not_ephemeral' })
    })

    test('a TD that was started for something: nothing recomputes its mr_config_id', async () => {
      const machine = newTapp()
      const { makeQuote } = await import('../../attestation/simulator/intel/make-quote.ts')
      const appraisal = await answered(
        {
          answer: (one, over) => {
            const made = one.evidence(over)
            const quote = makeQuote({
              pki: PKI,
              reportData: nodeCrypto.sha512(made.runtimeData),
              mrTd: one.mrTd,
              rtmrs: one.rtmrs(),
              mrConfigId: Uint8Array.from([1, ...Array.from({ length: 47 }, () => 7)]),
            })
            return { ...made, quote }
          },
        },
        machine,
      )
      fails(appraisal, { 'compose.mr_config_id': 'mr_config_id_unsupported' })
    })

    test('a quote whose signature is bent', () => {
      const appraisal = bent((draft) => {
        const quote = fromHex(String(draft.evidence['quote'])) ?? new Uint8Array(0)
        const at = 48 + 584 + 4
        quote[at] = (quote[at] ?? 0) ^ 1
        draft.evidence['quote'] = toHex(quote)
      })
      expect(appraisal.trusted).toBeNull()
      expect(failures(appraisal.verdict.checks)['quote.signature']).toBeDefined()
      expect(check(appraisal, 'tapp.runtime_data')).toEqual(['skip', 'depends_on_failed'])
      expect(check(appraisal, 'compose.hash')).toEqual(['skip', 'depends_on_failed'])
    })

    test.each<[string, (draft: Draft) => void]>([
      ['a vm_config', (draft) => (draft.evidence['vm_config'] = '{"cpu_count":4}')],
      [
        'custody of a key',
        (draft) => {
          draft.evidence['key_custody'] = {
            path: 'x',
            purpose: 'x',
            algorithm: 'secp256k1',
            public_key: '00',
            signature_chain: ['00', '00'],
          }
        },
      ],
    ])('%s beside the member of TAPP', (_, change) => {
      fails(bent(change), { 'document.structure': 'document_malformed' })
    })

    test('the member of TAPP taken away', () => {
      const appraisal = bent((draft) => {
        delete draft.evidence['tapp']
      })
      fails(appraisal, { 'evidence.platform': 'platform_not_accepted' })
    })

    test('the document under a policy that does not name TAPP', () => {
      const appraisal = judge(document, { platform: 'dstack' })
      fails(appraisal, { 'evidence.platform': 'platform_not_accepted' })
    })

    test('a report of dstack under a policy for TAPP', () => {
      const now = new Date(NOW * 1000)
      const guest = createSimulatedGuest({ composeText: COMPOSE, now, pki: PKI })
      const report = {
        quote: toHex(guest.quote(new Uint8Array(64))),
        event_log: guest.quotedEventLog,
        vm_config: guest.vmConfig,
      }
      const { verdict } = appraiseReport(toUtf8(JSON.stringify(report)), {
        layout: 'dstack',
        crypto: nodeCrypto,
        at: NOW,
        policy: tappPolicy(),
        collateral: null,
        nonce: null,
      })
      expect(verdict.verdict).toBe('rejected')
      expect(failures(verdict.checks)['evidence.platform']).toBe('platform_not_accepted')
    })
  })
})
