/**
 * Every signature of a quote broken, and everything between them exchanged.
 *
 * @module
 */
import { keyOf, seeded } from '../keys.ts'
import { issuePck, PCK, pemOf, PLATFORM_CA, ROOT, TCB_SIGNER } from '../pki.ts'
import {
  BODY,
  bytes,
  flipped,
  join,
  layoutOf,
  makeQuote,
  patched,
  QE,
  QE_AUTH,
  sha256,
} from '../quote.ts'
import type { QuoteParts } from '../quote.ts'
import { rejected } from '../vector.ts'
import type { Evidence, Vector } from '../vector.ts'

const V4 = makeQuote()
const AT4 = layoutOf(V4)
const V5_PARTS: QuoteParts = { version: 5, body: 'td15' }
const V5 = makeQuote(V5_PARTS)
const AT5 = layoutOf(V5, V5_PARTS)
/** Order of the group of P-256. */
const N = bytes('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
const ZERO_64 = new Uint8Array(64)

type Case = readonly [id: string, title: string, quote: Evidence['quote']]

/** What is signed by the attestation key, changed behind its back. */
function signedParts(): Case[] {
  const fields = Object.entries(BODY).filter(([, offset]) => offset < 584)
  return [
    ['qe-svn', 'a bit of the header flipped: SVN of the quoting enclave', flipped(V4, 8)],
    ['pce-svn', 'a bit of the header flipped: SVN of the PCE', flipped(V4, 10)],
    ['user-data', 'a bit of the header flipped: user data', flipped(V4, 28)],
    ...fields.map(([name, offset]): Case => [
      name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      `a bit of ${name} flipped`,
      flipped(V4, AT4.body + offset, 3),
    ]),
    ['v5-tee-tcb-svn2', 'a bit of teeTcbSvn2 flipped', flipped(V5, AT5.body + BODY.teeTcbSvn2)],
    ['v5-mr-service-td', 'a bit of mrServiceTd flipped', flipped(V5, AT5.body + BODY.mrServiceTd)],
  ]
}

function quoteSignatures(): Case[] {
  const { signature } = AT4
  const sigOf = (quote: Uint8Array): Uint8Array => quote.slice(signature, signature + 64)
  const [r, s] = [sigOf(V4).slice(0, 32), sigOf(V4).slice(32)]
  const other = makeQuote({ put: { [BODY.reportData]: seeded('other report data', 32) } })
  const put = (value: Uint8Array): Uint8Array => patched(V4, signature, value)
  const offCurve = join(seeded('x', 32), seeded('y', 32))
  return [
    ['bit-of-r', 'a bit of r flipped', flipped(V4, signature)],
    ['bit-of-s', 'a bit of s flipped', flipped(V4, signature + 63)],
    ['zero', 'r and s are zero', put(ZERO_64)],
    ['zero-r', 'r is zero', put(join(new Uint8Array(32), s))],
    ['zero-s', 's is zero', put(join(r, new Uint8Array(32)))],
    ['order', 'r and s are the order of the group', put(join(N, N))],
    ['swapped', 'r and s exchanged', put(join(s, r))],
    ['other-quote', 'the signature of another quote of the same key', put(sigOf(other))],
    ['other-key', 'signed by a key that nobody endorsed', { signer: keyOf('other') }],
    ['pck-key', 'signed by the PCK key itself', { signer: PCK.key }],
    [
      'key-off-curve',
      'an endorsed key that is no point of the curve',
      { attestationPoint: offCurve },
    ],
    ['key-zero', 'an endorsed key of zeros', { attestationPoint: ZERO_64 }],
  ]
}

function qeReports(): Case[] {
  const { qeReport, qeReportSignature } = AT4
  return [
    ['bit-of-r', 'a bit of r flipped', flipped(V4, qeReportSignature)],
    ['bit-of-s', 'a bit of s flipped', flipped(V4, qeReportSignature + 63)],
    ['zero', 'r and s are zero', patched(V4, qeReportSignature, ZERO_64)],
    ['bit-of-mrsigner', 'a bit of mrsigner flipped', flipped(V4, qeReport + QE.mrSigner)],
    ['bit-of-attributes', 'the debug bit set afterwards', flipped(V4, qeReport + QE.attributes, 1)],
    ['bit-of-isvsvn', 'a bit of isvsvn flipped', flipped(V4, qeReport + QE.isvSvn)],
    ['bit-of-report-data', 'a bit of report data flipped', flipped(V4, qeReport + QE.reportData)],
    ['other-key', 'signed by a key that nobody certified', { qeSigner: keyOf('other') }],
    ['platform-ca', 'signed by the authority above the platform', { qeSigner: PLATFORM_CA.key }],
    ['root', 'signed by the root', { qeSigner: ROOT.key }],
    ['tcb-signer', 'signed by the TCB signer', { qeSigner: TCB_SIGNER.key }],
    [
      'other-platform',
      'with the chain of another genuine platform',
      { pem: pemOf(issuePck(PLATFORM_CA, { key: keyOf('other platform') }), PLATFORM_CA, ROOT) },
    ],
  ]
}

function bindings(): Case[] {
  const { point } = keyOf('attestation key')
  const { attestationKey, qeAuth } = AT4
  const attacker = keyOf('attacker')
  return [
    [
      'attestation-key-exchanged',
      'another attestation key, which signed the quote, under the report of the genuine one',
      { attestationKey: attacker, endorsed: sha256(point, QE_AUTH) },
    ],
    ['bit-of-key', 'a bit of the attestation key flipped', flipped(V4, attestationKey)],
    ['bit-of-auth', 'a bit of the authentication data flipped', flipped(V4, qeAuth)],
    ['key-alone', 'the digest leaves out the authentication data', { endorsed: sha256(point) }],
    ['order', 'the digest has the two in the other order', { endorsed: sha256(QE_AUTH, point) }],
    [
      'padded-auth',
      'the digest has the authentication data padded to 64 bytes',
      { endorsed: sha256(point, QE_AUTH, new Uint8Array(32)) },
    ],
    ['zero', 'the report endorses nothing', { endorsed: new Uint8Array(32) }],
    [
      'second-half',
      'the second half of the report data is not zero',
      { putQe: { [QE.reportData + 63]: Uint8Array.of(1) } },
    ],
  ]
}

export function signatureCases(): Vector[] {
  const all = (prefix: string, code: Parameters<typeof rejected>[1], cases: Case[]): Vector[] =>
    cases.map(([id, title, quote]) =>
      rejected(`${prefix}-${id}`, code, title, quote === undefined ? {} : { quote }),
    )
  return [
    ...all('quote-signed-part', 'quote_signature_invalid', signedParts()),
    ...all('quote-signature', 'quote_signature_invalid', quoteSignatures()),
    ...all('qe-report-signature', 'qe_report_signature_invalid', qeReports()),
    ...all('qe-binding', 'qe_binding_mismatch', bindings()),
  ]
}
