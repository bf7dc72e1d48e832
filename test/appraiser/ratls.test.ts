/** RA-TLS certificates of dstack: a genuine one, and what a stranger could make of it. */
import { createHash, X509Certificate } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import type { TdxPolicy } from '../../attestation/appraiser/quote/tdx-policy.ts'
import { appraiseRaTls } from '../../attestation/appraiser/ratls/appraise-ratls.ts'
import type {
  RaTlsAppraisal,
  RaTlsOptions,
} from '../../attestation/appraiser/ratls/appraise-ratls.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { parseCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import type { SimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import type {
  TlsEvidence,
  TlsKeyRequest,
} from '../../attestation/simulator/dstack/tls-authority.ts'
import { buildCertificate, toPem } from '../../attestation/x509/build-certificate.ts'
import type { CertificateExtension } from '../../attestation/x509/build-certificate.ts'
import { octetString, toDer, utf8String } from '../../attestation/x509/der.ts'
import { simulationExtension } from '../../attestation/simulator/x509/simulation-extension.ts'
import { fixtureBytes, fixtureText, haveFixtures, hex, keyPair, PORTS } from './x509.helpers.ts'

const NOW = new Date('2026-11-26T12:00:00Z')
const COMPOSE = '{"name":"sim-ratls"}'
const guest = createSimulatedGuest({ composeText: COMPOSE, now: NOW })
const stranger = createSimulatedGuest({ composeText: COMPOSE, now: NOW, pki: guest.pki })

const REQUEST: TlsKeyRequest = {
  subject: 'app.example',
  altNames: ['app.example'],
  usageServerAuth: true,
  usageClientAuth: false,
  usageRaTls: true,
  withAppInfo: false,
  notBefore: null,
  notAfter: null,
}

function evidenceOf(of: SimulatedGuest): TlsEvidence {
  return { appId: of.appId, quote: (data) => of.quote(data), eventLog: of.quotedEventLog }
}

function issue(of = guest, evidence = evidenceOf(of), request = REQUEST): readonly string[] {
  return of.tls.issue(request, evidence).certificateChain
}

const CHAIN = issue()
const [LEAF = '', APP_CA = '', ROOT = ''] = CHAIN

const OPTIONS: RaTlsOptions = {
  crypto: nodeCrypto,
  at: NOW.getTime() / 1000,
  policy: {
    ...DEFAULT_POLICY,
    allowSimulated: true,
    sgxRoots: [toHex(guest.pki.rootSha256)],
  },
  collateral: null,
}

function judge(
  pem: string | readonly string[],
  change: Partial<RaTlsOptions> = {},
): RaTlsAppraisal {
  return appraiseRaTls(typeof pem === 'string' ? pem : pem.join(''), { ...OPTIONS, ...change })
}

function failures({ verdict }: RaTlsAppraisal): string[] {
  return verdict.checks
    .filter(({ status }) => status === 'fail')
    .map(
      ({ id, code, detail }) =>
        `${id} ${code}${code === 'ratls_chain_invalid' ? ` ${detail.split(':')[0] ?? ''}` : ''}`,
    )
}

function statusOf({ verdict }: RaTlsAppraisal, id: string): string | undefined {
  return verdict.checks.find((check) => check.id === id)?.status
}

function spkiOf(pem: string): Uint8Array {
  const key = new X509Certificate(pem).publicKey
  return Uint8Array.from(key.export({ format: 'der', type: 'spki' }))
}

