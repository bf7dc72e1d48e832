import { describe, expect, test } from 'vitest'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import {
  MAX_DOCUMENT_BYTES,
  unwrapDocument,
} from '../../attestation/appraiser/document/parse-document.ts'
import { ADDRESS_KEY_PURPOSE } from '../../attestation/appraiser/document/verify-address-key.ts'
import { readConfig } from '../../attestation/appraiser/document/read-config.ts'
import { simulationCheck } from '../../attestation/appraiser/document/verify-config.ts'
import { parsePemChain } from '../../attestation/appraiser/x509/parse-pem-chain.ts'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { fromUtf8, toUtf8 } from '../../attestation/protocol/utf8.ts'
import { ADDRESS_KEY_PATH } from '../../enclave/keys/address-key.ts'
import {
  CONFIG,
  NOW,
  appraise,
  digestOf,
  failures,
  makeWorld,
  newNonce,
  tamper,
} from './document.helpers.ts'
import type { Draft } from './document.helpers.ts'
import { makePlatform } from './quote.helpers.ts'

const world = makeWorld()
const nonce = newNonce()
const document = await world.attestor.document(nonce)

function statusOf(checks: readonly { id: string; status: string; code: string }[], id: string) {
  const found = checks.find((check) => check.id === id)
  return found === undefined ? 'absent' : `${found.status} ${found.code}`
}

