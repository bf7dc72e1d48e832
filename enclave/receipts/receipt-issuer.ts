/**
 * Issues receipts: admits a request under a fresh id, and settles it once, whatever became of it.
 *
 * Settling is one synchronous step: sequence number, record, leaf of the log, signatures, store. Nothing can come between, so no
 * two records share a number, none is signed that the log does not hold, and no answer's last byte can leave before its receipt is
 * stored.
 *
 * @module
 */
import { createHmac } from 'node:crypto'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import { legacyText } from '../../attestation/protocol/legacy-text.ts'
import { fullReceipt, receiptView } from '../../attestation/protocol/receipt.ts'
import type { ReceiptText } from '../../attestation/protocol/receipt.ts'
import {
  RECORD_PURPOSE,
  bodiesCommitment,
  recordRuns,
  recordText,
  recordTextHash,
} from '../../attestation/protocol/record.ts'
import type {
  Outcome,
  ReceiptRecord,
  RewriteName,
  Usage,
} from '../../attestation/protocol/record.ts'
import type { RequestMember } from '../../attestation/protocol/request-members.ts'
import { SIMULATION_ID_PREFIX } from '../../attestation/protocol/simulation.ts'
import type { BootKeys } from '../keys/boot-keys.ts'
import type { BootLog } from '../log/boot-log.ts'
import type { AttestedContent } from './attest-content.ts'
import type {
  InterruptedAdmission,
  Ownership,
  ReceiptStore,
  StoredReceipt,
} from './receipt-store.ts'
import { coseInput, coseReceipt } from './cose-receipt.ts'
import { legacySignature } from './legacy-signature.ts'
import type { LegacySignature } from './legacy-signature.ts'
import { interruptedRecord } from './interrupted-record.ts'
import { createReceiptIds } from './receipt-ids.ts'
import { encodeReceipt } from './stored-receipt.ts'

/** One admitted request, from admission to settlement. */
export interface Admission {
  readonly receiptId: string
  /** Hex, 32 bytes; goes to the user alone. */
  readonly opening: string
  readonly salt: Uint8Array
  readonly ownership: Ownership
  readonly challenge: string | null
  readonly endpoint: string
  readonly method: string
}

/** What is known of an exchange when its outcome is. */
export interface Exchange {
  readonly outcome: Outcome
  readonly status: number
  readonly backend: string | null
  /** Of the bodies, as {@link BodyHashes}. */
  readonly requestHash: Sha256Digest
  readonly forwardedHash: Sha256Digest | null
  readonly responseHash: Sha256Digest
  readonly responseBytes: number
  /** The upstream's body ended as its framing says and all of it was written out. */
  readonly whole: boolean
  /** Digests of the request's members under the admission's salt; null where the body was unreadable. */
  readonly members: readonly RequestMember[] | null
  readonly chatId: string | null
  readonly modelRequested: string | null
  readonly modelServed: string | null
  readonly content: AttestedContent
  readonly finishReasons: readonly (string | null)[]
  readonly usage: Usage | null
  /** Sorted. */
  readonly rewrites: readonly RewriteName[]
}

export interface AdmissionRequest {
  readonly ownership: Ownership
  readonly challenge: string | null
  readonly endpoint: string
  readonly method: string
}

export interface ReceiptIssuer {
  admit(request: AdmissionRequest): Admission
  /**
   * Records the outcome. Returns a promise only where the store needs one.
   *
   * @param inBand for an answer that carries its own receipt: called at once with what goes into it. Under a relay principal
   *   that is the view, which is all that may be asked for there; else the full receipt
   */
  settle(
    admission: Admission,
    exchange: Exchange,
    inBand?: (document: string) => void,
  ): Promise<void> | null
  /**
   * States of a request that an earlier boot admitted that its end was not recorded. All that is known of it is what was
   * noted at its admission, so no body is spoken of: the receipt is a view.
   */
  interrupt(interrupted: InterruptedAdmission): Promise<void> | null
  /** The full receipt's exact text. */
  document(receipt: StoredReceipt): string
  /** The view without body hashes, signed when asked for. */
  view(receipt: StoredReceipt): string
  /** The receipt or view as COSE_Sign1, made when asked for; null for one of another boot, whose key is gone. */
  cose(receipt: StoredReceipt, form: 'full' | 'view'): Uint8Array | null
  opening(receipt: StoredReceipt): string
  /** Null for an answer that was not complete. */
  legacy(receipt: StoredReceipt, algo: 'ecdsa' | 'ed25519'): LegacySignature | null
}

export interface IssuerOptions {
  readonly keys: BootKeys
  readonly configDigest: Sha256Digest
  readonly store: ReceiptStore
  /** Null or absent where the log is off: then records are only counted. */
  readonly log?: Pick<BootLog, 'append' | 'nextIndex'> | null
  /** Unix seconds. */
  readonly now: () => number
}

