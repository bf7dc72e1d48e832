/**
 * The evidence file (docs/protocol.md): what a service showed about itself and about some of its answers, in one JSON document that can be
 * judged without it, and after it is gone.
 *
 * Members hold exact texts as they were received, and base64 (RFC 4648 §4) of bytes that need not be text. Nothing in the file is signed by
 * whoever made it: it is worth what its parts are worth.
 *
 * @module
 */
import type { DcapCollateral } from './dcap-collateral.ts'

import type { GpuCollateral } from './gpu-collateral.ts'
import type { Hex32 } from './hex.ts'

export const EVIDENCE_PURPOSE = 'countersign.evidence.v1'

/** Length of a file in bytes: two bodies of the largest size in base64, eight documents and their collateral have room. */
export const MAX_EVIDENCE_BYTES = 64 * 1024 * 1024
/** Attestation documents in it: of the service as it was, and one for each other keyset that a receipt names. */
export const MAX_EVIDENCE_ATTESTATIONS = 8
export const MAX_EVIDENCE_RECEIPTS = 64
/** Bytes of a request or response body. */
export const MAX_EVIDENCE_BODY_BYTES = 16 * 1024 * 1024

export interface EvidenceAttestation {
  /** Exact text of an attestation document. */
  readonly document: string
  /** Fetched beside it; counts before any that is stapled. */
  readonly collateral: DcapCollateral | null
  readonly gpu_collateral: GpuCollateral | null
}

export interface EvidenceReceipt {
  /** Exact text of a receipt or view; null where it is there as `cose` alone. */
  readonly receipt: string | null
  /** Base64 of the same as COSE_Sign1; left out where there is none. */
  readonly cose?: string
  /** 64 hex digits, where the saver may have it. */
  readonly opening: string | null
  /** Base64 of the exact bodies. */
  readonly request: string | null
  readonly response: string | null
  /** Exact text of the proof that the record is in its boot's log, checkpoint inside; null where there was none yet. */
  readonly inclusion: string | null
}

/** What the saver says of the connection that the first document came on. */
export type EvidenceChannel =
  | { readonly kind: 'plain' }
  | {
      readonly kind: 'tls'
      /** As the saver asked for it, without port. */
      readonly host: string
      /** 64 hex digits, of the SubjectPublicKeyInfo in the peer's certificate; null where it could not be read. */
      readonly spki_sha256: Hex32 | null
    }

export interface EvidenceFile {
  readonly purpose: typeof EVIDENCE_PURPOSE
  /** Unix seconds by the saver's clock. Nobody vouches for it. */
  readonly saved_at: number
  /** Left out where the saver did not look. Nobody vouches for it. */
  readonly channel?: EvidenceChannel
  /** The first is of the service as it was when the file was made. */
  readonly attestations: readonly EvidenceAttestation[]
  readonly receipts: readonly EvidenceReceipt[]
}