describe('a genuine document', () => {
  test('is accepted and hands out its keyset', () => {
    const { verdict, trusted } = appraise(world, document, { nonce })
    expect(verdict.sentence).toBe('Accepted as a SIMULATION: no hardware vouches for any of it.')
    expect(verdict.verdict).toBe('accepted')
    expect(trusted).toMatchObject({
      keysetDigest: world.keys.keysetDigest,
      bootId: world.keys.bootId,
      configDigest: world.configDigest,
      simulated: true,
      notAfter: world.keys.keyset.not_after,
      address: world.keys.address.address.toLowerCase(),
    })
    expect(statusOf(verdict.checks, 'statement.nonce')).toBe('pass ok')
    expect(statusOf(verdict.checks, 'compose.accepted')).toBe('info compose_not_pinned')
    expect(statusOf(verdict.checks, 'gpu.rung')).toBe('info gpu_rung_reached')
    expect(verdict.checks.find(({ id }) => id === 'gpu.rung')?.detail).toBe('digest-in-quote')
  })

  test('gives the same checks with either cryptography', () => {
    const options = { at: NOW, nonce, policy: world.policy }
    const noble = appraiseDocument(toUtf8(document), { ...options, crypto: nobleCrypto })
    expect(noble).toEqual(appraise(world, document, { nonce }))
  })

  test('without a nonce of the verifier is accepted, and its freshness is not claimed', () => {
    const { verdict } = appraise(world, document)
    expect(verdict.verdict).toBe('accepted')
    expect(statusOf(verdict.checks, 'statement.nonce')).toBe('skip not_provided')
  })

  test('that was cached without a nonce is accepted', async () => {
    const { verdict } = appraise(world, await world.attestor.document(null))
    expect(verdict.verdict).toBe('accepted')
  })

  test('is accepted-as-of when the time is given, whatever its age', () => {
    const { verdict } = appraise(world, document, { at: NOW + 20 * 86_400, asOf: true })
    expect(verdict.verdict).toBe('accepted-as-of')
    expect(verdict.sentence).toContain('as of the time given')
  })

  test('shared by many clients proves each nonce', async () => {
    const nonces = Array.from({ length: 5 }, newNonce)
    const documents = await Promise.all(nonces.map((each) => world.attestor.document(each)))
    documents.forEach((text, i) => {
      const own = nonces[i] ?? null
      expect(appraise(world, text, { nonce: own }).verdict.verdict).toBe('accepted')
    })
  })

  test('wrapped in a string is unwrapped to the byte', () => {
    const wrapped = toUtf8(JSON.stringify({ document }))
    expect(fromUtf8(unwrapDocument(wrapped))).toBe(document)
    expect(fromUtf8(unwrapDocument(toUtf8(document)))).toBe(document)
    expect(fromUtf8(unwrapDocument(toUtf8('nonsense')))).toBe('nonsense')
  })

  test('of any simulation is accepted where the policy says any', () => {
    const policy = { ...DEFAULT_POLICY, allowSimulated: true, simulatedRoots: 'any' as const }
    expect(appraise(world, document, { nonce, policy }).verdict.verdict).toBe('accepted')
  })

  test('with a derived address key leads to the KMS root', async () => {
    const derived = makeWorld({ derivedAddress: true })
    const text = await derived.attestor.document(null)
    const policy = { ...derived.policy, require: ['custody.app_key', 'custody.kms_root'] }
    expect(appraise(derived, text, { policy }).verdict.verdict).toBe('accepted')
    const none = appraise(derived, text, { policy: { ...policy, kmsRoots: [] } })
    expect(none.verdict.sentence).toBe('Rejected: custody.app_key is required and did not pass.')
    const swapped = tamper(text, ({ evidence }) => {
      evidence['key_custody'] = {
        ...(evidence['key_custody'] as object),
        purpose: 'something/else',
      }
    })
    expect(failures(appraise(derived, swapped, { policy }).verdict.checks)).toEqual({
      'custody.key': 'custody_key_mismatch',
    })
  })

  test.each([
    ['sealed', 3, /^sealed, generation 3, by the word of the attested code.* not shown$/],
    ['ephemeral', 0, /^ephemeral, by the word of the attested code/],
    ['derived', 0, /^the address key has no custody evidence$/],
  ])(
    'with a key said to be %s and no chain concludes no more than that',
    async (source, generation, detail) => {
      const config = { ...CONFIG, address_key: { source, generation } }
      const sealed = makeWorld({ config })
      const text = await sealed.attestor.document(null)
      const { checks, verdict } = appraise(sealed, text).verdict
      expect(verdict).toBe('accepted')
      expect(checks.find(({ id }) => id === 'custody.key')).toMatchObject({
        status: 'skip',
        code: 'not_provided',
        detail: expect.stringMatching(detail) as string,
      })
      const pinned = { ...sealed.policy, kmsRoots: [`02${'11'.repeat(32)}`] }
      expect(appraise(sealed, text, { policy: pinned }).verdict.verdict).toBe('rejected')
    },
  )

  test('the purpose of the address key is the one that the enclave asks for', () => {
    expect(ADDRESS_KEY_PURPOSE).toBe(ADDRESS_KEY_PATH)
  })

  test('without GPUs is accepted where the configuration requires none', async () => {
    const plain = makeWorld({
      config: { ...CONFIG, gpu: { required: 0, nvswitches: 0 } },
      withGpu: false,
    })
    expect(appraise(plain, await plain.attestor.document(null)).verdict.verdict).toBe('accepted')
  })
})

