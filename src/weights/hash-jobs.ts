/**
 * What goes between the service and a thread that hashes.
 *
 * @module
 */
import { isHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type { ListedFile } from './list-weights.ts'
import { isWeightsErrorCode } from './weights-error.ts'
import type { WeightsErrorCode } from './weights-error.ts'

export type HashAnswer =
  | { readonly kind: 'bytes'; readonly bytes: number }
  | { readonly kind: 'hash'; readonly sha256: Hex32 }
  | { readonly kind: 'error'; readonly code: WeightsErrorCode; readonly path: string }

export function isListedFile(value: unknown): value is ListedFile {
  return (
    typeof value === 'object' &&
    value !== null &&
    'path' in value &&
    typeof value.path === 'string' &&
    'file' in value &&
    typeof value.file === 'string' &&
    'size' in value &&
    typeof value.size === 'number' &&
    'identity' in value &&
    typeof value.identity === 'string'
  )
}

/** What a thread says is read, not believed. */
export function isHashAnswer(value: unknown): value is HashAnswer {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  switch (value.kind) {
    case 'bytes':
      return 'bytes' in value && typeof value.bytes === 'number'
    case 'hash':
      return 'sha256' in value && isHex32(value.sha256)
    case 'error':
      return (
        'code' in value &&
        isWeightsErrorCode(value.code) &&
        'path' in value &&
        typeof value.path === 'string'
      )
    default:
      return false
  }
}
