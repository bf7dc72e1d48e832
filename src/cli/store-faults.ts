/**
 * What an operator is told of a store that cannot be opened.
 *
 * @module
 */
import type { StoreFault } from '../../enclave/store/store-error.ts'

export const STORE_FAULTS: Readonly<Record<StoreFault, string>> = {
  store_binding_missing: 'A store needs the optional package lmdb, which is not installed.',
  store_in_use: 'Another process has the store open: one service per store.',
  store_key_mismatch:
    'The store was made under another key: its machine, app or key provider is not this one. Name another path, or remove it.',
  store_damaged: 'The store is damaged or of another format: restore it, or name another path.',
  shared_binding_missing:
    'A shared store needs the optional package ioredis, which is not installed.',
  shared_without_key:
    'A shared store needs a key that outlives the process and is the same for each replica: a KMS as key provider.',
  store_unusable: 'The store cannot be opened: its folder must be one that this user can write to.',
}