describe('attacks on the document', () => {
  const attack = (change: (value: Draft) => void, options = {}) =>
    appraise(world, tamper(document, change), { nonce, ...options })

  test.each<[string, (value: Draft) => void, string, string]>([
    [
      'a changed configuration',
      ({ config }) => {
        config['doors'] = ['aci']
      },
      'statement.binding',
      'statement_mismatch',
    ],
    [
      'another boot id',
      (value) => {
        value.boot_id = '00'.repeat(32)
      },
      'statement.binding',
      'statement_mismatch',
    ],
    [
      'another time of issue',
      (value) => {
        value.issued_at = NOW - 1
      },
      'statement.binding',
      'statement_mismatch',
    ],
    [
      'a log head that was never quoted',
      (value) => {
        value.log = { origin: 'x', root: '11'.repeat(32), size: 1 }
      },
      'statement.binding',
      'statement_mismatch',
    ],
    [
      'collateral that was never quoted',
      ({ evidence }) => {
        evidence['collateral'] = []
      },
      'statement.binding',
      'statement_mismatch',
    ],
    [
      'GPU evidence dropped although it is required',
      ({ evidence }) => {
        evidence['gpu'] = null
      },
      'statement.gpu',
      'gpu_evidence_missing',
    ],
    [
      'one of two GPUs dropped',
      ({ evidence }) => {
        evidence['gpu'] = (evidence['gpu'] as unknown[]).slice(0, 1)
      },
      'gpu.count',
      'gpu_count_mismatch',
    ],
    [
      'a path that fits no tree',
      ({ nonce: proof }) => {
        if (proof !== null) proof['path'] = ['22'.repeat(32)]
      },
      'statement.nonce',
      'nonce_path_invalid',
    ],
    [
      'the simulated root relabelled as real',
      ({ config }) => {
        config['simulation'] = false
      },
      'config.simulation',
      'simulation_undeclared',
    ],
    [
      'another compose text',
      ({ evidence }) => {
        evidence['app_compose'] = '{}'
      },
      'compose.hash',
      'compose_hash_mismatch',
    ],
    [
      'an event log of another app',
      ({ evidence }) => {
        evidence['event_log'] = '[]'
      },
      'eventlog.rtmr3',
      'rtmr_mismatch',
    ],
    [
      'a remote upstream hidden in the configuration',
      ({ config }) => {
        config['allow_remote_upstream'] = true
      },
      'config.upstreams',
      'remote_upstream',
    ],
  ])('%s is rejected', (_name, change, id, code) => {
    const { verdict, trusted } = attack(change)
    expect(verdict.verdict).toBe('rejected')
    expect(failures(verdict.checks)[id]).toBe(code)
    expect(trusted).toBeNull()
  })

  test('a swapped keyset is rejected, though it is well-formed by itself', () => {
    const other = makeWorld()
    const { verdict } = attack((value) => {
      value.keyset = JSON.parse(JSON.stringify(other.keys.keyset)) as Draft['keyset']
    })
    expect(failures(verdict.checks)).toMatchObject({
      'statement.binding': 'statement_mismatch',
      'gpu.0.nonce': 'gpu_nonce_mismatch',
    })
  })

  test('a replayed document with the nonce of another client is rejected', () => {
    const { verdict } = appraise(world, document, { nonce: newNonce() })
    expect(failures(verdict.checks)).toEqual({ 'statement.nonce': 'nonce_mismatch' })
  })

  test('a nonce written into a replayed document is rejected', () => {
    const fresh = newNonce()
    const text = tamper(document, (value) => {
      if (value.nonce !== null) value.nonce['value'] = fresh
    })
    const { verdict } = appraise(world, text, { nonce: fresh })
    expect(failures(verdict.checks)).toMatchObject({ 'statement.binding': 'statement_mismatch' })
  })

  test('a cached document in place of one for the nonce is rejected', async () => {
    const { verdict } = appraise(world, await world.attestor.document(null), { nonce })
    expect(failures(verdict.checks)).toEqual({ 'statement.nonce': 'nonce_missing' })
  })

  test('GPU reports of another round are rejected', async () => {
    const second = newNonce()
    const later = JSON.parse(await world.attestor.document(second)) as Draft
    const { verdict } = attack(({ evidence }) => {
      evidence['gpu'] = later.evidence['gpu']
    })
    expect(failures(verdict.checks)).toMatchObject({
      'statement.binding': 'statement_mismatch',
      'gpu.0.nonce': 'gpu_nonce_mismatch',
      'gpu.1.nonce': 'gpu_nonce_mismatch',
    })
  })

  test('one GPU shown twice by the enclave itself is rejected', async () => {
    const double = makeWorld({ gpu: ([first]) => (first === undefined ? [] : [first, first]) })
    const { verdict } = appraise(double, await double.attestor.document(null))
    expect(failures(verdict.checks)).toEqual({ 'gpu.unique': 'gpu_duplicate' })
  })

  test('an empty GPU list where two are required is rejected', async () => {
    const empty = makeWorld({ gpu: () => [] })
    const { verdict } = appraise(empty, await empty.attestor.document(null))
    expect(failures(verdict.checks)).toEqual({ 'gpu.count': 'gpu_count_mismatch' })
  })

  test('NVSwitches that the configuration promises and nobody lists are missed', async () => {
    const config = { ...CONFIG, gpu: { required: 2, nvswitches: 4 } }
    const bare = makeWorld({ config })
    const { verdict } = appraise(bare, await bare.attestor.document(null))
    expect(failures(verdict.checks)).toEqual({ 'switch.count': 'switch_count_mismatch' })
  })

  test('a configuration that promises NVSwitches alone does not do without a list', async () => {
    const config = { ...CONFIG, gpu: { required: 0, nvswitches: 4 } }
    const bare = makeWorld({ config, withGpu: false })
    const { verdict } = appraise(bare, await bare.attestor.document(null))
    expect(failures(verdict.checks)).toEqual({ 'statement.gpu': 'gpu_evidence_missing' })
  })

  test('a configuration that does not say how many NVSwitches there are is malformed', async () => {
    const bare = makeWorld({ config: { ...CONFIG, gpu: { required: 2 } } })
    const { verdict } = appraise(bare, await bare.attestor.document(null))
    expect(failures(verdict.checks)).toMatchObject({ 'config.structure': 'config_malformed' })
  })

  test('collateral that the configuration promises and nobody staples is rejected', async () => {
    const config = { ...CONFIG, collateral: { stapled: true } }
    const bare = makeWorld({ config })
    const { verdict } = appraise(bare, await bare.attestor.document(null))
    expect(failures(verdict.checks)).toEqual({ 'statement.collateral': 'collateral_missing' })
  })

  test('a document whose quote somebody else signed proves nothing that it matches', () => {
    const other = makeWorld()
    const { verdict } = appraise(other, document, { nonce })
    expect(failures(verdict.checks)).toMatchObject({
      'quote.pck_chain': 'pck_chain_untrusted_root',
      'gpu.0.chain': 'gpu_chain_untrusted_root',
    })
    for (const id of ['statement.binding', 'statement.nonce', 'eventlog.rtmr3', 'compose.hash']) {
      expect(statusOf(verdict.checks, id)).toBe('skip depends_on_failed')
    }
  })
})