export function createReceiptIssuer(options: IssuerOptions): ReceiptIssuer {
  const { keys, configDigest, store, now, log = null } = options
  const nextId = createReceiptIds(`${keys.simulated ? SIMULATION_ID_PREFIX : ''}rcpt-`)
  /** Of records without a log. */
  let sequence = 0
  const nextSequence = (): number => log?.nextIndex ?? ++sequence

  const saltOf = (receiptId: string): Buffer =>
    createHmac('sha256', keys.storeKey).update(receiptId).digest()

  const isOwn = (record: ReceiptRecord) => record.boot_id === keys.bootId

  const sign = (text: ReceiptText): string =>
    Buffer.from(keys.receipt.sign(Buffer.from(text.signed))).toString('hex')

  return {
    admit(request) {
      const receiptId = nextId()
      const salt = saltOf(receiptId)
      const opening = salt.toString('hex')
      store.durable?.admitted({ ...request, receiptId, opening })
      return { ...request, receiptId, salt, opening }
    },

    settle(admission, exchange, inBand) {
      const { salt } = admission
      const { content } = exchange
      const bodies = {
        forwarded: exchange.forwardedHash,
        received: exchange.requestHash,
        returned: exchange.responseHash,
      }
      const record: ReceiptRecord = {
        backend: exchange.backend,
        bodies: bodiesCommitment(bodies, salt, nodeCrypto),
        boot_id: keys.bootId,
        challenge: admission.challenge,
        chat_id: exchange.chatId,
        config_digest: configDigest,
        content_digest: content.digest,
        content_kind: content.kind,
        content_status: content.status,
        content_uncovered: content.uncovered,
        endpoint: admission.endpoint,
        finish_reasons: exchange.finishReasons,
        keyset_digest: keys.keysetDigest,
        members: exchange.members,
        method: admission.method,
        model_requested: exchange.modelRequested,
        model_served: exchange.modelServed,
        outcome: exchange.outcome,
        purpose: RECORD_PURPOSE,
        receipt_id: admission.receiptId,
        response_bytes: exchange.responseBytes,
        ...(exchange.rewrites.length === 0 ? {} : { rewrites: exchange.rewrites }),
        sequence: nextSequence(),
        served_at: now(),
        status: exchange.status,
        usage: exchange.usage,
      }
      const runs = recordRuns(record)
      const text = recordText(record, runs)
      const hash = recordTextHash(text, nodeCrypto)
      log?.append(hash)
      const { whole } = exchange
      const signed = fullReceipt(record, hash, bodies, { whole }, keys.receiptKeyId, runs)
      const signature = sign(signed)
      const { ownership } = admission
      const viewGoesOut = inBand !== undefined && ownership.relay
      // After this boot nobody can sign one.
      const viewIsKept =
        store.durable !== undefined && (ownership.relay || ownership.ownerHash !== null)
      const view =
        viewGoesOut || viewIsKept ? receiptView(record, hash, keys.receiptKeyId, runs) : null
      const viewSignature = view === null ? null : sign(view)
      if (view !== null && viewSignature !== null && viewGoesOut) {
        inBand(view.withSignature(viewSignature))
      } else inBand?.(signed.withSignature(signature))
      const stored = store.put({
        receiptId: admission.receiptId,
        chatId: exchange.chatId,
        ownership,
        opening: admission.opening,
        viewSignature: viewIsKept ? viewSignature : null,
        text: encodeReceipt(text, {
          recordHash: hash,
          bodies,
          whole,
          signature,
          eip191:
            exchange.outcome === 'complete'
              ? keys.address.signText(legacyText(bodies.received, bodies.returned))
              : null,
        }),
      })
      return stored instanceof Promise ? stored : null
    },

    interrupt({ admission, bootId }) {
      const { record, bodies } = interruptedRecord(admission, bootId, {
        boot_id: keys.bootId,
        config_digest: configDigest,
        keyset_digest: keys.keysetDigest,
        sequence: nextSequence(),
        served_at: now(),
      })
      const runs = recordRuns(record)
      const text = recordText(record, runs)
      const hash = recordTextHash(text, nodeCrypto)
      log?.append(hash)
      const signature = sign(receiptView(record, hash, keys.receiptKeyId, runs))
      const receipt = { recordHash: hash, bodies, whole: false, signature, eip191: null }
      const stored = store.put({
        receiptId: admission.receiptId,
        chatId: null,
        ownership: admission.ownership,
        opening: admission.opening,
        viewSignature: signature,
        text: encodeReceipt(text, receipt),
      })
      return stored instanceof Promise ? stored : null
    },

    document(receipt) {
      const { record, recordHash, bodies, whole, signature } = receipt
      const keyId = receipt.kept?.receiptKeyId ?? keys.receiptKeyId
      const text =
        record.outcome === 'interrupted'
          ? receiptView(record, recordHash, keyId)
          : fullReceipt(record, recordHash, bodies, { whole }, keyId)
      return text.withSignature(signature)
    },

    view({ record, recordHash, kept }) {
      const text = receiptView(record, recordHash, kept?.receiptKeyId ?? keys.receiptKeyId)
      const signature = kept?.viewSignature ?? (isOwn(record) ? sign(text) : null)
      if (signature === null) throw new TypeError('a view that nobody may ask for')
      return text.withSignature(signature)
    },

    cose: (receipt, form) =>
      isOwn(receipt.record)
        ? coseReceipt(coseInput(receipt, form, keys.coseKeyId), keys.cose)
        : null,

    opening: ({ record, kept }) => kept?.opening ?? saltOf(record.receipt_id).toString('hex'),

    legacy: (receipt, algo) => legacySignature(receipt, algo, keys),
  }
}
