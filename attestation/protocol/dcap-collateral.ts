/**
 * DCAP collateral: what Intel signs about a platform and hands out beside quotes, as one JSON document.
 *
 * The members are those of dcap-qvl's QuoteCollateralV3, the form in which collateral travels in this field. Signed texts
 * stay the exact strings that were received, never re-serialised: exactly their UTF-8 bytes are signed.
 *
 * @module
 */
import { isJsonObject, parseJson } from './json.ts'

/** Longest document accepted; Intel's have about 20 kB, most of it the PCK list. */
export const MAX_COLLATERAL_BYTES = 2 * 1024 * 1024
/** Longest chain of PEM certificates in it. */
export const MAX_COLLATERAL_CHAIN = 64 * 1024
/** Longest signed text: TCB info or identity of the quoting enclave. */
export const MAX_COLLATERAL_TEXT = 256 * 1024
/** Longest revocation list, in bytes of DER. */
export const MAX_CRL_BYTES = 512 * 1024

export interface DcapCollateral {
  /** PEM: the CA that issued the PCK certificate, root. */
  readonly pck_crl_issuer_chain: string
  /** Lower-case hex of DER. */
  readonly root_ca_crl: string
  /** Lower-case hex of DER. */
  readonly pck_crl: string
  /** PEM: TCB signer, root. */
  readonly tcb_info_issuer_chain: string
  /** The exact text that is signed: the value of `tcbInfo` in the answer of the PCS, brace to brace. */
  readonly tcb_info: string
  /** Lower-case hex of r ‖ s, 64 bytes. */
  readonly tcb_info_signature: string
  /** PEM: TCB signer, root. */
  readonly qe_identity_issuer_chain: string
  /** The exact text that is signed: the value of `enclaveIdentity` in the answer of the PCS. */
  readonly qe_identity: string
  /** Lower-case hex of r ‖ s, 64 bytes. */
  readonly qe_identity_signature: string
}

export type CollateralResult =
  | { readonly ok: true; readonly collateral: DcapCollateral }
  | { readonly ok: false; readonly detail: string }

/** The type of this collateral among the entries of a document's `evidence.collateral`: `{"type": "dcap", "value": {…}}`. */
export const DCAP_ENTRY_TYPE = 'dcap'

const HEX = /^(?:[0-9a-f]{2})+$/
const SIGNATURE = /^[0-9a-f]{128}$/

type Reader = (value: string) => boolean

const isChain: Reader = (value) => value.length <= MAX_COLLATERAL_CHAIN
const isText: Reader = (value) => value.length > 0 && value.length <= MAX_COLLATERAL_TEXT
const isList: Reader = (value) => value.length <= 2 * MAX_CRL_BYTES && HEX.test(value)
const isSignature: Reader = (value) => SIGNATURE.test(value)

const MEMBERS: Readonly<Record<keyof DcapCollateral, Reader>> = {
  pck_crl_issuer_chain: isChain,
  root_ca_crl: isList,
  pck_crl: isList,
  tcb_info_issuer_chain: isChain,
  tcb_info: isText,
  tcb_info_signature: isSignature,
  qe_identity_issuer_chain: isChain,
  qe_identity: isText,
  qe_identity_signature: isSignature,
}

/**
 * Newer dcap-qvl writes it, and verifies it in place of the chain in the quote where it is there. Here the chain in the
 * quote is the one that counts, so this one may be present and is not read.
 */
const UNREAD_MEMBER = 'pck_certificate_chain'

/**
 * Reads a parsed document into a frozen copy of its members. No signature is looked at.
 *
 * @param value a JSON value of any origin
 */
export function readCollateral(value: unknown): CollateralResult {
  if (!isJsonObject(value)) return { ok: false, detail: 'the collateral is not an object' }
  const unknown = Object.keys(value).find(
    (name) => !Object.hasOwn(MEMBERS, name) && name !== UNREAD_MEMBER,
  )
  if (unknown !== undefined) {
    return { ok: false, detail: `the collateral has an unknown member ${unknown.slice(0, 64)}` }
  }
  const text = (name: keyof DcapCollateral): string | null => {
    const member = value[name]
    return typeof member === 'string' && MEMBERS[name](member) ? member : null
  }
  const names = Object.keys(MEMBERS) as readonly (keyof DcapCollateral)[]
  const bad = names.find((name) => text(name) === null)
  if (bad !== undefined) {
    return { ok: false, detail: `the collateral lacks ${bad} or has it in another form` }
  }
  return {
    ok: true,
    collateral: Object.freeze({
      pck_crl_issuer_chain: text('pck_crl_issuer_chain') ?? '',
      root_ca_crl: text('root_ca_crl') ?? '',
      pck_crl: text('pck_crl') ?? '',
      tcb_info_issuer_chain: text('tcb_info_issuer_chain') ?? '',
      tcb_info: text('tcb_info') ?? '',
      tcb_info_signature: text('tcb_info_signature') ?? '',
      qe_identity_issuer_chain: text('qe_identity_issuer_chain') ?? '',
      qe_identity: text('qe_identity') ?? '',
      qe_identity_signature: text('qe_identity_signature') ?? '',
    }),
  }
}

/** {@link readCollateral} from the bytes of a file. Never throws. */
export function parseCollateral(bytes: Uint8Array): CollateralResult {
  if (bytes.length > MAX_COLLATERAL_BYTES) {
    return { ok: false, detail: `longer than ${MAX_COLLATERAL_BYTES} bytes` }
  }
  const parsed = parseJson(bytes)
  return parsed.ok
    ? readCollateral(parsed.value)
    : { ok: false, detail: `not strict JSON: ${parsed.fault}` }
}
