/**
 * The PCK chain in the quote: every certificate exchanged, expired, with wrong flags, usages, names and neighbours.
 * Source: Intel SGX PCK Certificate and CRL Profile Specification; RFC 5280 §4 and §6.1.
 *
 * @module
 */
import { sgxExtension } from '../../../attestation/simulator/intel/sgx-extension.ts'
import { makeCollateral } from '../collateral.ts'
import { keyOf, seeded } from '../keys.ts'
import {
  AT,
  DAY,
  issuePck,
  issuePlatformCa,
  issueRoot,
  PCK,
  pemOf,
  PLATFORM,
  PLATFORM_CA,
  ROOT,
  seal,
  signTbs,
  STRANGER_CA,
  STRANGER_PCK,
  STRANGER_ROOT,
  tbsOf,
  TCB_SIGNER,
} from '../pki.ts'
import type { CertificateChange, Issued } from '../pki.ts'
import { bytes, join } from '../quote.ts'
import { malformed, rejected } from '../vector.ts'
import type { Evidence, Vector } from '../vector.ts'

/** A quote under this chain, signed by the key of its leaf, with collateral of its authorities. */
function under(pck: Issued, ca = PLATFORM_CA, root = ROOT): Evidence {
  return {
    quote: { pem: pemOf(pck, ca, root), qeSigner: pck.key },
    collateral: makeCollateral({ root, platformCa: ca }),
    roots: [root],
  }
}

const leaf = (change: CertificateChange): Evidence => under(issuePck(PLATFORM_CA, change))

function authority(change: CertificateChange): Evidence {
  const ca = issuePlatformCa(ROOT, change)
  return under(issuePck(ca), ca)
}

function root(change: CertificateChange): Evidence {
  const top = issueRoot(change)
  const ca = issuePlatformCa(top)
  return under(issuePck(ca), ca, top)
}

/** The chain alone is changed; all else, and who signs, stays. */
const chain = (...pem: readonly (Issued | Uint8Array)[]): Evidence => ({
  quote: { pem: pemOf(...pem) },
})

const text = (pem: string): Evidence => ({ quote: { pem } })

const UNKNOWN_CRITICAL = { oid: '1.2.3.4.5', critical: true, value: bytes('0500') }
const SGX = sgxExtension(PLATFORM)

type Case = readonly [
  id: string,
  code: Parameters<typeof rejected>[1],
  title: string,
  evidence: Evidence,
]

function validity(): Case[] {
  const past: CertificateChange = { notAfter: AT - 1 }
  const future: CertificateChange = { notBefore: AT + 1 }
  return [
    ['leaf-expired', 'pck_chain_expired', 'the PCK certificate has expired', leaf(past)],
    ['ca-expired', 'pck_chain_expired', 'the Platform CA has expired', authority(past)],
    ['root-expired', 'pck_chain_expired', 'the root has expired', root(past)],
    ['leaf-future', 'pck_chain_not_yet_valid', 'the PCK certificate is of tomorrow', leaf(future)],
    ['ca-future', 'pck_chain_not_yet_valid', 'the Platform CA is of tomorrow', authority(future)],
    ['root-future', 'pck_chain_not_yet_valid', 'the root is of tomorrow', root(future)],
    [
      'judged-decades-later',
      'pck_chain_expired',
      'all is well but the time, twenty years later',
      { at: AT + 20 * 365 * DAY },
    ],
  ]
}

