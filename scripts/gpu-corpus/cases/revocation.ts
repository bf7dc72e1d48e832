/**
 * OCSP: what is revoked, on hold or unknown, answers of another time, and answers by whoever may not give them.
 * Source: RFC 6960 §3.2 and §4.2.2; RFC 5280 §5.3.1 for reasons.
 *
 * @module
 */
import {
  buildOcspError,
  ocspSigningExtensions,
  REVOCATION_REASON,
} from '../../../attestation/simulator/x509/build-ocsp-response.ts'
import type { OcspStatus } from '../../../attestation/simulator/x509/build-ocsp-response.ts'
import { oid, sequence, toDer } from '../../../attestation/x509/der.ts'
import type { CertificateExtension } from '../../../attestation/x509/build-certificate.ts'
import { issueCertificate } from '../../../attestation/simulator/x509/issue-certificate.ts'
import { keyOf, seeded, seededEntropy } from '../entropy.ts'
import {
  deviceResponses,
  makeResponder,
  ocspResponse,
  responderOf,
  responses,
  rimResponses,
  SUBJECTS,
} from '../ocsp.ts'
import type { OcspChange, ResponderChange, SubjectName } from '../ocsp.ts'
import { vbiosFile } from '../rim.ts'
import { malformed, rejected } from '../vector.ts'
import type { Case, Evidence, Vector } from '../vector.ts'
import {
  AT,
  DAY,
  dateOf,
  flipped,
  fromHex,
  gpuOf,
  HOUR,
  join,
  PKI,
  STRANGER_PKI,
} from '../world.ts'

const { identity } = SUBJECTS
const { gpuProvisioner, product } = PKI.issuers

export function revoked(reason: number | null, at = AT - DAY): OcspStatus {
  return { kind: 'revoked', at: dateOf(at), reason }
}
export const HOLD = revoked(REVOCATION_REASON.certificateHold)

/** One response of the device changed, the others good. */
const of = (name: SubjectName, change: OcspChange): Evidence => ({
  collateral: responses(...deviceResponses({ [name]: change })),
})
const one = (change: OcspChange): Evidence => of('identity', change)
/** In place of the response on the device identity. */
const instead = (...ders: readonly Uint8Array[]): Evidence => ({
  collateral: responses(...ders, ...deviceResponses({ identity: null })),
})

function statuses(): Case[] {
  const gone = revoked(REVOCATION_REASON.keyCompromise)
  const names = {
    identity: 'the device identity',
    provisioner: 'the provisioner',
    product: 'the product identity',
  } as const
  return [
    ...(['identity', 'provisioner', 'product'] as const).flatMap((name): Case[] => [
      [`revoked-${name}`, 'ocsp_revoked', `${names[name]} is revoked`, of(name, { status: gone })],
      [`hold-${name}`, 'ocsp_hold', `${names[name]} is on hold`, of(name, { status: HOLD })],
      [
        `unknown-${name}`,
        'ocsp_unknown',
        `the responder does not know ${names[name]}`,
        of(name, { status: { kind: 'unknown' } }),
      ],
    ]),
    [
      'revoked-without-reason',
      'ocsp_revoked',
      'revoked, and nobody says why',
      one({ status: revoked(null) }),
    ],
    [
      'revoked-in-future',
      'ocsp_revoked',
      'the responder says already that it was compromised from tomorrow on',
      one({ status: revoked(REVOCATION_REASON.keyCompromise, AT + DAY) }),
    ],
    [
      'revoked-superseded',
      'ocsp_revoked',
      'revoked for a harmless reason',
      one({ status: revoked(REVOCATION_REASON.superseded) }),
    ],
    [
      'revoked-although-hold-allowed',
      'ocsp_revoked',
      'revoked where the policy allows holds',
      { ...one({ status: gone }), gpuPolicy: { allowHold: true } },
    ],
    [
      'hold-since-1970',
      'ocsp_unknown',
      'on hold since 1970, by which a responder says that nobody issued it, where the policy allows holds',
      {
        ...one({ status: revoked(REVOCATION_REASON.certificateHold, 0) }),
        gpuPolicy: { allowHold: true },
      },
    ],
    [
      'revoked-beside-good',
      'ocsp_revoked',
      'a good answer and one that says revoked',
      instead(ocspResponse(identity), ocspResponse(identity, { status: gone })),
    ],
    [
      'good-behind-unknown',
      'ocsp_unknown',
      'a good answer behind one that does not know',
      instead(ocspResponse(identity, { status: { kind: 'unknown' } }), ocspResponse(identity)),
    ],
    [
      'absent',
      'not_met',
      'no answer on the device identity, where one is required',
      { ...instead(), policy: { require: ['gpu.*.ocsp'] } },
    ],
    [
      'of-another-device',
      'not_met',
      'the answer on another GPU in place of this one’s',
      {
        ...instead(
          ocspResponse(identity, {
            subject: { issuer: gpuProvisioner, serial: gpuOf(1).identity.serial },
          }),
        ),
        policy: { require: ['gpu.*.ocsp'] },
      },
    ],
    [
      'of-another-issuer',
      'not_met',
      'the answer on a certificate of the same number by another issuer',
      {
        ...instead(ocspResponse({ issuer: product, serial: identity.serial })),
        policy: { require: ['gpu.*.ocsp'] },
      },
    ],
  ]
}

