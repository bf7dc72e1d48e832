import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Appraisal } from '../../attestation/appraiser/appraise-document.ts'
import { appraiseReport } from '../../attestation/appraiser/report/appraise-report.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { encodeBase64 } from '../../attestation/protocol/base64.ts'
import { fromHex, toHex } from '../../attestation/protocol/hex.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { makeQuote } from '../../attestation/simulator/intel/make-quote.ts'
import { agentEvent } from '../../attestation/simulator/tapp/tcg2-log.ts'
import { failures, newNonce, NOW, tamper } from './document.helpers.ts'
import type { Draft } from './document.helpers.ts'
import {
  appraiseTappDocument,
  checkOf,
  COMPOSE,
  newTapp,
  PKI,
  TAPP_CONFIG,
  tappDocument,
  tappPolicy,
} from './tapp.helpers.ts'
import type { TappDocumentOptions } from './tapp.helpers.ts'

describe('an appraisal of a machine of TAPP refuses', () => {
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

  const fails = (appraisal: Appraisal, expected: Record<string, string>) => {
    expect(appraisal.trusted).toBeNull()
    expect(failures(appraisal.verdict.checks)).toEqual(expected)
  }

  test('a quote that answers the nonce of another statement', async () => {
    const other = Uint8Array.from(createHash('sha512').update('another statement').digest())
    const appraisal = await answered({
      answer: (machine) => machine.evidence(other),
      sign: (machine) => machine.signStatement(other),
    })
    fails(appraisal, { 'statement.binding': 'statement_mismatch' })
  })

  test('a quote over the statement itself, as dstack makes it, beside runtime data', async () => {
    const appraisal = await answered({
      answer: (machine, over) => ({ ...machine.evidence(over), quote: machine.quote(over) }),
    })
    fails(appraisal, { 'tapp.runtime_data': 'runtime_data_mismatch' })
    expect(checkOf(appraisal, 'statement.binding')).toEqual(['skip', 'depends_on_failed'])
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

  test('keys that somebody made who asked TAPP for a quote over the network', async () => {
    // GetEvidence gives anybody a genuine quote of the app over any nonce: all but the app's key is there.
    const none = await answered({
      bend: (draft) => {
        draft.evidence['tapp'] = { ...(draft.evidence['tapp'] as object), signature: undefined }
      },
    })
    fails(none, { 'tapp.signature': 'tapp_signature_missing' })
    expect(checkOf(none, 'statement.binding')).toEqual(['pass', 'ok'])
    const own = newTapp()
    fails(await answered({ sign: (_machine, digest) => own.signStatement(digest) }), {
      'tapp.signature': 'tapp_signature_invalid',
    })
  })

  test('a signature over an earlier statement of the same app', async () => {
    const earlier = tapp.signStatement(new Uint8Array(64))
    fails(await answered({ sign: () => earlier }), { 'tapp.signature': 'tapp_signature_invalid' })
  })

  test('evidence without a nonce, however genuine', async () => {
    const appraisal = await answered({ answer: (one) => one.evidence(new Uint8Array(0)) })
    fails(appraisal, { 'tapp.runtime_data': 'runtime_data_nonce_missing' })
    expect(checkOf(appraisal, 'statement.binding')).toEqual(['skip', 'depends_on_failed'])
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

  test('an event of a byte more than one may have', async () => {
    const grown = (bytes: number) => {
      const machine = newTapp()
      const digest = nodeCrypto.sha384(toUtf8('a large variable'))
      machine.extend({ mrIndex: 3, type: 0x0d, digest, data: new Uint8Array(bytes) })
      return answered({}, machine)
    }
    expect((await grown(256 * 1024)).trusted).not.toBeNull()
    fails(await grown(256 * 1024 + 1), { 'eventlog.structure': 'tcg2_log_malformed' })
  })

  test('an address that claims to survive', async () => {
    const config = { ...TAPP_CONFIG, address_key: { source: 'derived', generation: 0 } }
    fails(await answered({ config }), { 'tapp.address': 'address_not_ephemeral' })
  })

  test('a TD that was started for something: nothing recomputes its mr_config_id', async () => {
    const machine = newTapp()
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
    expect(checkOf(appraisal, 'tapp.runtime_data')).toEqual(['skip', 'depends_on_failed'])
    expect(checkOf(appraisal, 'compose.hash')).toEqual(['skip', 'depends_on_failed'])
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
    fails(appraisal, { 'evidence.platform': 'evidence_platform_not_accepted' })
  })

  test('the document under a policy that does not name TAPP', () => {
    const appraisal = judge(document, { platform: 'dstack' })
    fails(appraisal, { 'evidence.platform': 'evidence_platform_not_accepted' })
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
    expect(failures(verdict.checks)['evidence.platform']).toBe('evidence_platform_not_accepted')
  })
})