describe('simulation', () => {
  test('is rejected by default, even when its roots are given', () => {
    const policy = { ...world.policy, allowSimulated: false }
    const { verdict } = appraise(world, document, { nonce, policy })
    expect(verdict.verdict).toBe('rejected')
    expect(failures(verdict.checks)).toMatchObject({
      'config.simulation': 'simulation_not_allowed',
      'quote.pck_chain': 'pck_chain_unknown_critical_extension',
      'gpu.0.chain': 'gpu_simulated',
    })
  })

  test('any simulated root is of no effect unless simulations are allowed', () => {
    const policy = { ...DEFAULT_POLICY, simulatedRoots: 'any' as const }
    const { verdict } = appraise(world, document, { nonce, policy })
    expect(failures(verdict.checks)['quote.pck_chain']).toBe('pck_chain_untrusted_root')
  })

  test('undeclared by the service itself is rejected although simulations are allowed', async () => {
    const liar = makeWorld({ config: { ...CONFIG, simulation: false } })
    const { verdict } = appraise(liar, await liar.attestor.document(null))
    expect(failures(verdict.checks)).toEqual({ 'config.simulation': 'simulation_undeclared' })
  })
})

describe('simulation and real evidence together', () => {
  const read = readConfig(CONFIG)
  const config = typeof read === 'string' ? null : read
  const chainOf = (pem: string) => {
    const parsed = parsePemChain(pem, 8)
    return parsed.ok ? parsed.certificates : []
  }
  const real = chainOf(makePlatform().pem)
  const simulated = chainOf(world.guest.pki.pckChain)

  test.each([
    ['a real CPU', { cpu: real, gpu: [simulated] }],
    ['a real GPU', { cpu: simulated, gpu: [simulated, real] }],
  ])('%s in a document that says simulated is refused', (_name, chains) => {
    const check = simulationCheck(config, chains, world.policy)
    expect(check).toMatchObject({ status: 'fail', code: 'simulation_mismatch' })
  })

  test('a simulated GPU beside a real CPU in a document that does not say so is refused', () => {
    const plain = config === null ? null : { ...config, simulation: false }
    const judge = (gpu: (typeof real)[]) => simulationCheck(plain, { cpu: real, gpu }, world.policy)
    expect(judge([real, simulated])).toMatchObject({ code: 'simulation_undeclared' })
    expect(judge([real])).toMatchObject({ status: 'pass' })
  })
})