function signatures(): Case[] {
  const code = 'pck_chain_signature'
  const zero = bytes('3006020100020100')
  const stolen = seal(tbsOf(PCK.der), bytes('3006020101020101'))
  return [
    [
      'leaf-signed-by-stranger',
      code,
      'the PCK certificate is signed by another key than its issuer',
      leaf({ signer: keyOf('other') }),
    ],
    [
      'ca-signed-by-stranger',
      code,
      'the Platform CA is signed by another key than the root',
      authority({ signer: keyOf('other') }),
    ],
    [
      'leaf-signed-by-itself',
      code,
      'the PCK certificate is self-signed',
      leaf({ signer: PCK.key }),
    ],
    [
      'leaf-signature-zero',
      code,
      'r and s are zero',
      chain(seal(tbsOf(PCK.der), zero), PLATFORM_CA, ROOT),
    ],
    ['leaf-signature-one', code, 'r and s are one', chain(stolen, PLATFORM_CA, ROOT)],
    [
      'leaf-of-stranger',
      code,
      'a PCK certificate of a stranger’s authority of the same name',
      { quote: { pem: pemOf(STRANGER_PCK, PLATFORM_CA, ROOT), qeSigner: STRANGER_PCK.key } },
    ],
    [
      'ca-of-stranger',
      code,
      'leaf and authority of a stranger below the true root',
      { quote: { pem: pemOf(STRANGER_PCK, STRANGER_CA, ROOT), qeSigner: STRANGER_PCK.key } },
    ],
  ]
}

function flags(): Case[] {
  return [
    [
      'ca-without-constraints',
      'pck_chain_not_ca',
      'the Platform CA is no CA',
      authority({ ca: null }),
    ],
    ['root-without-constraints', 'pck_chain_not_ca', 'the root is no CA', root({ ca: null })],
    [
      'ca-without-usage',
      'pck_chain_key_usage',
      'the Platform CA has no key usage',
      authority({ keyUsage: null }),
    ],
    [
      'ca-may-sign-lists-only',
      'pck_chain_key_usage',
      'the Platform CA may not sign certificates',
      authority({ keyUsage: ['crlSign'] }),
    ],
    [
      'root-may-sign-lists-only',
      'pck_chain_key_usage',
      'the root may not sign certificates',
      root({ keyUsage: ['crlSign'] }),
    ],
    [
      'leaf-may-not-sign',
      'pck_chain_key_usage',
      'the PCK certificate may not sign data',
      leaf({ keyUsage: ['crlSign'] }),
    ],
    [
      'root-path-length-zero',
      'pck_chain_path_length',
      'the root allows no authority below it',
      root({ ca: { pathLength: 0 } }),
    ],
    [
      'leaf-unknown-critical-extension',
      'pck_chain_unknown_critical_extension',
      'the PCK certificate has a critical extension that nobody knows',
      leaf({ extensions: [SGX, UNKNOWN_CRITICAL] }),
    ],
    [
      'ca-unknown-critical-extension',
      'pck_chain_unknown_critical_extension',
      'the Platform CA has a critical extension that nobody knows',
      authority({ extensions: [UNKNOWN_CRITICAL] }),
    ],
    [
      'leaf-is-authority',
      'pck_chain_not_pck',
      'the leaf is an authority with an SGX extension',
      leaf({ ca: { pathLength: null }, keyUsage: ['keyCertSign', 'digitalSignature'] }),
    ],
    [
      'leaf-without-sgx-extension',
      'pck_chain_not_pck',
      'the leaf says nothing of a platform',
      leaf({ extensions: [] }),
    ],
  ]
}

function names(): Case[] {
  const issuerName = {
    commonName: 'Simulated SGX PCK Processor CA',
  }
  return [
    [
      'leaf-issuer',
      'pck_chain_names',
      'the PCK certificate names another issuer',
      leaf({ issuerName }),
    ],
    [
      'ca-issuer',
      'pck_chain_names',
      'the Platform CA names another issuer',
      authority({ issuerName }),
    ],
    ['root-issuer', 'pck_chain_names', 'the root names another issuer', root({ issuerName })],
    [
      'ca-subject',
      'pck_chain_names',
      'an authority of another name with the same key',
      chain(PCK, issuePlatformCa(ROOT, { commonName: 'Processor CA' }), ROOT),
    ],
  ]
}

