/**
 * Where settled receipts are kept: the interface.
 *
 * @module
 */
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { LeafKeeper } from '../log/leaf-keeper.ts'
import type { StoreFindings } from '../store/store-warnings.ts'
import type { BodyHashes, ReceiptRecord } from '../../attestation/protocol/record.ts'

/** Who may see a receipt. */
export interface Ownership {
  /** Name of the principal that made the request. */
  readonly principal: string
  /** The principal's credential is shared by many users, so it owns nothing. */
  readonly relay: boolean
  /** SHA-256 (hex) of the user's own secret, from `X-Countersign-Owner`. */
  readonly ownerHash: string | null
}

/** What only the boot that made a receipt can add to it. */
export interface KeptWithReceipt {
  /** Id of the key that signed it. */
  readonly receiptKeyId: string
  /** Address that signed the legacy text, EIP-55. */
  readonly address: string
  /** Hex. */
  readonly opening: string
  /** Of the view, hex; null where nobody may ask for one. */
  readonly viewSignature: string | null
}

export interface StoredReceipt {
  readonly record: ReceiptRecord
  readonly recordHash: Sha256Digest
  readonly bodies: BodyHashes
  /** The body was delivered whole. */
  readonly whole: boolean
  /** Ed25519 of the full receipt, hex. */
  readonly signature: string
  /** For complete answers only. */
  readonly legacyText: string | null
  readonly eip191: string | null
  readonly ownership: Ownership
  /** Null in a store that ends with the boot. */
  readonly kept: KeptWithReceipt | null
}

/** A settled receipt as it is handed to a store: what it is found by, and all else as one text. */
export interface ReceiptEntry {
  readonly receiptId: string
  readonly chatId: string | null
  readonly ownership: Ownership
  /** From `encodeReceipt`. */
  readonly text: string
  /** Hex. */
  readonly opening: string
  /** Made where the store outlives the boot and a view may be asked for. */
  readonly viewSignature: string | null
}

/** A request that was admitted and has no receipt yet. */
export interface OpenAdmission {
  readonly receiptId: string
  readonly ownership: Ownership
  readonly challenge: string | null
  readonly endpoint: string
  readonly method: string
  /** Hex. */
  readonly opening: string
}

export interface InterruptedAdmission {
  readonly admission: OpenAdmission
  /** The boot that admitted it and ended without a receipt for it. */
  readonly bootId: Hex32
}

/** At once where this process holds it; a promise where others have to be asked. */
export type Held<T> = T | Promise<T>

export interface ReceiptStore {
  /** Acknowledged once the receipt can be found; a returned promise is awaited before the last byte leaves. */
  put(entry: ReceiptEntry): void | Promise<void>
  /** Rejects with SharedStoreError where it may be in a place that does not answer. */
  get(receiptId: string): Held<StoredReceipt | null>
  /** The first receipt of that principal with that completion id: a later one cannot shadow it. Rejects as `get` does. */
  findByChatId(principal: string, chatId: string): Held<StoredReceipt | null>
  usage(): StoreUsage
  /** What a store can do that outlives the boot. */
  readonly durable?: DurableStore
}

export interface DurableStore {
  /** Notes that a request was admitted. Its receipt strikes the note out. */
  admitted(admission: OpenAdmission): void
  /** Admitted by earlier boots, and found without a receipt when the store was opened. */
  readonly interrupted: readonly InterruptedAdmission[]
  /** One of these has its receipt after all, in a place that others keep: strikes it out, and counts it as refused. */
  strikeOut(receiptId: string): Promise<void>
  /** Keeps the attestation document of a keyset of this boot, the first that is given for it. */
  archive(keysetDigest: string, document: string): Promise<void>
  /** The document that this boot, an earlier one or a replica kept; null where there is none. Rejects as `get` does. */
  document(keysetDigest: string): Held<string | null>
  /** Unix seconds, from an earlier boot: no true clock is before it. Null where none was kept. */
  readonly clockFloor: number | null
  keepClockFloor(at: number): Promise<void>
  /** Where the log of the boot is kept; absent in a store that keeps none. */
  readonly leaves?: LeafKeeper
  /** Writes something, to see whether it can. */
  probe(): Promise<void>
  /** Entries that were there and could not be opened: changed, moved, or of another key. */
  refused(): number
  /** What opening it found. */
  readonly found: StoreFindings
  /** Stable code of why it takes nothing, where it knows; for readiness and the log. */
  fault?(): string | null
  close(): Promise<void>
}

/** A store in this process alone: nobody has to be waited for. */
export interface LocalReceiptStore extends ReceiptStore {
  get(receiptId: string): StoredReceipt | null
  findByChatId(principal: string, chatId: string): StoredReceipt | null
}

export interface StoreUsage {
  readonly receipts: number
  /** Length of the receipts' texts together, or of the pages that hold them. */
  readonly bytes: number
}