describe('keyset', () => {
  test('past its end is rejected', () => {
    const at = world.keys.keyset.not_after + 1
    const { verdict } = appraise(world, document, { at, asOf: true })
    expect(failures(verdict.checks)).toEqual({ 'keyset.valid': 'keyset_expired' })
  })

  test('valid for longer than the policy accepts is rejected', () => {
    const policy = { ...world.policy, maxKeysetLifetimeS: 86_400 }
    const { verdict } = appraise(world, document, { nonce, policy })
    expect(failures(verdict.checks)).toEqual({ 'keyset.valid': 'keyset_lifetime_too_long' })
  })

  test.each<[string, (keys: Record<string, string>[]) => void, string]>([
    ['without a receipt key', (keys) => void keys.shift(), 'keyset_role_missing'],
    [
      'with two receipt keys',
      (keys) => void keys.push({ key_id: 'more', algo: 'ed25519', public_key: '11'.repeat(32) }),
      'keyset_role_missing',
    ],
    ...['countersign-http-ed25519', 'countersign-log-ed25519'].flatMap(
      (algo): [string, (keys: Record<string, string>[]) => void, string][] => [
        [
          `with two keys for ${algo}`,
          (keys) => void keys.push({ key_id: 'more', algo, public_key: '11'.repeat(32) }),
          'keyset_role_missing',
        ],
        [
          `with a key of small order for ${algo}`,
          (keys) => {
            const key = keys.find((one) => one['algo'] === algo)
            if (key !== undefined) key['public_key'] = `01${'00'.repeat(31)}`
          },
          'keyset_role_missing',
        ],
      ],
    ),
    [
      'with a receipt key of another size',
      ([first]) => {
        if (first !== undefined) first['public_key'] = '11'.repeat(31)
      },
      'keyset_role_missing',
    ],
    [
      'with a receipt key of small order',
      ([first]) => {
        if (first !== undefined) first['public_key'] = `01${'00'.repeat(31)}`
      },
      'keyset_role_missing',
    ],
    [
      'with an address key that is no point',
      (keys) => {
        const last = keys.at(-1)
        if (last !== undefined) last['public_key'] = `02${'ff'.repeat(32)}`
      },
      'keyset_role_missing',
    ],
    [
      'with the address of another key in its id',
      (keys) => {
        const last = keys.at(-1)
        if (last !== undefined) last['key_id'] = `address-0x${'11'.repeat(20)}`
      },
      'keyset_address_mismatch',
    ],
  ])('%s is rejected', (_name, change, code) => {
    const text = tamper(document, ({ keyset }) => {
      change(keyset['receipt_signing_keys'] as Record<string, string>[])
    })
    expect(failures(appraise(world, text, { nonce }).verdict.checks)['keyset.roles']).toBe(code)
  })
})

