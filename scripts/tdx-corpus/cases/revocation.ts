/**
 * Revocation lists: empty, garbage, unsigned, of another time or issuer, and what they revoke.
 * Source: RFC 5280 §5; Intel SGX PCK Certificate and CRL Profile Specification.
 *
 * @module
 */
import {
  oid,
  octetString,
  raw,
  sequence,
  smallInteger,
  tagged,
  time,
  toDer,
  unsigned,
} from '../../../attestation/x509/der.ts'
import { distinguishedName } from '../../../attestation/x509/sign-der.ts'
import type { CollateralChange } from '../collateral.ts'
import { makeCollateral } from '../collateral.ts'
import { keyOf, seeded, signDerValue } from '../keys.ts'
import {
  AT,
  DAY,
  HOUR,
  issueList,
  issuePlatformCa,
  issueSigner,
  PCK,
  pemOf,
  PLATFORM_CA,
  ROOT,
  seal,
  signTbs,
  STRANGER_CA,
  STRANGER_ROOT,
  tbsOf,
  TCB_SIGNER,
} from '../pki.ts'
import type { Issued, ListChange } from '../pki.ts'
import { bytes, flipped, join } from '../quote.ts'
import { malformed, rejected } from '../vector.ts'
import type { Vector } from '../vector.ts'

const ECDSA = sequence(oid('1.2.840.10045.4.3.2'))
const CRL_NUMBER = sequence(oid('2.5.29.20'), octetString(toDer(smallInteger(1))))

interface OddList {
  readonly version?: number | null
  readonly nextUpdate?: number | null
  /** Extensions in place of the CRL number; null: none. */
  readonly extensions?: readonly Uint8Array[] | null
  /** DER of revokedCertificates. */
  readonly entries?: Uint8Array
}

/** A signed list of a form that {@link issueList} does not write. */
function oddList(issuer: Issued, odd: OddList): Uint8Array {
  const { version = 1, nextUpdate = AT + 30 * DAY, extensions = [toDer(CRL_NUMBER)] } = odd
  const at = (seconds: number): Date => new Date(seconds * 1000)
  const tbs = sequence(
    ...(version === null ? [] : [smallInteger(version)]),
    ECDSA,
    distinguishedName(issuer.name),
    time(at(AT - HOUR)),
    ...(nextUpdate === null ? [] : [time(at(nextUpdate))]),
    ...(odd.entries === undefined ? [] : [raw(odd.entries)]),
    ...(extensions === null ? [] : [tagged(0, sequence(...extensions.map((one) => raw(one))))]),
  )
  return signTbs(toDer(tbs), issuer.key)
}

/** Issuing distribution point (RFC 5280 §5.2.5), onlyContainsCACerts: a list that does not speak of everything. */
const PARTIAL = bytes('300f0603551d1c0101ff040530038201ff')
/** Delta CRL indicator (§5.2.4). */
const DELTA = bytes('300d0603551d1b0101ff0403020101')

type Malformed = readonly [id: string, title: string, list: (issuer: Issued) => Uint8Array]