function neighbours(): Case[] {
  return [
    [
      'root-of-stranger',
      'pck_chain_untrusted_root',
      'a whole PKI of a stranger',
      { ...under(STRANGER_PCK, STRANGER_CA, STRANGER_ROOT), roots: [ROOT] },
    ],
    [
      'root-exchanged',
      'pck_chain_untrusted_root',
      'a stranger’s root of the same name',
      chain(PCK, PLATFORM_CA, STRANGER_ROOT),
    ],
    ['no-root-accepted', 'pck_chain_untrusted_root', 'the policy accepts no root', { roots: [] }],
    ['without-ca', 'pck_chain_length', 'the Platform CA is missing', chain(PCK, ROOT)],
    ['without-root', 'pck_chain_length', 'the root is missing', chain(PCK, PLATFORM_CA)],
    ['leaf-alone', 'pck_chain_length', 'the PCK certificate alone', chain(PCK)],
    ['root-alone', 'pck_chain_length', 'the root alone', chain(ROOT)],
    [
      'root-first',
      'pck_chain_untrusted_root',
      'the chain in reverse order',
      chain(ROOT, PLATFORM_CA, PCK),
    ],
    [
      'leaf-and-ca-exchanged',
      'pck_chain_not_ca',
      'leaf and authority in the wrong order',
      chain(PLATFORM_CA, PCK, ROOT),
    ],
    ['leaf-twice', 'pck_chain_not_ca', 'the leaf twice, no authority', chain(PCK, PCK, ROOT)],
    [
      'tcb-signer-as-leaf',
      'pck_chain_names',
      'the TCB signer in place of the PCK certificate',
      { quote: { pem: pemOf(TCB_SIGNER, PLATFORM_CA, ROOT), qeSigner: TCB_SIGNER.key } },
    ],
    [
      'signing-leaf-under-leaf',
      'pck_chain_not_ca',
      'a PCK certificate that a PCK certificate issued',
      {
        quote: {
          pem: pemOf(issuePck(PCK, { key: keyOf('sub') }), PCK, ROOT),
          qeSigner: keyOf('sub'),
        },
      },
    ],
  ]
}