describe('policy', () => {
  test('a document that is too old is rejected, sooner where a nonce was given', () => {
    const at = NOW + 1800
    const withNonce = appraise(world, document, { at, nonce })
    expect(failures(withNonce.verdict.checks)).toEqual({ 'statement.fresh': 'statement_stale' })
    expect(appraise(world, document, { at }).verdict.verdict).toBe('accepted')
    const late = appraise(world, document, { at: NOW + 3601 })
    expect(failures(late.verdict.checks)).toEqual({ 'statement.fresh': 'statement_stale' })
  })

  test('a document from the future is rejected', () => {
    const { verdict } = appraise(world, document, { at: NOW - 301, nonce })
    expect(failures(verdict.checks)).toEqual({ 'statement.fresh': 'statement_from_future' })
  })

  test('another compose hash than the pinned one is rejected', () => {
    const measured = toHex(world.guest.composeHash)
    const pinned = (composeHashes: string[]) =>
      appraise(world, document, { nonce, policy: { ...world.policy, composeHashes } })
    expect(pinned([measured]).verdict.verdict).toBe('accepted')
    expect(failures(pinned(['00'.repeat(32)]).verdict.checks)).toEqual({
      'compose.accepted': 'compose_not_accepted',
    })
  })

  test('a remote upstream is rejected unless the policy allows it', async () => {
    const remote = makeWorld({ config: { ...CONFIG, allow_remote_upstream: true } })
    const text = await remote.attestor.document(null)
    expect(failures(appraise(remote, text).verdict.checks)).toEqual({
      'config.upstreams': 'remote_upstream',
    })
    const policy = { ...remote.policy, allowRemoteUpstream: true }
    expect(appraise(remote, text, { policy }).verdict.verdict).toBe('accepted')
  })

  test('a check that is only skipped does not satisfy a requirement', () => {
    const policy = { ...world.policy, require: ['quote.tcb_status'] }
    const { verdict, trusted } = appraise(world, document, { nonce, policy })
    expect(verdict.sentence).toBe('Rejected: quote.tcb_status is required and did not pass.')
    expect(trusted).toBeNull()
  })

  test('a check that does not exist does not satisfy a requirement', () => {
    const policy = { ...world.policy, require: ['gpu.*.no_such_check'] }
    expect(appraise(world, document, { nonce, policy }).verdict.verdict).toBe('rejected')
  })

  test.each(['simulation', 'gpu', 'collateral', 'allow_remote_upstream', 'log'])(
    'a configuration without %s is malformed, not read as no',
    async (name) => {
      const { [name]: _gone, ...config } = CONFIG
      const odd = makeWorld({ config })
      const { verdict } = appraise(odd, await odd.attestor.document(null))
      expect(failures(verdict.checks)['config.structure']).toBe('config_malformed')
      expect(verdict.verdict).not.toBe('accepted')
    },
  )
})

describe('the head of the log', () => {
  const named = { ...CONFIG, log: { name: 'test/node' } }
  const root = newNonce()
  const judged = async (config: JsonObject, log?: (bootId: string) => LogHead) => {
    const odd = makeWorld({ config, ...(log === undefined ? {} : { log }) })
    const { verdict, trusted } = appraise(odd, await odd.attestor.document(null))
    return { failed: failures(verdict.checks), log: trusted?.log }
  }

  test('is handed out with the keyset where it is of this boot and of the name that is attested', async () => {
    const { failed, log } = await judged(named, (id) => ({
      origin: `test/node/${id}`,
      root,
      size: 256,
    }))
    expect(failed).toEqual({})
    expect(log).toMatchObject({ root, size: 256 })
  })

  test.each<[string, JsonObject, ((bootId: string) => LogHead) | undefined, string]>([
    ['is not left out', named, undefined, 'log_head_missing'],
    [
      'is not of another name',
      named,
      (id) => ({ origin: `test/other/${id}`, root, size: 1 }),
      'log_origin_mismatch',
    ],
    [
      'is not of another boot',
      named,
      () => ({ origin: `test/node/${'0'.repeat(64)}`, root, size: 1 }),
      'log_origin_mismatch',
    ],
    [
      'is not over nothing',
      named,
      (id) => ({ origin: `test/node/${id}`, root, size: 0 }),
      'log_origin_mismatch',
    ],
    [
      'is not there where the configuration says that there is no log',
      CONFIG,
      (id) => ({ origin: `test/node/${id}`, root, size: 1 }),
      'log_origin_mismatch',
    ],
  ])('%s', async (_what, config, log, wanted) => {
    expect((await judged(config, log)).failed).toEqual({ 'statement.log': wanted })
  })

  test('is what the quote was made over', async () => {
    const odd = makeWorld({
      config: named,
      log: (id) => ({ origin: `test/node/${id}`, root, size: 512 }),
    })
    const text = tamper(await odd.attestor.document(null), (value) => {
      value.log = { ...(value.log as object), size: 256 }
    })
    expect(failures(appraise(odd, text).verdict.checks)).toEqual({
      'statement.binding': 'statement_mismatch',
    })
  })
})

