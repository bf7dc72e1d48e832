/**
 * Why a store cannot be opened.
 *
 * @module
 */

export type StoreFault =
  /** The package that reads and writes it is not installed. */
  | 'store_binding_missing'
  /** Another process has it open. */
  | 'store_in_use'
  /** It was made under another key. */
  | 'store_key_mismatch'
  /** Shorter than it says, or of another format. */
  | 'store_damaged'
  /** The folder cannot be made, read or written, or its path is too long. */
  | 'store_unusable'
  /** The package that speaks to a shared store is not installed. */
  | 'shared_binding_missing'
  /** The root key ends with the process, so no replica could read what this one writes. */
  | 'shared_without_key'

export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreFault
  constructor(code: StoreFault, cause?: unknown) {
    super(code, { cause })
    this.code = code
  }
}
