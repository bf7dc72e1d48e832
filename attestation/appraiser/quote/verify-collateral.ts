/**
 * Verifies what does not depend on when it is asked: the chains, signatures and forms of one piece of collateral.
 *
 * Time windows, policy and whether the collateral fits a quote are judged at each use (`judge-collateral.ts`), so that the
 * result of this step can be kept. Source: Intel SGX PCK Certificate and CRL Profile Specification; PCS API v4.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { MAX_COLLATERAL_CHAIN } from '../../protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { fromHex } from '../../protocol/hex.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import type { CertificateMemo } from '../x509/certificate-memo.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { parseCrl } from '../x509/parse-crl.ts'
import type { RevocationList } from '../x509/parse-crl.ts'
import { parsePemChain } from '../x509/parse-pem-chain.ts'
import { verifyChain } from '../x509/verify-chain.ts'
import type { Fault } from './evaluate-tcb.ts'
import { createMemoOfRoot } from './intel-sgx-root.ts'
import { parseQeIdentity } from './parse-qe-identity.ts'
import type { QeIdentity } from './parse-qe-identity.ts'
import { parseTcbInfo } from './parse-tcb-info.ts'
import type { TcbInfo } from './parse-tcb-info.ts'
import type { SignedResult } from './signed-json.ts'

export interface CollateralOptions {
  readonly crypto: CryptoPort
  /** SHA-256 of the DER of each accepted root. */
  readonly rootSha256: readonly Uint8Array[]
  /** Accept a root that carries the simulator's mark, if it is one of `rootSha256`. Default: false. */
  readonly allowSimulated?: boolean
}

/** A part of the collateral that was verified, or why it was not. */
export type Part<T> =
  | { readonly ok: true; readonly value: T; readonly chain: readonly Certificate[] }
  | { readonly ok: false; readonly fault: Fault }

export interface RevocationLists {
  /** Of the root: intermediate authorities and TCB signers. */
  readonly root: RevocationList
  /** Of the authority that certifies platforms. */
  readonly pck: RevocationList
}

export interface VerifiedCollateral {
  /** Its chain is that of the authority that certifies platforms. */
  readonly lists: Part<RevocationLists>
  readonly tcbInfo: Part<TcbInfo>
  readonly qeIdentity: Part<QeIdentity>
  /** Certificates and signatures that were met. */
  readonly memo: CertificateMemo
}

/** Issuer and root. */
const CHAIN_LENGTH = 2

/**
 * The certificate for TCB info and identities. The root certifies authorities too: none of them, nor anything that comes
 * later, may sign here. A simulated name counts for nothing without the simulated root.
 */
const SIGNER_NAMES: readonly (string | null)[] = [
  'Intel SGX TCB Signing',
  'Simulated SGX TCB Signing',
]

type Context = CollateralOptions & { readonly memo: CertificateMemo }

function bad<T>(code: Fault['code'], detail: string): Part<T> {
  return { ok: false, fault: { code, detail } }
}

/** Reads and verifies issuer and root. The windows of the certificates are for each use to judge. */
function chainOf(pem: string, what: string, context: Context): Part<Certificate> {
  if (pem.length > MAX_COLLATERAL_CHAIN) return bad('collateral_chain_malformed', what)
  const parsed = parsePemChain(pem, CHAIN_LENGTH, context.memo)
  if (!parsed.ok) return bad('collateral_chain_malformed', `${what}: ${parsed.detail}`)
  const fault = verifyChain(parsed.certificates, { ...context, at: null, length: CHAIN_LENGTH })
  if (fault !== null) return bad(`collateral_${fault.code}`, `${what}: ${fault.detail}`)
  const [issuer] = parsed.certificates
  return issuer === undefined
    ? bad('collateral_chain_malformed', what)
    : { ok: true, value: issuer, chain: parsed.certificates }
}

