/**
 * The issuer chains of the collateral: who may sign TCB info and QE identity, and who lists.
 *
 * @module
 */
import type { CollateralChange } from '../collateral.ts'
import { makeCollateral } from '../collateral.ts'
import { keyOf } from '../keys.ts'
import {
  AT,
  issueList,
  issuePlatformCa,
  issueSigner,
  PCK,
  pemOf,
  PLATFORM_CA,
  ROOT,
  STRANGER_ROOT,
  STRANGER_SIGNER,
  TCB_SIGNER,
} from '../pki.ts'
import type { CertificateChange, Issued } from '../pki.ts'
import { bytes } from '../quote.ts'
import { malformed, rejected } from '../vector.ts'
import type { Evidence, Vector } from '../vector.ts'

const UNKNOWN_CRITICAL = { oid: '1.2.3.4.5', critical: true, value: bytes('0500') }

const TEXTS = [
  ['tcb-info', 'tcbInfo', 'TCB info'],
  ['qe-identity', 'qeIdentity', 'QE identity'],
] as const

/** The same attacks on the chains of both texts. */
function signers(): Vector[] {
  return TEXTS.flatMap(([name, member, what]) => {
    const chain = (pem: string, signer = TCB_SIGNER): Evidence => ({
      collateral: { [member]: { chain: pem, signer: signer.key } } satisfies CollateralChange,
    })
    const signer = (change: CertificateChange): Evidence => {
      const issued = issueSigner(ROOT, change)
      return chain(pemOf(issued, ROOT), issued)
    }
    const reject = (
      id: string,
      code: Parameters<typeof rejected>[1],
      title: string,
      evidence: Evidence,
    ): Vector => rejected(`${name}-chain-${id}`, code, `${what}: ${title}`, evidence)
    const unread = (id: string, title: string, evidence: Evidence): Vector =>
      malformed(`${name}-chain-${id}`, 'collateral_chain_malformed', `${what}: ${title}`, evidence)
    const pem = pemOf(TCB_SIGNER, ROOT)
    const crossSigned = (by: Issued): Evidence => {
      const issued = issueSigner(by, { issuerName: ROOT.name })
      return chain(pemOf(issued, ROOT), issued)
    }
    return [
      reject(
        'expired',
        'collateral_chain_expired',
        'its signer has expired',
        signer({ notAfter: AT - 1 }),
      ),
      reject(
        'future',
        'collateral_chain_not_yet_valid',
        'its signer is of tomorrow',
        signer({ notBefore: AT + 1 }),
      ),
      reject(
        'signed-by-stranger',
        'collateral_chain_signature',
        'its signer is certified by another key',
        signer({ signer: keyOf('other') }),
      ),
      reject(
        'signed-by-platform-ca',
        'collateral_chain_signature',
        'the Platform CA certified its signer in the name of the root',
        crossSigned(PLATFORM_CA),
      ),
      reject(
        'issuer-name',
        'collateral_chain_names',
        'its signer names another issuer',
        signer({ issuerName: PLATFORM_CA.name }),
      ),
      reject(
        'key-usage',
        'collateral_chain_key_usage',
        'its signer may not sign data',
        signer({ keyUsage: ['crlSign'] }),
      ),
      reject(
        'no-key-usage',
        'collateral_chain_not_signer',
        'its signer has no key usage',
        signer({ keyUsage: null }),
      ),
      reject(
        'other-name',
        'collateral_chain_not_signer',
        'a certificate of the root for something else',
        signer({ commonName: 'Simulated SGX Attestation Report Signing' }),
      ),
      reject(
        'authority-signs',
        'collateral_chain_not_signer',
        'the Platform CA signed it',
        chain(pemOf(PLATFORM_CA, ROOT), PLATFORM_CA),
      ),
      reject(
        'signer-is-authority',
        'collateral_chain_not_signer',
        'its signer is an authority',
        signer({ ca: { pathLength: 0 }, keyUsage: ['digitalSignature', 'keyCertSign'] }),
      ),
      reject(
        'pck-signs',
        'collateral_chain_names',
        'the platform itself signed it',
        chain(pemOf(PCK, ROOT), PCK),
      ),
      reject(
        'unknown-critical-extension',
        'collateral_chain_unknown_critical_extension',
        'its signer has a critical extension that nobody knows',
        signer({ extensions: [UNKNOWN_CRITICAL] }),
      ),
      reject(
        'stranger',
        'collateral_chain_untrusted_root',
        'a stranger signed it under a root of the same name',
        chain(pemOf(STRANGER_SIGNER, STRANGER_ROOT), STRANGER_SIGNER),
      ),
      reject(
        'other-accepted-root',
        'collateral_chain_other_root',
        'signed under another root that the policy accepts too',
        {
          ...chain(pemOf(STRANGER_SIGNER, STRANGER_ROOT), STRANGER_SIGNER),
          roots: [ROOT, STRANGER_ROOT],
        },
      ),
      reject(
        'without-root',
        'collateral_chain_length',
        'the root is missing',
        chain(pemOf(TCB_SIGNER)),
      ),
      reject(
        'root-alone',
        'collateral_chain_length',
        'the root alone, which signed it',
        chain(pemOf(ROOT), ROOT),
      ),
      reject(
        'root-first',
        'collateral_chain_untrusted_root',
        'the chain in reverse order',
        chain(pemOf(ROOT, TCB_SIGNER)),
      ),
      unread(
        'extra-certificate',
        'a certificate too many',
        chain(pemOf(TCB_SIGNER, PLATFORM_CA, ROOT)),
      ),
      unread('empty', 'no chain', chain('')),
      unread('garbage', 'a chain that is no PEM', chain('TCB signing chain')),
      unread('bad-base64', 'a character that is not base64', chain(pem.replace('MII', 'M*I'))),
      unread('text-behind', 'text behind the chain', chain(`${pem}x`)),
    ]
  })
}