describe('a genuine certificate', () => {
  test.each(PORTS)('is accepted with its chain, and its key named (%s)', (_, crypto) => {
    const appraisal = judge(CHAIN, { crypto })
    expect(failures(appraisal)).toEqual([])
    expect(appraisal.verdict.sentence).toMatch(/^Accepted as a SIMULATION/)
    expect(appraisal.spki).toEqual(spkiOf(LEAF))
    expect(appraisal.system?.appId).toEqual(guest.appId)
    for (const id of ['usage', 'binding', 'app_id', 'chain']) {
      expect([id, statusOf(appraisal, `ratls.${id}`)]).toEqual([id, 'pass'])
    }
  })

  test('that comes alone rests on the quote; the chain can be made a condition', () => {
    const alone = judge(LEAF)
    expect(failures(alone)).toEqual([])
    expect(alone.spki).toEqual(spkiOf(LEAF))
    expect(statusOf(alone, 'ratls.chain')).toBe('skip')
    const policy = { ...OPTIONS.policy, require: ['ratls.chain'] }
    expect(judge(LEAF, { policy }).spki).toBeNull()
    expect(judge(CHAIN, { policy }).spki).not.toBeNull()
  })

  test('that expired is refused, with its chain and alone', () => {
    const day = 86_400_000
    const [notBefore, notAfter] = [-30, -1].map((days) => new Date(NOW.getTime() + days * day))
    const request = { ...REQUEST, notBefore: notBefore ?? null, notAfter: notAfter ?? null }
    const chain = issue(guest, evidenceOf(guest), request)
    expect(failures(judge(chain[0] ?? ''))).toEqual(['ratls.validity ratls_not_in_time'])
    expect(failures(judge(chain))).toContain('ratls.validity ratls_not_in_time')
  })

  test('of a guest without a KMS has no chain that says anything', () => {
    const local = createSimulatedGuest({
      ...{ composeText: COMPOSE, now: NOW, pki: guest.pki, keyProvider: 'local-sgx' as const },
    })
    const appraisal = judge(issue(local))
    expect(failures(appraisal)).toEqual([])
    expect(statusOf(appraisal, 'ratls.chain')).toBe('skip')
  })

  test('is held against the policy and the compose text as any other evidence', () => {
    const policy = { ...OPTIONS.policy, appIds: ['00'.repeat(20)] }
    expect(failures(judge(CHAIN, { policy }))).toEqual(['app.id app_not_accepted'])
    expect(failures(judge(CHAIN, { appCompose: `${COMPOSE} ` }))).toEqual([
      'compose.hash compose_hash_mismatch',
    ])
    const real = { ...OPTIONS.policy, allowSimulated: false }
    expect(failures(judge(CHAIN, { policy: real }))).toContain(
      'evidence.simulation simulation_not_allowed',
    )
  })

  test('with a compressed event log needs somebody who can expand it', () => {
    const compressed = gzipSync(guest.quotedEventLog)
    const pem = handmade({ eventLog: compressed })
    expect(failures(judge(pem))).toEqual(['ratls.structure ratls_unsupported'])
    const gunzip = (bytes: Uint8Array, maxOutputLength: number): Uint8Array | null => {
      try {
        return gunzipSync(bytes, { maxOutputLength })
      } catch {
        return null
      }
    }
    expect(failures(judge(pem, { gunzip }))).toEqual([])
    const bomb = handmade({ eventLog: gzipSync(Buffer.alloc(8 * 1024 * 1024, 0x20)) })
    expect(failures(judge(bomb, { gunzip }))).toEqual(['ratls.structure ratls_malformed'])
  })
})

interface Forgery {
  readonly quote?: Uint8Array | null
  readonly eventLog?: Uint8Array | null
  readonly appId?: Uint8Array | null
  readonly usage?: string | null
  readonly extra?: readonly CertificateExtension[]
  readonly ca?: { readonly pathLength: number | null }
  /** DER of one more layer than dstack writes, or one less. */
  readonly wrap?: (content: Uint8Array) => Uint8Array
}

const ARC = '1.3.6.1.4.1.62397.1'

/** A certificate that anybody could make: own key, own issuer, and whatever evidence is at hand. */
function handmade(forgery: Forgery = {}): string {
  const own = keyPair()
  const spki = own.publicKey.export({ format: 'der', type: 'spki' })
  const bound = createHash('sha512').update('ratls-cert:').update(spki).digest()
  const wrap = forgery.wrap ?? ((content: Uint8Array) => toDer(octetString(content)))
  const extensions = (
    [
      ['1', forgery.quote === undefined ? guest.quote(Uint8Array.from(bound)) : forgery.quote],
      ['2', forgery.eventLog === undefined ? Buffer.from(guest.quotedEventLog) : forgery.eventLog],
      ['3', forgery.appId === undefined ? guest.appId : forgery.appId],
      [
        '4',
        forgery.usage === undefined
          ? Buffer.from('app:custom')
          : forgery.usage === null
            ? null
            : Buffer.from(forgery.usage),
      ],
    ] as const
  ).flatMap(([arc, content]) =>
    content === null ? [] : [{ oid: `${ARC}.${arc}`, critical: false, value: wrap(content) }],
  )
  return toPem(
    buildCertificate({
      subject: { commonName: 'app' },
      issuer: { commonName: 'anybody' },
      serial: Uint8Array.of(1),
      notBefore: new Date(NOW.getTime() - 86_400_000),
      notAfter: new Date(NOW.getTime() + 86_400_000),
      publicKey: own.publicKey,
      issuerKey: own.privateKey,
      keyUsage: ['digitalSignature'],
      ...(forgery.ca === undefined ? {} : { ca: forgery.ca }),
      extensions: [...extensions, ...(forgery.extra ?? [])],
    }),
  )
}