const MALFORMED: readonly Malformed[] = [
  ['empty-sequence', 'an empty SEQUENCE', () => bytes('3000')],
  ['garbage', 'bytes that are no DER', () => bytes('deadbeefdeadbeef')],
  ['one-zero', 'one zero byte', () => bytes('00')],
  [
    'text',
    'an error page in place of a list',
    () => new Uint8Array(Buffer.from('<html>404</html>')),
  ],
  ['unsigned', 'an empty signature', (issuer) => seal(tbsOf(issueList(issuer)), bytes(''))],
  [
    'tbs-alone',
    'what is signed, without algorithm and signature',
    (issuer) => tbsOf(issueList(issuer)),
  ],
  ['cut', 'the last byte cut off', (issuer) => issueList(issuer).slice(0, -1)],
  ['trailing', 'a byte behind the list', (issuer) => join(issueList(issuer), bytes('00'))],
  [
    'version-1',
    'a list of version 1',
    (issuer) => oddList(issuer, { version: null, extensions: null }),
  ],
  ['version-3', 'a list of version 3', (issuer) => oddList(issuer, { version: 2 })],
  [
    'no-next-update',
    'a list that never goes stale',
    (issuer) => oddList(issuer, { nextUpdate: null }),
  ],
  [
    'partial',
    'a list that speaks of authorities only',
    (issuer) => oddList(issuer, { extensions: [PARTIAL] }),
  ],
  [
    'delta',
    'a list of changes to another list',
    (issuer) => oddList(issuer, { extensions: [DELTA] }),
  ],
  [
    'no-entries-but-a-list',
    'an empty list of entries',
    (issuer) => oddList(issuer, { entries: bytes('3000') }),
  ],
  [
    'entry-of-another-issuer',
    'an entry that is about certificates of another issuer (indirect list)',
    (issuer) =>
      oddList(issuer, {
        entries: toDer(
          sequence(
            sequence(
              smallInteger(5),
              time(new Date((AT - DAY) * 1000)),
              raw(bytes('3011300f0603551d1d0101ff04053003820178')),
            ),
          ),
        ),
      }),
  ],
  ['certificate', 'a certificate in place of the list', (issuer) => issuer.der],
]

const WHICH = [
  ['root', 'rootCrl', ROOT, 'the list of the root'],
  ['pck', 'pckCrl', PLATFORM_CA, 'the list of the Platform CA'],
] as const

/** The same attacks on both lists. */
function both(): Vector[] {
  return WHICH.flatMap(([name, member, issuer, whose]) => {
    const change = (list: Uint8Array | ListChange): { collateral: CollateralChange } => ({
      collateral: { [member]: list },
    })
    const tbs = tbsOf(issueList(issuer))
    const reject = (
      id: string,
      code: Parameters<typeof rejected>[1],
      title: string,
      list: Uint8Array | ListChange,
    ): Vector => rejected(`crl-${name}-${id}`, code, `${whose}: ${title}`, change(list))
    return [
      ...MALFORMED.map(([id, title, list]) =>
        malformed(`crl-${name}-${id}`, 'crl_malformed', `${whose}: ${title}`, change(list(issuer))),
      ),
      malformed(`crl-${name}-absent`, 'report_malformed', `${whose}: no byte at all`, {
        collateral: { ...makeCollateral(), [name === 'root' ? 'root_ca_crl' : 'pck_crl']: '' },
      }),
      reject('signed-by-stranger', 'crl_signature_invalid', 'signed by another key', {
        signer: keyOf('other'),
      }),
      reject(
        'signature-zero',
        'crl_signature_invalid',
        'r and s are zero',
        seal(tbs, bytes('3006020100020100')),
      ),
      reject(
        'bit-flipped',
        'crl_signature_invalid',
        'a bit of the CRL number flipped',
        seal(flipped(tbs, tbs.length - 1), signDerValue(tbs, issuer.key)),
      ),
      reject('expired', 'crl_expired', 'to be replaced a second before', { nextUpdate: AT - 1 }),
      reject('future', 'crl_not_yet_valid', 'issued a second later', { thisUpdate: AT + 1 }),
      reject('of-stranger', 'crl_issuer_mismatch', 'of an issuer of another name', {
        issuer: issueSigner(ROOT, { commonName: 'Some other CA', key: issuer.key }),
      }),
    ]
  })
}