describe('structure', () => {
  test.each<[string, string, string]>([
    ['no JSON', 'nonsense', 'document_malformed'],
    ['a list', '[]', 'document_malformed'],
    [
      'another version',
      tamper(document, (v) => (v.api_version = 'countersign/2')),
      'document_unsupported',
    ],
    ['no version', tamper(document, (v) => (v.api_version = 1)), 'document_malformed'],
    [
      'another enclave',
      tamper(document, (v) => (v.evidence['tee_type'] = 'sgx')),
      'document_unsupported',
    ],
    ['a member more', tamper(document, (v) => (v['more'] = 1)), 'document_malformed'],
    [
      'a member of evidence less',
      tamper(document, (v) => delete v.evidence['gpu']),
      'document_malformed',
    ],
    [
      'upper-case hex',
      tamper(document, (v) => (v.boot_id = 'AA'.repeat(32))),
      'document_malformed',
    ],
    ['a fraction of a second', tamper(document, (v) => (v.issued_at = 1.5)), 'document_malformed'],
    [
      'a key that repeats',
      document.replace('"warnings":[]', '"warnings":[],"warnings":[]'),
      'document_malformed',
    ],
    [
      'a keyset with a foreign member',
      tamper(document, (v) => (v.keyset['x'] = 1)),
      'document_malformed',
    ],
    [
      'a warning without detail',
      tamper(document, (v) => (v.warnings = [{ code: 'x' }])),
      'document_malformed',
    ],
    [
      'a path longer than any honest one',
      tamper(document, (v) => {
        if (v.nonce) v.nonce['path'] = Array(13).fill('00'.repeat(32))
      }),
      'document_malformed',
    ],
    ['a document beyond the limit', ' '.repeat(MAX_DOCUMENT_BYTES + 1), 'document_malformed'],
  ])('%s is told apart', (_name, text, code) => {
    const { verdict, trusted } = appraise(world, text, { nonce })
    expect(failures(verdict.checks)).toEqual({ 'document.structure': code })
    expect(verdict.verdict).toBe(code === 'document_malformed' ? 'malformed' : 'unsupported')
    expect(trusted).toBeNull()
  })

  test('a quote of another kind is unsupported, a broken one malformed', () => {
    const quoteOf = (change: (quote: string) => string) =>
      appraise(
        world,
        tamper(document, ({ evidence }) => {
          evidence['quote'] = change(String(evidence['quote']))
        }),
        { nonce },
      ).verdict
    expect(quoteOf((quote) => `0300${quote.slice(4)}`).verdict).toBe('unsupported')
    expect(quoteOf((quote) => quote.slice(0, 200)).verdict).toBe('malformed')
    expect(quoteOf(() => 'no hex').verdict).toBe('malformed')
  })

  test('a warning is shown, and said to be unsigned', () => {
    const text = tamper(document, (value) => {
      value.warnings = [{ code: 'tcb_out_of_date', detail: 'SWHardeningNeeded' }]
    })
    const { verdict } = appraise(world, text, { nonce })
    expect(statusOf(verdict.checks, 'document.warning')).toBe('info document_warned')
    expect(verdict.verdict).toBe('accepted')
  })

  test('the digest of the configuration is that of its canonical form', () => {
    expect(appraise(world, document, { nonce }).trusted?.configDigest).toBe(digestOf(CONFIG))
  })
})