function listOf(
  hex: string,
  issuer: Certificate | undefined,
  what: string,
  crypto: CryptoPort,
): RevocationList | Fault {
  const der = fromHex(hex)
  const parsed = der === null ? null : parseCrl(der)
  if (parsed === null || !parsed.ok) {
    return { code: 'crl_malformed', detail: `${what}: ${parsed?.detail ?? 'not hex'}` }
  }
  const { list } = parsed
  if (issuer === undefined || !crypto.equal(list.issuer, issuer.subject)) {
    return { code: 'crl_issuer_mismatch', detail: what }
  }
  if (issuer.keyUsage?.crlSign !== true) {
    return { code: 'collateral_chain_key_usage', detail: `${what}: issuer may not sign lists` }
  }
  const signed =
    list.signatureCurve === issuer.publicKey.curve &&
    crypto.verifyEcdsa(list.signatureCurve, issuer.publicKey.point, list.tbs, list.signature)
  return signed ? list : { code: 'crl_signature_invalid', detail: what }
}

function verifyLists(collateral: DcapCollateral, context: Context): Part<RevocationLists> {
  const issuer = chainOf(collateral.pck_crl_issuer_chain, 'pck_crl_issuer_chain', context)
  if (!issuer.ok) return issuer
  const { chain } = issuer
  if (!issuer.value.isCa) return bad('collateral_chain_not_ca', 'pck_crl_issuer_chain')
  const root = listOf(collateral.root_ca_crl, chain[1], 'root_ca_crl', context.crypto)
  if ('code' in root) return { ok: false, fault: root }
  const pck = listOf(collateral.pck_crl, issuer.value, 'pck_crl', context.crypto)
  if ('code' in pck) return { ok: false, fault: pck }
  return { ok: true, value: { root, pck }, chain }
}

interface SignedText<T> {
  readonly name: 'tcb_info' | 'qe_identity'
  readonly text: string
  readonly signature: string
  readonly pem: string
  readonly parse: (text: string) => SignedResult<T>
}

function verifyText<T>(signed: SignedText<T>, context: Context): Part<T> {
  const { name, text } = signed
  const what = `${name}_issuer_chain`
  const signer = chainOf(signed.pem, what, context)
  if (!signer.ok) return signer
  const { isCa, keyUsage, publicKey, subjectCommonName } = signer.value
  if (isCa || keyUsage?.digitalSignature !== true || !SIGNER_NAMES.includes(subjectCommonName)) {
    return bad('collateral_chain_not_signer', `${what}: ${subjectCommonName ?? 'no name'}`)
  }
  const signature = fromHex(signed.signature)
  const good =
    signature !== null &&
    publicKey.curve === 'P-256' &&
    // The text as it came: the same JSON written anew has other bytes.
    context.crypto.verifyEcdsa('P-256', publicKey.point, toUtf8(text), signature)
  if (!good) return bad(`${name}_signature_invalid`, '')
  const parsed = signed.parse(text)
  return parsed.ok
    ? { ok: true, value: parsed.value, chain: signer.chain }
    : bad(`${name}_${parsed.kind}`, parsed.detail)
}

/** Never throws on any contents of a `DcapCollateral`. */
export function verifyCollateral(
  collateral: DcapCollateral,
  options: CollateralOptions,
): VerifiedCollateral {
  const memo = createMemoOfRoot()
  const context: Context = { ...options, memo }
  return {
    lists: verifyLists(collateral, context),
    tcbInfo: verifyText(
      {
        name: 'tcb_info',
        text: collateral.tcb_info,
        signature: collateral.tcb_info_signature,
        pem: collateral.tcb_info_issuer_chain,
        parse: parseTcbInfo,
      },
      context,
    ),
    qeIdentity: verifyText(
      {
        name: 'qe_identity',
        text: collateral.qe_identity,
        signature: collateral.qe_identity_signature,
        pem: collateral.qe_identity_issuer_chain,
        parse: parseQeIdentity,
      },
      context,
    ),
    memo,
  }
}