function windows(): Case[] {
  return [
    [
      'stale-by-a-second',
      'ocsp_stale',
      'an answer until a second ago',
      one({ thisUpdate: AT - DAY, nextUpdate: AT - 1 }),
    ],
    [
      'stale-without-next-update',
      'ocsp_stale',
      'an answer without an end, more than an hour old',
      one({ thisUpdate: AT - HOUR - 1, nextUpdate: null }),
    ],
    [
      'stale-beyond-grace',
      'ocsp_stale',
      'an answer a second older than the grace of the policy',
      {
        ...one({ thisUpdate: AT - DAY, nextUpdate: AT - HOUR - 1 }),
        gpuPolicy: { ocspGraceS: HOUR },
      },
    ],
    [
      'stale-of-product',
      'ocsp_stale',
      'an old answer on the product identity',
      of('product', { thisUpdate: AT - DAY, nextUpdate: AT - 1 }),
    ],
    [
      'future',
      'ocsp_not_yet_valid',
      'an answer of in an hour',
      one({ thisUpdate: AT + HOUR, producedAt: AT + HOUR }),
    ],
    [
      'produced-in-future',
      'ocsp_not_yet_valid',
      'an answer that was signed in an hour',
      one({ producedAt: AT + HOUR }),
    ],
  ]
}

const ANY_USAGE: CertificateExtension = {
  oid: '2.5.29.37',
  critical: false,
  value: toDer(sequence(oid('2.5.29.37.0'))),
}
const TLS_USAGE: CertificateExtension = {
  oid: '2.5.29.37',
  critical: false,
  value: toDer(sequence(oid('1.3.6.1.5.5.7.3.1'))),
}
const UNKNOWN_CRITICAL: CertificateExtension = {
  oid: '1.2.3.4.5',
  critical: true,
  value: fromHex('0500'),
}

