/**
 * The evidence file (docs/protocol.md), from bytes to a typed value. Nothing in it is believed yet.
 *
 * @module
 */
import { decodeBase64 } from '../../protocol/base64.ts'
import { MAX_COSE_RECEIPT_BYTES } from '../../protocol/cose-receipt.ts'
import { readCollateral } from '../../protocol/dcap-collateral.ts'
import {
  EVIDENCE_PURPOSE,
  MAX_EVIDENCE_ATTESTATIONS,
  MAX_EVIDENCE_BODY_BYTES,
  MAX_EVIDENCE_BYTES,
  MAX_EVIDENCE_RECEIPTS,
} from '../../protocol/evidence-file.ts'
import type { EvidenceAttestation } from '../../protocol/evidence-file.ts'
import { readGpuCollateral } from '../../protocol/gpu-collateral.ts'
import { isHex32 } from '../../protocol/hex.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import type { JsonValue } from '../../protocol/json.ts'
import { MAX_RECEIPT_BYTES } from '../../protocol/receipt.ts'
import { MAX_DOCUMENT_BYTES } from '../document/parse-document.ts'
import { MAX_PROOF_TEXT } from '../log/parse-log-proofs.ts'
import type { ObservedChannel } from '../channel/judge-channel.ts'
import { hex32Of, integerOf, listOf, objectOf, textOf, Unreadable } from '../read-members.ts'

/** Characters: of a DNS name (RFC 1035 §2.3.4), or of an address. */
const MAX_HOST = 255

export interface ParsedEvidenceReceipt {
  /** Exact text; null where it is there as `cose` alone. */
  readonly receipt: string | null
  /** The exact bytes of a COSE_Sign1. */
  readonly cose: Uint8Array | null
  /** Lower-case hex of 32 bytes. */
  readonly opening: string | null
  /** The exact bodies. */
  readonly request: Uint8Array | null
  readonly response: Uint8Array | null
  /** Exact text. */
  readonly inclusion: string | null
}

export interface ParsedEvidence {
  /** Unix seconds, by whoever made the file. */
  readonly savedAt: number
  /** By the same; null where the file does not say. */
  readonly channel: ObservedChannel | null
  /** One at least. */
  readonly attestations: readonly [EvidenceAttestation, ...EvidenceAttestation[]]
  readonly receipts: readonly ParsedEvidenceReceipt[]
}

export type EvidenceResult =
  | { readonly ok: true; readonly evidence: ParsedEvidence }
  | {
      readonly ok: false
      readonly code: 'evidence_malformed' | 'evidence_unsupported'
      readonly detail: string
    }

/** Says which parser a file is for, and no more. */
export function isEvidenceFile(value: JsonValue): boolean {
  const purpose = isJsonObject(value) ? value['purpose'] : undefined
  return typeof purpose === 'string' && purpose.startsWith('countersign.evidence.')
}

function readAttestation(value: JsonValue): EvidenceAttestation {
  const names = ['document', 'collateral', 'gpu_collateral']
  const attestation = objectOf(value, 'an attestation', names)
  const dcap = attestation['collateral']
  const nvidia = attestation['gpu_collateral']
  const collateral = dcap === null ? null : readCollateral(dcap)
  if (collateral?.ok === false) throw new Unreadable(collateral.detail)
  const gpu = nvidia === null ? null : readGpuCollateral(nvidia)
  if (gpu?.ok === false) throw new Unreadable(gpu.detail)
  return {
    document: textOf(attestation['document'], 'attestations.document', MAX_DOCUMENT_BYTES),
    collateral: collateral?.collateral ?? null,
    gpu_collateral: gpu?.collateral ?? null,
  }
}

function bytesOf(value: JsonValue, what: string, limit: number): Uint8Array {
  const bytes = decodeBase64(textOf(value, what, Math.ceil(limit / 3) * 4))
  if (bytes === null || bytes.length > limit) {
    throw new Unreadable(`${what} is not base64 of at most ${limit} bytes`)
  }
  return bytes
}

function bodyOf(value: JsonValue | undefined, what: string): Uint8Array | null {
  return value === null ? null : bytesOf(value ?? null, what, MAX_EVIDENCE_BODY_BYTES)
}

const RECEIPT_MEMBERS = ['receipt', 'opening', 'request', 'response', 'inclusion']

function readReceipt(value: JsonValue): ParsedEvidenceReceipt {
  const entry = objectOf(value, 'a receipt', RECEIPT_MEMBERS, ['cose'])
  const opening = entry['opening'] ?? null
  if (opening !== null && !isHex32(opening)) throw new Unreadable('an opening is not 64 hex digits')
  const { receipt, cose } = entry
  if (receipt === null && cose === undefined) throw new Unreadable('a receipt in no encoding')
  return {
    receipt: receipt === null ? null : textOf(receipt, 'receipts.receipt', MAX_RECEIPT_BYTES),
    cose: cose === undefined ? null : bytesOf(cose, 'receipts.cose', MAX_COSE_RECEIPT_BYTES),
    opening,
    request: bodyOf(entry['request'], 'receipts.request'),
    response: bodyOf(entry['response'], 'receipts.response'),
    inclusion:
      entry['inclusion'] === null
        ? null
        : textOf(entry['inclusion'], 'receipts.inclusion', MAX_PROOF_TEXT),
  }
}

function channelOf(value: JsonValue | undefined): ObservedChannel | null {
  if (value === undefined) return null
  if (isJsonObject(value) && value['kind'] === 'plain') {
    objectOf(value, 'channel', ['kind'])
    return { kind: 'plain' }
  }
  const { kind, host, spki_sha256 } = objectOf(value, 'channel', ['kind', 'host', 'spki_sha256'])
  if (kind !== 'tls') throw new Unreadable('channel is of no kind')
  const spkiSha256 = spki_sha256 === null ? null : hex32Of(spki_sha256, 'channel.spki_sha256')
  return { kind, host: textOf(host, 'channel.host', MAX_HOST), spkiSha256 }
}

function readEvidence(value: JsonValue): ParsedEvidence {
  if (isJsonObject(value) && value['purpose'] !== EVIDENCE_PURPOSE) {
    throw new Unreadable('another purpose', isEvidenceFile(value) ? 'unsupported' : 'malformed')
  }
  const members = ['purpose', 'saved_at', 'attestations', 'receipts']
  const file = objectOf(value, 'the evidence file', members, ['channel'])
  const [first, ...earlier] = listOf(
    file['attestations'],
    'attestations',
    MAX_EVIDENCE_ATTESTATIONS,
  ).map(readAttestation)
  if (first === undefined) throw new Unreadable('no attestation document')
  return {
    savedAt: integerOf(file['saved_at'], 'saved_at'),
    channel: channelOf(file['channel']),
    attestations: [first, ...earlier],
    receipts: listOf(file['receipts'], 'receipts', MAX_EVIDENCE_RECEIPTS).map(readReceipt),
  }
}

/** Parses one file. Never throws. */
export function parseEvidenceFile(bytes: Uint8Array): EvidenceResult {
  const malformed = (detail: string): EvidenceResult => ({
    ok: false,
    code: 'evidence_malformed',
    detail,
  })
  if (bytes.length > MAX_EVIDENCE_BYTES) return malformed(`longer than ${MAX_EVIDENCE_BYTES} bytes`)
  const parsed = parseJson(bytes)
  if (!parsed.ok) return malformed(`not strict JSON: ${parsed.fault}`)
  try {
    return { ok: true, evidence: readEvidence(parsed.value) }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { ok: false, code: `evidence_${error.kind}`, detail: error.message }
  }
}