function exchanged(): Vector[] {
  const [rootList, pckList] = [issueList(ROOT), issueList(PLATFORM_CA)]
  const processor = issuePlatformCa(ROOT, {
    commonName: 'Simulated SGX PCK Processor CA',
    key: keyOf('processor CA'),
    serial: seeded('serial processor', 16),
  })
  const renewed = issuePlatformCa(ROOT, { key: keyOf('renewed CA'), serial: seeded('renewed', 16) })
  const strangers: CollateralChange = {
    root: STRANGER_ROOT,
    platformCa: STRANGER_CA,
    tcbInfo: { chain: pemOf(TCB_SIGNER, ROOT), signer: TCB_SIGNER.key },
    qeIdentity: { chain: pemOf(TCB_SIGNER, ROOT), signer: TCB_SIGNER.key },
  }
  return [
    rejected('crl-lists-exchanged', 'crl_issuer_mismatch', 'each list in the place of the other', {
      collateral: { rootCrl: pckList, pckCrl: rootList },
    }),
    rejected(
      'crl-root-in-both-places',
      'crl_issuer_mismatch',
      'the list of the root in both places',
      { collateral: { pckCrl: rootList } },
    ),
    rejected(
      'crl-pck-in-both-places',
      'crl_issuer_mismatch',
      'the list of the Platform CA in both places',
      { collateral: { rootCrl: pckList } },
    ),
    rejected(
      'crl-of-processor-ca',
      'crl_issuer_mismatch',
      'a genuine list of Intel’s other authority, with its chain',
      { collateral: { platformCa: processor } },
    ),
    rejected(
      'crl-of-renewed-ca',
      'crl_issuer_mismatch',
      'a list of an authority of the same name with another key',
      { collateral: { platformCa: renewed } },
    ),
    rejected(
      'crl-of-stranger-pki',
      'collateral_chain_untrusted_root',
      'both lists of a stranger’s PKI',
      { collateral: strangers },
    ),
    rejected(
      'crl-of-other-accepted-root',
      'collateral_chain_other_root',
      'both lists under another root that the policy accepts too',
      { collateral: strangers, roots: [ROOT, STRANGER_ROOT] },
    ),
  ]
}

function revoked(): Vector[] {
  const many = Array.from({ length: 20 }, (_, index) => seeded(`revoked ${index}`, 16))
  const second = issueSigner(ROOT, { key: keyOf('second signer'), serial: seeded('second', 16) })
  const chain = pemOf(second, ROOT)
  const list = (...serials: readonly Uint8Array[]): ListChange => ({ revoked: serials })
  return [
    rejected('crl-revokes-pck', 'pck_revoked', 'the PCK certificate is revoked', {
      collateral: { pckCrl: list(PCK.serial) },
    }),
    rejected(
      'crl-revokes-pck-among-many',
      'pck_revoked',
      'the PCK certificate is the last of many',
      { collateral: { pckCrl: list(...many, PCK.serial) } },
    ),
    rejected('crl-revokes-platform-ca', 'pck_ca_revoked', 'the Platform CA is revoked', {
      collateral: { rootCrl: list(PLATFORM_CA.serial) },
    }),
    rejected('crl-revokes-tcb-signer', 'tcb_signer_revoked', 'the TCB signer is revoked', {
      collateral: { rootCrl: list(TCB_SIGNER.serial) },
    }),
    rejected(
      'crl-revokes-signer-of-tcb-info',
      'tcb_signer_revoked',
      'the signer of the TCB info alone is revoked',
      {
        collateral: { rootCrl: list(second.serial), tcbInfo: { signer: second.key, chain } },
      },
    ),
    rejected(
      'crl-revokes-signer-of-qe-identity',
      'tcb_signer_revoked',
      'the signer of the QE identity alone is revoked',
      {
        collateral: { rootCrl: list(second.serial), qeIdentity: { signer: second.key, chain } },
      },
    ),
    rejected(
      'crl-revokes-with-reason',
      'pck_revoked',
      'the PCK certificate is revoked, with a reason',
      {
        collateral: {
          pckCrl: oddList(PLATFORM_CA, {
            entries: toDer(
              sequence(
                sequence(
                  unsigned(PCK.serial),
                  time(new Date((AT - DAY) * 1000)),
                  raw(bytes('300c300a0603551d1504030a0101')),
                ),
              ),
            ),
          }),
        },
      },
    ),
  ]
}

export function revocationCases(): Vector[] {
  return [...both(), ...exchanged(), ...revoked()]
}