function listIssuers(): Vector[] {
  const name = PLATFORM_CA.name.commonName
  const withIssuer = (change: CertificateChange): Evidence => {
    const issued = issuePlatformCa(ROOT, { key: PLATFORM_CA.key, ...change })
    return { collateral: { crlChain: pemOf(issued, ROOT), pckCrl: issueList(issued) } }
  }
  const chain = (crlChain: string): Evidence => ({ collateral: { crlChain } })
  return [
    rejected(
      'crl-chain-not-ca',
      'collateral_chain_not_ca',
      'the list is signed by a certificate of the authority’s name and key that is no CA',
      withIssuer({ ca: null, commonName: name, keyUsage: ['digitalSignature', 'crlSign'] }),
    ),
    rejected(
      'crl-chain-may-not-sign-lists',
      'collateral_chain_key_usage',
      'the authority may not sign lists',
      withIssuer({ keyUsage: ['keyCertSign'] }),
    ),
    rejected(
      'crl-chain-expired',
      'collateral_chain_expired',
      'the certificate of the list’s issuer has expired',
      withIssuer({ notAfter: AT - 1 }),
    ),
    rejected(
      'crl-chain-future',
      'collateral_chain_not_yet_valid',
      'the certificate of the list’s issuer is of tomorrow',
      withIssuer({ notBefore: AT + 1 }),
    ),
    rejected(
      'crl-chain-signature',
      'collateral_chain_signature',
      'the list’s issuer is certified by another key than the root',
      withIssuer({ signer: keyOf('other') }),
    ),
    rejected(
      'crl-chain-without-root',
      'collateral_chain_length',
      'the root is missing',
      chain(pemOf(PLATFORM_CA)),
    ),
    rejected(
      'crl-chain-of-tcb-signer',
      'collateral_chain_not_ca',
      'the TCB signer stands as the issuer of the list',
      chain(pemOf(TCB_SIGNER, ROOT)),
    ),
    malformed(
      'crl-chain-with-pck',
      'collateral_chain_malformed',
      'the whole PCK chain as the chain of the list',
      chain(pemOf(PCK, PLATFORM_CA, ROOT)),
    ),
    malformed('crl-chain-empty', 'collateral_chain_malformed', 'no chain', chain('')),
    malformed(
      'crl-chain-garbage',
      'collateral_chain_malformed',
      'a chain that is no PEM',
      chain('not found'),
    ),
  ]
}

/** What is no collateral at all. */
function documents(): Vector[] {
  const good = makeCollateral()
  const { pck_crl: _dropped, ...rest } = good
  const input = (id: string, title: string, collateral: unknown): Vector =>
    malformed(`collateral-${id}`, 'report_malformed', title, { raw: { collateral } })
  return [
    input('not-an-object', 'a list in place of the collateral', [good]),
    input('without-pck-crl', 'a member is missing', rest),
    input('unknown-member', 'a member that the format does not have', { ...good, verified: true }),
    input('text-parsed', 'the TCB info as an object, so that the signed text is lost', {
      ...good,
      tcb_info: JSON.parse(good.tcb_info) as unknown,
    }),
    input('signature-short', 'a signature of 63 bytes', {
      ...good,
      tcb_info_signature: good.tcb_info_signature.slice(2),
    }),
    input('signature-der', 'a signature in DER', {
      ...good,
      qe_identity_signature: `3044${good.qe_identity_signature}`,
    }),
    input('crl-base64', 'a list in base64', {
      ...good,
      pck_crl: Buffer.from(good.pck_crl, 'hex').toString('base64'),
    }),
  ]
}

export function collateralChainCases(): Vector[] {
  return [...signers(), ...listIssuers(), ...documents()]
}