function responders(): Case[] {
  const by = (change: ResponderChange, issuer = gpuProvisioner): Evidence =>
    one({ responder: makeResponder(issuer, change) })
  const authorised = responderOf(gpuProvisioner)
  const isCa = issueCertificate({
    name: { commonName: 'SIMULATED OCSP Responder that may certify' },
    issuer: gpuProvisioner,
    entropy: seededEntropy,
    notBefore: dateOf(AT - DAY),
    notAfter: dateOf(AT + DAY),
    ca: { pathLength: null },
    keyUsage: ['digitalSignature', 'keyCertSign'],
    extensions: ocspSigningExtensions(),
  })
  const p256 = issueCertificate({
    name: { commonName: 'SIMULATED OCSP Responder' },
    issuer: gpuProvisioner,
    entropy: { ...seededEntropy, keyPair: () => keyOf('p256 responder', 'P-256') },
    notBefore: dateOf(AT - DAY),
    notAfter: dateOf(AT + DAY),
    keyUsage: ['digitalSignature'],
    extensions: ocspSigningExtensions(),
  })
  // Without the mark that nobody needs to ask about it.
  const asked = makeResponder(gpuProvisioner, { extensions: ocspSigningExtensions().slice(0, 1) })
  const byIssuer = { responder: gpuProvisioner, template: { certificates: [] } }
  const untrusted = 'ocsp_responder_untrusted'
  const unauthorized = 'ocsp_responder_unauthorized'
  return [
    ['of-the-issuer-above', untrusted, 'a responder of the issuer’s issuer', by({}, product)],
    ['of-the-root', untrusted, 'a responder of the root', by({}, PKI.issuers.root)],
    [
      'of-the-switches',
      untrusted,
      'a responder of the provisioner of switches',
      by({}, PKI.issuers.switchProvisioner),
    ],
    [
      'of-a-stranger',
      untrusted,
      'a responder of a stranger of the same name',
      by({}, STRANGER_PKI.issuers.gpuProvisioner),
    ],
    [
      'is-the-device',
      unauthorized,
      'the GPU answers for itself',
      one({ responder: gpuOf(0).identity }),
    ],
    [
      'without-usage',
      unauthorized,
      'a certificate of the issuer that is not for OCSP',
      by({ extensions: [] }),
    ],
    ['usage-any', unauthorized, 'a responder for any purpose', by({ extensions: [ANY_USAGE] })],
    ['usage-tls', unauthorized, 'a TLS server of the issuer', by({ extensions: [TLS_USAGE] })],
    ['is-ca', unauthorized, 'a responder that may certify', one({ responder: isCa })],
    [
      'unknown-critical-extension',
      unauthorized,
      'a responder with a critical extension that nobody knows',
      by({ extensions: [...ocspSigningExtensions(), UNKNOWN_CRITICAL] }),
    ],
    [
      'expired',
      'ocsp_responder_time',
      'a responder that has expired',
      by({ notBefore: AT - 2 * DAY, notAfter: AT - 1 }),
    ],
    [
      'not-yet',
      'ocsp_responder_time',
      'an answer of before its responder was one',
      by({ notBefore: AT - 60 }),
    ],
    [
      'revoked',
      'ocsp_responder_revoked',
      'the issuer says beside it that the responder is revoked',
      instead(
        ocspResponse(identity, { responder: asked }),
        ocspResponse(identity, {
          ...byIssuer,
          subject: { issuer: gpuProvisioner, serial: asked.serial },
          status: revoked(REVOCATION_REASON.keyCompromise),
        }),
      ),
    ],
    ['p256', 'ocsp_algorithm', 'a responder on P-256', one({ responder: p256 })],
    [
      'not-enclosed',
      'ocsp_responder_missing',
      'the responder’s certificate is not enclosed',
      one({ template: { certificates: [] } }),
    ],
    [
      'another-enclosed',
      'ocsp_responder_missing',
      'the certificate of another responder is enclosed, which the answer does not name',
      one({ template: { certificates: [gpuProvisioner.der] } }),
    ],
    [
      'named-by-key-of-another',
      'ocsp_responder_missing',
      'the answer names the key of a responder and encloses another',
      one({
        responder: { ...authorised, key: keyOf('nobody').privateKey },
        template: { responderId: 'key', certificates: [authorised.der] },
      }),
    ],
    [
      'signed-by-stranger',
      'ocsp_signature_invalid',
      'signed by a key that the enclosed certificate does not hold',
      one({ responder: { ...authorised, key: keyOf('nobody').privateKey } }),
    ],
    [
      'issuer-named-and-not-signing',
      'ocsp_signature_invalid',
      'the answer names the issuer itself, which did not sign it',
      one({ responder: { ...gpuProvisioner, key: keyOf('nobody').privateKey } }),
    ],
  ]
}

/** Offset of the first occurrence, which has to be there. */
function find(bytes: Uint8Array, digits: string): number {
  const at = Buffer.from(bytes).indexOf(Buffer.from(fromHex(digits)))
  if (at === -1) throw new TypeError(`no ${digits}`)
  return at
}

