/**
 * One receipt of an evidence file: as the service gives it, with the proof of the log and what the saver has of its answer.
 *
 * @module
 */
import { unwrapDocument } from '../../attestation/appraiser/document/parse-document.ts'
import { parseAnyReceipt } from '../../attestation/appraiser/receipt/parse-any-receipt.ts'
import { parseReceipt } from '../../attestation/appraiser/receipt/parse-receipt.ts'
import type { ParsedReceipt } from '../../attestation/appraiser/receipt/read-record.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { encodeBase64 } from '../../attestation/protocol/base64.ts'
import { COSE_MEDIA_TYPE, MAX_COSE_RECEIPT_BYTES } from '../../attestation/protocol/cose-receipt.ts'
import { MAX_EVIDENCE_BODY_BYTES } from '../../attestation/protocol/evidence-file.ts'
import type { EvidenceReceipt } from '../../attestation/protocol/evidence-file.ts'
import { fromHex, isHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import { bodiesCommitment } from '../../attestation/protocol/record.ts'
import { memberDigest } from '../../attestation/protocol/request-members.ts'
import { EXIT } from './exit-codes.ts'
import { readBounded } from './read-bounded.ts'
import type { ReceiptDoor } from './receipt-door.ts'
import { WITHOUT_TOKEN } from './receipt-headers.ts'
import { Refusal } from './refusal.ts'
import { saveInclusion } from './save-inclusion.ts'
import { textOf } from './text-of.ts'

type Headers = Readonly<Record<string, string>>

/** What the saver has of its answer, and how the receipt is kept. */
export interface ReceiptToSave {
  /** Paths. */
  readonly request?: string
  readonly response?: string
  /** 64 hex digits, of whoever is not given it with the receipt. */
  readonly opening?: string
  /** Receipts are kept as COSE_Sign1 too. */
  readonly cose?: boolean
  /** For the proof of the log, until there is one. */
  readonly wait?: boolean
}

export interface SavedReceipt extends EvidenceReceipt {
  readonly keyset: Sha256Digest
  /** The receipt's own; it may have been named by the completion's. */
  readonly id: string
  /** Without body hashes, as whoever does not own it gets it. */
  readonly view: boolean
}

async function bodyOf(path: string | undefined): Promise<Buffer | null> {
  return path === undefined ? null : readBounded(path, MAX_EVIDENCE_BODY_BYTES)
}

/**
 * Whether an opening is the receipt's: by the body hashes, or in a view, which has none, by any member of the request.
 *
 * @returns null where there is nothing to say it by
 */
function opens(
  { record, bodies }: ParsedReceipt,
  opening: Uint8Array,
  request: Uint8Array | null,
): boolean | null {
  if (bodies !== null) return bodiesCommitment(bodies, opening, nodeCrypto) === record.bodies
  const parsed = request === null ? null : parseJson(request)
  const { members } = record
  if (parsed?.ok !== true || !isJsonObject(parsed.value) || members === null) return null
  const sent = parsed.value
  const both = members.filter(({ name }) => Object.hasOwn(sent, name))
  if (both.length === 0) return null
  return both.some(
    ({ name, digest }) => memberDigest(name, sent[name], opening, nodeCrypto) === digest,
  )
}

/** @throws Refusal for one of another receipt, which would make each comparison name the wrong culprit */
function refuseStrangeOpening(
  id: string,
  receipt: ParsedReceipt,
  opening: Hex32,
  request: Uint8Array | null,
): void {
  const opened = opens(receipt, fromHex(opening) ?? new Uint8Array(0), request)
  if (opened === true) return
  throw new Refusal(
    opened === null
      ? `Receipt ${id} is a view, by which alone an opening cannot be told from another’s: --opening goes with --request, the JSON body that was sent.`
      : `--opening does not belong to receipt ${id}${receipt.bodies === null ? ', or --request is not what it answers' : ''}.`,
  )
}

function tellView(id: string): void {
  process.stderr.write(
    `*** Receipt ${id}: only a VIEW, without its opening: the service gives more to its owner alone, and by this file the answer cannot be compared with it. ` +
      'Save it again with --opening HEX (verdict.opening of the verified fetch, X-Countersign-Opening of the proxy or the service), or with --owner-secret-env NAME if the answer was asked for under an owner secret of yours. ***\n',
  )
}

/** @throws Refusal where it cannot be had or read */
export async function saveReceipt(
  door: ReceiptDoor,
  id: string,
  options: ReceiptToSave,
  headers: Headers,
): Promise<SavedReceipt> {
  const { status, body } = await door.ask(`receipts/${id}`, headers)
  if (status === 401 && headers['authorization'] === undefined) {
    throw new Refusal(
      `Receipt ${id}: the service answered 401, and ${WITHOUT_TOKEN}`,
      EXIT.internal,
    )
  }
  if (status !== 200) {
    throw new Refusal(`Receipt ${id}: the service answered ${status}.`, EXIT.internal)
  }
  const receipt = textOf(unwrapDocument(body), `Receipt ${id}`)
  const parsed = parseReceipt(receipt)
  if (!parsed.ok)
    throw new Refusal(`Receipt ${id} cannot be read: ${parsed.detail}.`, EXIT.malformed)
  const wrapper = parseJson(body)
  const came = wrapper.ok && isJsonObject(wrapper.value) ? wrapper.value['opening'] : null
  const request = await bodyOf(options.request)
  const response = await bodyOf(options.response)
  const given = isHex32(options.opening) ? options.opening : null
  if (given !== null) refuseStrangeOpening(id, parsed.receipt, given, request)
  const opening = given ?? (isHex32(came) ? came : null)
  const view = parsed.receipt.bodies === null
  if (view && given !== null && response === null) {
    throw new Refusal(`Receipt ${id} is a view: --opening goes with --request and --response.`)
  }
  if (view && opening === null) tellView(id)
  const cose = options.cose === true ? await coseOf(door, id, headers) : null
  return {
    receipt,
    ...(cose === null ? {} : { cose }),
    opening,
    request: request?.toString('base64') ?? null,
    response: response?.toString('base64') ?? null,
    inclusion: await saveInclusion(door, id, headers, options.wait === true),
    keyset: parsed.receipt.record.keyset_digest,
    id: parsed.receipt.record.receipt_id,
    view,
  }
}

/** @returns base64 of the COSE_Sign1, which is signed when it is asked for */
async function coseOf(door: ReceiptDoor, id: string, headers: Headers): Promise<string> {
  const asked = { ...headers, accept: COSE_MEDIA_TYPE }
  const { status, body } = await door.ask(`receipts/${id}`, asked)
  if (status === 406) {
    throw new Refusal(
      `Receipt ${id} is not to be had as COSE_Sign1 here: another boot made it, which has ended, or is another replica and then has it at its own address. Without --cose everything else is saved.`,
      EXIT.internal,
    )
  }
  if (status !== 200) {
    throw new Refusal(`Receipt ${id} as COSE_Sign1: the service answered ${status}.`, EXIT.internal)
  }
  const parsed = body.length > MAX_COSE_RECEIPT_BYTES ? null : parseAnyReceipt(body)
  if (parsed?.ok !== true) {
    throw new Refusal(`Receipt ${id} cannot be read as COSE_Sign1.`, EXIT.malformed)
  }
  return encodeBase64(body)
}
