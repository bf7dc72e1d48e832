/**
 * Fetches the four documents that a DCAP verifier needs beside a quote, at once, and puts them into one.
 *
 * Sources: Intel PCS API v4 ("Get Revocation List", "Get TDX TCB Info", "Get TDX Enclave Identity"); PCCS API v4 (the same
 * routes, and "Get Root CA CRL").
 *
 * @module
 */
import { MAX_CRL_BYTES } from '../protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../protocol/dcap-collateral.ts'
import { collateralUrls } from './collateral-service.ts'
import type { CollateralRequest, CollateralService } from './collateral-service.ts'
import type { Answer } from './http-request.ts'
import { MAX_SIGNED_JSON_BYTES } from './limits.ts'
import { readIssuerChain, readRevocationList, readSignedText } from './read-answer.ts'
import type { Get } from './share-gets.ts'

const JSON_TYPES: ReadonlySet<string> = new Set(['application/json'])
/**
 * `application/pkix-crl` is what Intel documents; the root's list lies on a file server, which goes by the ending `.der`;
 * a PCCS calls its hex a PEM file.
 */
export const CRL_TYPES: ReadonlySet<string> = new Set([
  'application/pkix-crl',
  'application/x-x509-ca-cert',
  'application/octet-stream',
  'binary/octet-stream',
  'application/x-pem-file',
  'text/plain',
])

const PCK_CRL_CHAIN = ['SGX-PCK-CRL-Issuer-Chain'] as const
/** Version 4 of the API dropped the prefix; caches of version 3 answers still have it. */
const TCB_INFO_CHAIN = ['TCB-Info-Issuer-Chain', 'SGX-TCB-Info-Issuer-Chain'] as const
const IDENTITY_CHAIN = ['SGX-Enclave-Identity-Issuer-Chain'] as const

/**
 * @param get called once for each of the four documents, all at the same time
 * @throws CollateralError of the first document that cannot be had
 */
export async function fetchCollateral(
  service: CollateralService,
  request: CollateralRequest,
  get: Get,
): Promise<DcapCollateral> {
  const urls = collateralUrls(service, request)
  const stop = new AbortController()
  const list = (url: string, what: string): Promise<Answer> =>
    // Twice: a PCCS may send hex.
    get({ url, what, maxBytes: 2 * MAX_CRL_BYTES + 2, contentTypes: CRL_TYPES }, stop.signal)
  const signed = (url: string, what: string): Promise<Answer> =>
    get({ url, what, maxBytes: MAX_SIGNED_JSON_BYTES, contentTypes: JSON_TYPES }, stop.signal)
  const [rootCrl, pckCrl, tcbInfo, qeIdentity] = await Promise.all([
    list(urls.rootCrl, 'root CA CRL'),
    list(urls.pckCrl, 'PCK CRL'),
    signed(urls.tcbInfo, 'TCB info'),
    signed(urls.qeIdentity, 'QE identity'),
  ]).catch((error: unknown) => {
    // Three of four are worth nothing: the others need not be waited for.
    stop.abort()
    throw error
  })
  const info = readSignedText(tcbInfo, 'TCB info', 'tcbInfo')
  const identity = readSignedText(qeIdentity, 'QE identity', 'enclaveIdentity')
  return {
    pck_crl_issuer_chain: readIssuerChain(pckCrl, 'PCK CRL', PCK_CRL_CHAIN),
    root_ca_crl: readRevocationList(rootCrl, 'root CA CRL'),
    pck_crl: readRevocationList(pckCrl, 'PCK CRL'),
    tcb_info_issuer_chain: readIssuerChain(tcbInfo, 'TCB info', TCB_INFO_CHAIN),
    tcb_info: info.text,
    tcb_info_signature: info.signature,
    qe_identity_issuer_chain: readIssuerChain(qeIdentity, 'QE identity', IDENTITY_CHAIN),
    qe_identity: identity.text,
    qe_identity_signature: identity.signature,
  }
}