describe('a forged certificate', () => {
  test('by hand, over its own key, is as good as its quote', () => {
    expect(failures(judge(handmade()))).toEqual([])
  })

  test('with the evidence of another key is refused', () => {
    // What an attacker has of the genuine one: everything but its private key.
    const quote = guest.quote(
      Uint8Array.from(createHash('sha512').update('ratls-cert:').update(spkiOf(LEAF)).digest()),
    )
    const appraisal = judge(handmade({ quote }))
    expect(failures(appraisal)).toEqual(['ratls.binding ratls_binding_mismatch'])
    expect(appraisal.spki).toBeNull()
    expect(appraisal.system).toBeNull()
  })

  test('over the key without dstack’s prefix, as another protocol would quote it, is refused', () => {
    const own = guest.quote(Uint8Array.from(createHash('sha512').update(spkiOf(LEAF)).digest()))
    expect(failures(judge(handmade({ quote: own })))).toEqual([
      'ratls.binding ratls_binding_mismatch',
    ])
  })

  test.each<[string, Forgery, string]>([
    ['no evidence', { quote: null, eventLog: null }, 'ratls.structure ratls_no_evidence'],
    ['a log without a quote', { quote: null }, 'ratls.structure ratls_no_evidence'],
    ['a quote without a log', { eventLog: null }, 'ratls.structure ratls_malformed'],
    ['an empty quote', { quote: new Uint8Array(0) }, 'quote.structure quote_malformed'],
    ['a log that is no text', { eventLog: Uint8Array.of(0xff) }, 'ratls.structure ratls_malformed'],
    [
      'the log of another guest',
      { eventLog: Buffer.from(stranger.quotedEventLog) },
      'eventlog.rtmr3 rtmr_mismatch',
    ],
    ['the app id of another app', { appId: stranger.appId }, 'ratls.app_id ratls_app_mismatch'],
    ['a short app id', { appId: new Uint8Array(19) }, 'ratls.structure ratls_malformed'],
    ['the use of a CA', { usage: 'app:ca' }, 'ratls.usage ratls_usage_unexpected'],
    ['the use of a KMS', { usage: 'kms:rpc' }, 'ratls.usage ratls_usage_unexpected'],
    ['a use that is no word', { usage: 'app custom' }, 'ratls.structure ratls_malformed'],
    ['a CA’s rights', { ca: { pathLength: 0 } }, 'ratls.usage ratls_usage_unexpected'],
    [
      'evidence that is not wrapped',
      { wrap: (content) => content },
      'ratls.structure ratls_malformed',
    ],
    [
      'evidence in another type',
      { wrap: (content) => toDer(utf8String(toHex(content.subarray(0, 8)))) },
      'ratls.structure ratls_malformed',
    ],
    [
      'bytes behind the evidence',
      { wrap: (content) => Uint8Array.of(...toDer(octetString(content)), 0) },
      'ratls.structure ratls_malformed',
    ],
    [
      'a versioned attestation beside the quote',
      {
        extra: [{ oid: `${ARC}.8`, critical: false, value: toDer(octetString(Uint8Array.of(0))) }],
      },
      'ratls.structure ratls_malformed',
    ],
    [
      'a versioned attestation alone',
      {
        ...{ quote: null, eventLog: null },
        extra: [{ oid: `${ARC}.8`, critical: false, value: toDer(octetString(Uint8Array.of(0))) }],
      },
      'ratls.structure ratls_unsupported',
    ],
    [
      'two quotes',
      {
        extra: [{ oid: `${ARC}.1`, critical: false, value: toDer(octetString(Uint8Array.of(0))) }],
      },
      'ratls.structure ratls_malformed',
    ],
  ])('with %s is refused', (_, forgery, failure) => {
    const appraisal = judge(handmade(forgery))
    expect(failures(appraisal)).toEqual([failure])
    expect(appraisal.spki).toBeNull()
  })

  test('without app id and use is judged by its log alone', () => {
    const appraisal = judge(handmade({ appId: null, usage: null }))
    expect(failures(appraisal)).toEqual([])
    expect(statusOf(appraisal, 'ratls.app_id')).toBe('skip')
  })

  test('over a quote with one bit changed passes nothing that stands on the quote', () => {
    const own = keyPair()
    const spki = own.publicKey.export({ format: 'der', type: 'spki' })
    const quote = guest.quote(
      Uint8Array.from(createHash('sha512').update('ratls-cert:').update(spki).digest()),
    )
    quote[600] = (quote[600] ?? 0) ^ 1
    const appraisal = judge(handmade({ quote }))
    expect(failures(appraisal)).toContain('quote.signature quote_signature_invalid')
    expect(statusOf(appraisal, 'ratls.binding')).not.toBe('pass')
    expect(statusOf(appraisal, 'ratls.app_id')).toBe('skip')
  })
})

