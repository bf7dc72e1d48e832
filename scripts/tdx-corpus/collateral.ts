/**
 * Collateral of the corpus: two signed texts, two lists and their chains, each with the parts that a case changes.
 *
 * @module
 */
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { qeIdentity, tcbInfo } from '../../attestation/simulator/intel/collateral-documents.ts'
import type { TcbStatus } from '../../attestation/simulator/intel/collateral-documents.ts'
import { signRaw } from './keys.ts'
import type { Key } from './keys.ts'
import { AT, DAY, HOUR, issueList, pemOf, PLATFORM_CA, ROOT, TCB_SIGNER } from './pki.ts'
import type { ListChange } from './pki.ts'

/** A parsed JSON document whose members a case sets. */
export type Document = Record<string, unknown>

export interface TextChange {
  /** Changes the document before it is signed. */
  readonly edit?: (document: Document) => void
  /** The whole text that is signed, in place of the document. */
  readonly text?: string
  /** Changes the text after it was signed. */
  readonly after?: (text: string) => string
  readonly signer?: Key
  /** r ‖ s, in place of the signature. */
  readonly signature?: Uint8Array
  readonly chain?: string
}

export interface CollateralChange {
  readonly tcbStatus?: TcbStatus
  /** With a second, older level of platform and module, both out of date. */
  readonly oldLevels?: true
  readonly tcbInfo?: TextChange
  readonly qeIdentity?: TextChange
  /** DER in place of the list, or what to change about it. */
  readonly rootCrl?: Uint8Array | ListChange
  readonly pckCrl?: Uint8Array | ListChange
  readonly crlChain?: string
  /** Issuers in place of the good ones. */
  readonly root?: typeof ROOT
  readonly platformCa?: typeof PLATFORM_CA
  readonly tcbSigner?: typeof TCB_SIGNER
}

export const ISSUED = AT - HOUR
export const NEXT = AT + 30 * DAY
const DATES = { issueDate: new Date(ISSUED * 1000), nextUpdate: new Date(NEXT * 1000) }

/** As Intel writes it. */
export function instant(at: number): string {
  return new Date(at * 1000).toISOString().replace('.000Z', 'Z')
}

export function toHex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex')
}

export function parsedOf(text: string): Document {
  return JSON.parse(text) as Document
}

/** A member that is a list, of objects. */
export function listOf(document: Document, name: string): Document[] {
  return document[name] as Document[]
}

/** Levels of platform and module below the first, which few cases need and every vector would carry. */
function withoutOldLevels(text: string): string {
  const document = parsedOf(text)
  const top = (of: Document): void => {
    of['tcbLevels'] = listOf(of, 'tcbLevels').slice(0, 1)
  }
  top(document)
  listOf(document, 'tdxModuleIdentities').forEach(top)
  return JSON.stringify(document)
}

interface SignedText {
  readonly text: string
  readonly signature: string
  readonly chain: string
}

function signText(standard: string, change: TextChange, signer: Key, chain: string): SignedText {
  let text = change.text ?? standard
  if (change.edit !== undefined) {
    const document = parsedOf(text)
    change.edit(document)
    text = JSON.stringify(document)
  }
  const by = change.signer ?? signer
  const signature = change.signature ?? signRaw(new Uint8Array(Buffer.from(text)), by)
  return {
    text: change.after === undefined ? text : change.after(text),
    signature: toHex(signature),
    chain: change.chain ?? chain,
  }
}

function listDer(change: Uint8Array | ListChange | undefined, issuer: typeof ROOT): string {
  return toHex(change instanceof Uint8Array ? change : issueList(issuer, change))
}

export function makeCollateral(change: CollateralChange = {}): DcapCollateral {
  const { root = ROOT, platformCa = PLATFORM_CA, tcbSigner = TCB_SIGNER } = change
  const chain = pemOf(tcbSigner, root)
  const document = tcbInfo(DATES, change.tcbStatus ?? 'UpToDate')
  const info = signText(
    change.oldLevels === true ? document : withoutOldLevels(document),
    change.tcbInfo ?? {},
    tcbSigner.key,
    chain,
  )
  const identity = signText(qeIdentity(DATES), change.qeIdentity ?? {}, tcbSigner.key, chain)
  return {
    pck_crl_issuer_chain: change.crlChain ?? pemOf(platformCa, root),
    root_ca_crl: listDer(change.rootCrl, root),
    pck_crl: listDer(change.pckCrl, platformCa),
    tcb_info_issuer_chain: info.chain,
    tcb_info: info.text,
    tcb_info_signature: info.signature,
    qe_identity_issuer_chain: identity.chain,
    qe_identity: identity.text,
    qe_identity_signature: identity.signature,
  }
}
