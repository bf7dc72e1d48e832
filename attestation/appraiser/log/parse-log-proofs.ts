/**
 * Proofs as a service hands them out (docs/protocol.md §7.1), from text to typed values: exactly their members, in bounds.
 *
 * @module
 */
import { hex32Bytes } from '../../protocol/hex.ts'
import { parseJsonText } from '../../protocol/json.ts'
import { MAX_CHECKPOINT } from '../../protocol/log/checkpoint.ts'
import { MAX_PROOF_PATH } from '../../protocol/log/inclusion-proof.ts'
import { MAX_BOOT_RECORD, parseBootRecord } from '../../protocol/log/leaves.ts'
import type { BootRecord } from '../../protocol/log/leaves.ts'
import { isLogOrigin } from '../../protocol/log/log-origin.ts'
import { hex32Of, integerOf, listOf, objectOf, textOf, Unreadable } from '../read-members.ts'

/** Characters of a proof: path, and checkpoint or boot record with its escapes. */
export const MAX_PROOF_TEXT = 2 * MAX_CHECKPOINT

export interface InclusionProof {
  readonly origin: string
  readonly leafIndex: number
  readonly treeSize: number
  readonly path: readonly Uint8Array[]
  /** C2SP note over the head of that size; null where its boot signed none. */
  readonly checkpoint: string | null
}

export interface ConsistencyProof {
  readonly origin: string
  readonly from: number
  readonly to: number
  readonly path: readonly Uint8Array[]
}

export interface BootProof {
  readonly origin: string
  readonly record: BootRecord
  readonly treeSize: number
  readonly path: readonly Uint8Array[]
}

function read<T>(text: string, members: readonly string[], make: (row: Row) => T): T | null {
  if (text.length > MAX_PROOF_TEXT) return null
  const parsed = parseJsonText(text)
  if (!parsed.ok) return null
  try {
    return make(objectOf(parsed.value, 'the proof', members))
  } catch (error) {
    if (error instanceof Unreadable) return null
    throw error
  }
}
type Row = ReturnType<typeof objectOf>

function originOf(row: Row): string {
  const { origin } = row
  if (!isLogOrigin(origin)) throw new Unreadable('origin is no origin')
  return origin
}

function pathOf(row: Row): readonly Uint8Array[] {
  return listOf(row['path'], 'path', MAX_PROOF_PATH).map((step) =>
    hex32Bytes(hex32Of(step, 'a step of path')),
  )
}

/** Null for anything else. */
export function parseInclusionProof(text: string): InclusionProof | null {
  const members = ['checkpoint', 'leaf_index', 'origin', 'path', 'tree_size']
  return read(text, members, (row) => ({
    origin: originOf(row),
    leafIndex: integerOf(row['leaf_index'], 'leaf_index'),
    treeSize: integerOf(row['tree_size'], 'tree_size'),
    path: pathOf(row),
    checkpoint:
      row['checkpoint'] === null ? null : textOf(row['checkpoint'], 'checkpoint', MAX_CHECKPOINT),
  }))
}

/** Null for anything else. */
export function parseConsistencyProof(text: string): ConsistencyProof | null {
  return read(text, ['from', 'origin', 'path', 'to'], (row) => ({
    origin: originOf(row),
    from: integerOf(row['from'], 'from'),
    to: integerOf(row['to'], 'to'),
    path: pathOf(row),
  }))
}

/** Null for anything else. */
export function parseBootProof(text: string): BootProof | null {
  return read(text, ['boot_record', 'origin', 'path', 'tree_size'], (row) => {
    const record = parseBootRecord(textOf(row['boot_record'], 'boot_record', MAX_BOOT_RECORD))
    if (record === null) throw new Unreadable('boot_record is none')
    return {
      origin: originOf(row),
      record,
      treeSize: integerOf(row['tree_size'], 'tree_size'),
      path: pathOf(row),
    }
  })
}