describe('a chain', () => {
  const theirs = issue(stranger)

  test('under the root of another KMS is refused, though both guests run the same software', () => {
    expect(failures(judge([LEAF, theirs[1] ?? '', theirs[2] ?? '']))).toEqual([
      'ratls.chain ratls_root_mismatch',
    ])
    expect(failures(judge([handmade(), ...theirs.slice(1)]))).toEqual([
      'ratls.chain ratls_root_mismatch',
    ])
  })

  test('whose root only bears the right names is refused', () => {
    const { privateKey, publicKey } = keyPair()
    const fake = toPem(
      buildCertificate({
        subject: { commonName: 'Simulated dstack Root CA' },
        issuer: { commonName: 'Simulated dstack Root CA' },
        serial: Uint8Array.of(9),
        notBefore: new Date(NOW.getTime() - 1000),
        notAfter: new Date(NOW.getTime() + 1000),
        publicKey,
        issuerKey: privateKey,
        ca: { pathLength: 1 },
        keyUsage: ['keyCertSign'],
        extensions: [simulationExtension()],
      }),
    )
    expect(failures(judge([LEAF, APP_CA, fake]))).toEqual(['ratls.chain ratls_root_mismatch'])
  })

  test('that does not sign the leaf is refused', () => {
    expect(failures(judge([handmade(), APP_CA, ROOT]))).toEqual([
      'ratls.chain ratls_chain_invalid chain_names',
    ])
    expect(failures(judge([LEAF, ROOT]))).toEqual(['ratls.chain ratls_chain_invalid chain_names'])
    expect(failures(judge([LEAF, APP_CA, APP_CA, ROOT]))).toEqual([
      'ratls.chain ratls_chain_invalid chain_path_length',
    ])
  })

  test('out of its time is refused', () => {
    const past = {
      notBefore: new Date(NOW.getTime() - 2000),
      notAfter: new Date(NOW.getTime() - 1),
    }
    expect(failures(judge(issue(guest, evidenceOf(guest), { ...REQUEST, ...past })))).toEqual([
      'ratls.validity ratls_not_in_time',
      'ratls.chain ratls_chain_invalid chain_expired',
    ])
  })

  test('that is too long, or followed by other text, is not read', () => {
    expect(failures(judge([...CHAIN, ROOT, ROOT]))).toEqual(['ratls.structure ratls_malformed'])
    expect(failures(judge(`${LEAF}note`))).toEqual(['ratls.structure ratls_malformed'])
    expect(failures(judge(''))).toEqual(['ratls.structure ratls_malformed'])
  })
})

describe('the parser', () => {
  test('never throws, and accepts no random text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
        const pem = `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`
        expect(judge(text).spki).toBeNull()
        expect(judge(pem).spki).toBeNull()
      }),
      { numRuns: 300 },
    )
  })

  test('never throws on a changed byte, which at most changes what is not trusted', () => {
    const der = new X509Certificate(LEAF).raw
    const key = toHex(spkiOf(LEAF))
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Uint8Array.from(der)
        changed[at] = (changed[at] ?? 0) ^ flip
        const { spki } = judge(toPem(changed))
        // Alone, names, dates and the issuer's signature are nobody's word; the key may be no other.
        if (spki !== null) expect(toHex(spki)).toBe(key)
        expect(judge([toPem(changed), APP_CA, ROOT]).spki).toBeNull()
      }),
      { numRuns: 200 },
    )
  })
})

describe('recorded on hardware', () => {
  test.runIf(haveFixtures('0g') && haveFixtures('tdx')).each(PORTS)(
    'the certificate of a vllm-proxy’s guest is accepted, and leads to its measured KMS (%s)',
    (_, crypto) => {
      const report = JSON.parse(fixtureText('0g/llm_attestation_report.json')) as {
        info: { app_cert: string; app_id: string }
      }
      const collateral = parseCollateral(fixtureBytes('tdx/v5-td15-outdated.collateral.json'))
      if (!collateral.ok) throw new Error(collateral.detail)
      const options = {
        ...{ crypto, at: 1772600000, asOf: true, collateral: collateral.collateral },
        policy: { ...DEFAULT_POLICY, acceptUnchecked: ['quote.image'] },
      }
      // The firmware of that machine was out of date when the collateral was issued.
      expect(failures(appraiseRaTls(report.info.app_cert, options))).toEqual([
        'quote.tcb_status tcb_status_not_accepted',
      ])
      const tdx: TdxPolicy = {
        ...DEFAULT_POLICY.tdx,
        acceptedStatuses: ['OutOfDate'],
        acceptedAdvisories: null,
      }
      const policy = { ...options.policy, tdx }
      const appraisal = appraiseRaTls(report.info.app_cert, { ...options, policy })
      expect(failures(appraisal)).toEqual([])
      expect(appraisal.verdict.verdict).toBe('accepted-as-of')
      expect(statusOf(appraisal, 'ratls.chain')).toBe('pass')
      expect(appraisal.system?.appId).toEqual(hex(report.info.app_id))
      expect(appraisal.spki).toEqual(spkiOf(report.info.app_cert))
    },
  )
})