/** Chains that cannot be read. More certificates than a chain has are not read either: there is exactly one path. */
function unreadable(): Case[] {
  const code = 'pck_chain_malformed'
  const pem = pemOf(PCK, PLATFORM_CA, ROOT)
  const der = PCK.der
  const relabelled = seal(tbsOf(der), bytes('3006020101020101'), '1.2.840.10045.4.3.3')
  return [
    [
      'extra-leaf',
      code,
      'a second PCK certificate in front',
      chain(STRANGER_PCK, PCK, PLATFORM_CA, ROOT),
    ],
    [
      'extra-authority',
      code,
      'another authority between',
      chain(PCK, PLATFORM_CA, STRANGER_CA, ROOT),
    ],
    ['extra-root', code, 'the root twice', chain(PCK, PLATFORM_CA, ROOT, ROOT)],
    ['empty', code, 'no certificate', text('')],
    ['only-nul', code, 'NUL bytes in place of the chain', text('\0\0\0\0')],
    ['not-pem', code, 'text that is no PEM', text('PCK chain on request')],
    [
      'text-between',
      code,
      'text between two certificates',
      text(`${pemOf(PCK)}Platform CA:\n${pemOf(PLATFORM_CA, ROOT)}`),
    ],
    ['text-before', code, 'text before the first certificate', text(`x${pem}`)],
    ['text-behind', code, 'text behind the last certificate', text(`${pem}x`)],
    [
      'other-label',
      code,
      'blocks of another label',
      text(pem.replaceAll('CERTIFICATE', 'X509 CRL')),
    ],
    ['bad-base64', code, 'a character that is not base64', text(pem.replace('MII', 'M*I'))],
    [
      'trailing-der',
      code,
      'a byte behind a certificate',
      chain(join(der, bytes('00')), PLATFORM_CA, ROOT),
    ],
    [
      'cut-der',
      code,
      'a certificate without its last byte',
      chain(der.slice(0, -1), PLATFORM_CA, ROOT),
    ],
    [
      'two-algorithms',
      code,
      'another algorithm outside than inside what is signed',
      chain(relabelled, PLATFORM_CA, ROOT),
    ],
    [
      'no-signature',
      code,
      'a certificate with an empty signature',
      chain(seal(tbsOf(der), bytes('')), PLATFORM_CA, ROOT),
    ],
    [
      'extension-twice',
      code,
      'two SGX extensions, of two platforms',
      leaf({ extensions: [SGX, sgxExtension({ ...PLATFORM, fmspc: bytes('112233445566') })] }),
    ],
    [
      'sgx-extension-not-der',
      'pck_extension_malformed',
      'an SGX extension that is no DER',
      leaf({ extensions: [{ ...SGX, value: bytes('deadbeef') }] }),
    ],
    [
      'sgx-extension-empty',
      'pck_extension_malformed',
      'an SGX extension without members',
      leaf({ extensions: [{ ...SGX, value: bytes('3000') }] }),
    ],
    [
      'sgx-extension-fmspc-short',
      'pck_extension_malformed',
      'an FMSPC of five bytes',
      leaf({ extensions: [sgxExtension({ ...PLATFORM, fmspc: bytes('1122334455') })] }),
    ],
    [
      'sgx-extension-fifteen-components',
      'pck_extension_malformed',
      'fifteen components',
      leaf({
        extensions: [sgxExtension({ ...PLATFORM, components: PLATFORM.components.slice(1) })],
      }),
    ],
    [
      'sgx-extension-component-over-255',
      'pck_extension_malformed',
      'a component of 256',
      leaf({
        extensions: [
          sgxExtension({ ...PLATFORM, components: [256, ...PLATFORM.components.slice(1)] }),
        ],
      }),
    ],
  ]
}

function simulated(): Vector[] {
  const notAllowed = { allowSimulated: false }
  return [
    rejected(
      'simulation-not-allowed',
      'simulation_not_allowed',
      'a simulated root that the policy lists but does not allow',
      { policy: notAllowed },
    ),
    rejected(
      'simulation-mark-not-critical',
      'simulation_not_allowed',
      'the mark of the simulation issued as not critical',
      {
        ...root({
          extensions: [{ oid: '2.25.1820683294', critical: false, value: bytes('0500') }],
        }),
        policy: notAllowed,
      },
    ),
  ]
}

/** The leaf re-encoded so that its outer length is not minimal: BER that is not DER. */
function ber(): Vector {
  const der = signTbs(tbsOf(PCK.der), PLATFORM_CA.key)
  const long = join(bytes('308300'), der.slice(2))
  return malformed(
    'pck-chain-ber',
    'pck_chain_malformed',
    'a length in more bytes than it needs',
    chain(long, PLATFORM_CA, ROOT),
  )
}

export function pckChainCases(): Vector[] {
  const all = (make: typeof rejected, cases: Case[]): Vector[] =>
    cases.map(([id, code, title, evidence]) => make(`pck-chain-${id}`, code, title, evidence))
  const other = seeded('other platform', 16)
  return [
    ...all(rejected, [...validity(), ...signatures(), ...flags(), ...names(), ...neighbours()]),
    ...all(malformed, unreadable()),
    ber(),
    ...simulated(),
    rejected('policy-platform-fmspc', 'platform_not_accepted', 'the policy names another FMSPC', {
      policy: { tdx: { fmspcs: ['b0c06f000000'] } },
    }),
    rejected('policy-platform-ppid', 'platform_not_accepted', 'the policy names another PPID', {
      policy: { tdx: { ppids: [Buffer.from(other).toString('hex')] } },
    }),
  ]
}
