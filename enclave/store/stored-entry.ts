/**
 * What is sealed in the store: texts that only this enclave wrote, each line of a fixed meaning.
 *
 * @module
 */
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import type {
  KeptWithReceipt,
  OpenAdmission,
  Ownership,
  ReceiptEntry,
  StoredReceipt,
} from '../receipts/receipt-store.ts'
import { decodeReceipt } from '../receipts/stored-receipt.ts'

/** Of a boot, in the store: by what its receipts are verified. */
export interface BootIdentity {
  /** Of the keyset that the boot begins with. */
  readonly keysetDigest: string
  readonly receiptKeyId: string
  /** EIP-55 */
  readonly address: string
}

const HEAD_LINES = 5
const IDENTITY_LINES = 3

function line(value: string | null): string {
  // A line feed would move what follows into another line's meaning.
  if (value !== null && /[\n\r]/.test(value))
    throw new TypeError('a line of an entry has no end of its own')
  return value ?? '-'
}

function value(text: string | undefined): string | null {
  return text === undefined || text === '-' ? null : text
}

/** Five lines of who may see it and what only its boot could add, then the receipt's text. */
export function encodeEntry({ ownership, opening, viewSignature, text }: ReceiptEntry): Buffer {
  const { principal, relay, ownerHash } = ownership
  return Buffer.from(
    `${line(principal)}\n${relay ? 'relay' : 'own'}\n${line(ownerHash)}\n${line(opening)}\n` +
      `${line(viewSignature)}\n${text}`,
  )
}

/**
 * @param boot the one that made it
 * @throws TypeError for what {@link encodeEntry} did not write: a bug, as it is sealed
 */
export function decodeEntry(plain: Buffer, boot: BootIdentity): StoredReceipt {
  const text = plain.toString('utf8')
  const head: string[] = []
  let at = 0
  for (let i = 0; i < HEAD_LINES; i++) {
    const end = text.indexOf('\n', at)
    if (end === -1) throw new TypeError('not an entry of the store')
    head.push(text.slice(at, end))
    at = end + 1
  }
  const [principal = '', relay, ownerHash, opening = '', viewSignature] = head
  const ownership: Ownership = { principal, relay: relay === 'relay', ownerHash: value(ownerHash) }
  const kept: KeptWithReceipt = {
    receiptKeyId: boot.receiptKeyId,
    address: boot.address,
    opening,
    viewSignature: value(viewSignature),
  }
  return { ...decodeReceipt(text.slice(at), ownership), kept }
}

/** A boot's keysets: digests by the number under which their documents lie. */
export type KeysetNumbers = ReadonlyMap<number, string>

/** Three lines, then one for each renewed keyset: its number, a space, its digest. */
export function encodeBoot(
  { keysetDigest, receiptKeyId, address }: BootIdentity,
  renewed: KeysetNumbers,
): Buffer {
  const head = `${line(keysetDigest)}\n${line(receiptKeyId)}\n${line(address)}`
  return Buffer.from([head, ...[...renewed].map(([n, digest]) => `${n} ${digest}`)].join('\n'))
}

export function decodeBoot(plain: Buffer): {
  readonly identity: BootIdentity
  readonly renewed: KeysetNumbers
} {
  const [keysetDigest = '', receiptKeyId = '', address = '', ...more] = plain
    .toString('utf8')
    .split('\n')
  const renewed = more.map((text): readonly [number, string] => {
    const [number = '', digest = ''] = text.split(' ')
    return [Number(number), digest]
  })
  return { identity: { keysetDigest, receiptKeyId, address }, renewed: new Map(renewed) }
}

export function encodeAdmission(admission: OpenAdmission): Buffer {
  const { receiptId, ownership, challenge, endpoint, method, opening } = admission
  return Buffer.from(
    JSON.stringify({ receiptId, ...ownership, challenge, endpoint, method, opening }),
  )
}

export function decodeAdmission(plain: Buffer): OpenAdmission {
  const parsed = parseJsonText(plain.toString('utf8'))
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new TypeError('not an admission')
  const row = parsed.value
  const text = (name: string): string => {
    const member = row[name]
    if (typeof member !== 'string') throw new TypeError('not an admission')
    return member
  }
  const orNull = (name: string) => (row[name] === null ? null : text(name))
  return {
    receiptId: text('receiptId'),
    ownership: {
      principal: text('principal'),
      relay: row['relay'] === true,
      ownerHash: orNull('ownerHash'),
    },
    challenge: orNull('challenge'),
    endpoint: text('endpoint'),
    method: text('method'),
    opening: text('opening'),
  }
}

/** Three lines of by what the receipt is verified, then the entry: whoever reads it may never have heard of its boot. */
export function encodeSharedEntry(
  entry: ReceiptEntry,
  { keysetDigest, receiptKeyId, address }: BootIdentity,
): Buffer {
  const head = `${line(keysetDigest)}\n${line(receiptKeyId)}\n${line(address)}\n`
  return Buffer.concat([Buffer.from(head), encodeEntry(entry)])
}

/** @throws TypeError for what {@link encodeSharedEntry} did not write */
export function decodeSharedEntry(plain: Buffer): StoredReceipt {
  const lines: string[] = []
  let at = 0
  for (let i = 0; i < IDENTITY_LINES; i++) {
    const end = plain.indexOf('\n', at)
    if (end === -1) throw new TypeError('not an entry of the shared store')
    lines.push(plain.toString('utf8', at, end))
    at = end + 1
  }
  const [keysetDigest = '', receiptKeyId = '', address = ''] = lines
  return decodeEntry(plain.subarray(at), { keysetDigest, receiptKeyId, address })
}