function changes(): Case[] {
  const gone = { status: revoked(REVOCATION_REASON.keyCompromise) }
  return [
    [
      'bit-of-signature',
      'ocsp_signature_invalid',
      'a bit of the time flipped',
      one({
        after: (der) => flipped(der, find(der, '180f') + 14),
      }),
    ],
    [
      'status-unsaid',
      'ocsp_signature_invalid',
      '“unknown” made “good” after it was signed',
      one({
        status: { kind: 'unknown' },
        after: (der) => {
          const at = find(der, '8200180f')
          return der.map((byte, i) => (i === at ? 0x80 : byte))
        },
      }),
    ],
    [
      'answers-twice',
      'ocsp_duplicate',
      'two answers on one certificate in one response',
      one({
        more: [
          {
            subject: identity,
            status: gone.status,
            thisUpdate: dateOf(AT),
            nextUpdate: dateOf(AT + DAY),
          },
        ],
      }),
    ],
    [
      'answers-twice-alike',
      'ocsp_duplicate',
      'the same answer twice in one response',
      one({
        more: [
          {
            subject: identity,
            status: { kind: 'good' },
            thisUpdate: dateOf(AT - HOUR),
            nextUpdate: dateOf(AT + DAY),
          },
        ],
      }),
    ],
    [
      'unknown-critical-extension',
      'ocsp_unknown_extension',
      'a critical extension that nobody knows',
      one({ template: { extensions: [UNKNOWN_CRITICAL] } }),
    ],
    ...([1, 2, 3, 5, 6] as const).map((status): Case => [
      `error-${status}`,
      'ocsp_not_successful',
      `the responder’s error ${status} in place of an answer`,
      instead(buildOcspError(status)),
    ]),
  ]
}

/** What stands in the OCTET STRING of responseBytes. */
function basicOf(der: Uint8Array): Uint8Array {
  const at = find(der, '06092b0601050507300101') + 11
  return der.subarray(at + 4)
}

function unreadable(): Vector[] {
  const good = ocspResponse(identity)
  const rows: readonly (readonly [id: string, title: string, der: Uint8Array])[] = [
    ['one-more', 'one zero byte behind the response', join(good, Uint8Array.of(0))],
    ['cut', 'the last byte missing', good.subarray(0, -1)],
    ['basic-alone', 'the basic response without its envelope', basicOf(good)],
    ['no-der', 'a text', Buffer.from('good')],
    ['a-certificate', 'a certificate', gpuProvisioner.der],
    ['status-4', 'a status that is not used', fromHex('30030a0104')],
    ['success-without-answer', 'success without an answer', fromHex('30030a0100')],
    [
      'nonce-not-der',
      'a nonce that is no octet string',
      ocspResponse(identity, {
        template: {
          extensions: [{ oid: '1.3.6.1.5.5.7.48.1.2', critical: false, value: seeded('n', 7) }],
        },
      }),
    ],
  ]
  return rows.map(([id, title, der]) =>
    malformed(`ocsp-form-${id}`, 'ocsp_malformed', title, instead(der)),
  )
}

/** The certificates that signed a RIM file. */
function ofRims(): Case[] {
  const gone = { status: revoked(REVOCATION_REASON.keyCompromise) }
  const file = (changes: readonly (OcspChange | undefined)[]): Evidence => ({
    collateral: {
      ...vbiosFile(),
      ocsp: responses(...rimResponses(changes)).ocsp,
    },
  })
  return [
    ['signer-revoked', 'ocsp_revoked', 'the signer of the RIM file is revoked', file([gone])],
    ['l3-revoked', 'ocsp_revoked', 'the authority above it is revoked', file([undefined, gone])],
    [
      'ca-on-hold',
      'ocsp_hold',
      'the CA above that is on hold',
      file([undefined, undefined, { status: HOLD }]),
    ],
    [
      'signer-unknown',
      'ocsp_unknown',
      'the responder does not know the signer',
      file([{ status: { kind: 'unknown' } }]),
    ],
    [
      'signer-stale',
      'ocsp_stale',
      'an old answer on the signer',
      file([{ thisUpdate: AT - DAY, nextUpdate: AT - 1 }]),
    ],
    [
      'signer-by-device-responder',
      'ocsp_responder_untrusted',
      'a responder for devices answers on the signer',
      file([{ responder: responderOf(gpuProvisioner) }]),
    ],
  ]
}

export function revocationCases(): Vector[] {
  const row =
    (prefix: string) =>
    ([id, code, title, evidence]: Case): Vector =>
      rejected(`${prefix}${id}`, code, title, evidence)
  return [
    ...statuses().map(row('ocsp-')),
    ...windows().map(row('ocsp-')),
    ...responders().map(row('ocsp-responder-')),
    ...changes().map(row('ocsp-response-')),
    ...unreadable(),
    ...ofRims().map(row('rim-ocsp-')),
  ]
}
