/**
 * Sealing of what the store keeps: AES-256-GCM (NIST SP 800-38D) under a key of its own for each boot.
 *
 * Key of a boot: HKDF-SHA-256 (RFC 5869) of the root key, salted with the boot id, so that nothing which the volume holds
 * takes part in choosing it. Nonces are a counter in memory (SP 800-38D §8.2.1). A boot id is 32 fresh random bytes of the
 * process, so a volume that was rolled back or cloned meets another key each time, under which no nonce was used; the
 * counter is never read from the volume. The memory of a trust domain cannot be copied by the host.
 *
 * Associated data name the purpose, the table, the id of the entry, the boot and the open header: an entry opens in its own
 * place and in no other.
 *
 * The disk and the place that replicas share have keys and digests of their own: each has a counter of its own, and nobody who sees
 * both finds one in the other.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import type { Hex32 } from '../../attestation/protocol/hex.ts'

export const STORE_KEY_BYTES = 32

const PURPOSE = 'countersign.store.v1'
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Characters of a boot id in hex. */
const BOOT_ID_BYTES = 32
/** Of an index key: 128 bits, so that nobody who can only add entries finds two of one key. */
const INDEX_BYTES = 16

/** Keys of other boots that are held; a shared place can name any number of boots. */
const MAX_KEYS = 4096

export type SealedTable =
  | 'admissions'
  | 'boots'
  | 'documents'
  | 'floor'
  | 'logs'
  | 'records'
  | 'roots'
  | 'shared-documents'
  | 'shared-records'
  | 'tiles'

export type SealerScope = 'disk' | 'shared'

export interface Sealer {
  /** @returns nonce ‖ ciphertext ‖ tag */
  seal(table: SealedTable, id: Uint8Array, header: Uint8Array, plain: Uint8Array): Buffer
  /** Null for what this root key did not seal as that entry. */
  open(
    table: SealedTable,
    id: Uint8Array,
    header: Uint8Array,
    bootId: Hex32,
    sealed: Uint8Array,
  ): Buffer | null
  /** Keyed digest by which an entry is found: without the key it says nothing of what it is of. */
  indexKey(kind: 'chat' | 'document' | 'receipt', id: string): Buffer
  /** Says whether a volume was made under this root key; proves nothing about it. */
  readonly check: string
}

function derive(rootKey: Uint8Array, salt: Uint8Array, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', rootKey, salt, `${PURPOSE}.${label}`, STORE_KEY_BYTES))
}

/**
 * One for each scope and boot: a second one would count its nonces from the beginning again.
 *
 * @param rootKey 32 secret bytes that outlive the boot
 */
export function createSealer(
  rootKey: Uint8Array,
  bootId: Hex32,
  scope: SealerScope = 'disk',
): Sealer {
  if (rootKey.length !== STORE_KEY_BYTES) throw new TypeError('a store key is 32 bytes')
  const none = new Uint8Array(0)
  const labelOf = (label: string) => (scope === 'disk' ? label : `${scope}.${label}`)
  const indexSecret = derive(rootKey, none, labelOf('index'))
  const keyOf = (boot: Hex32) => derive(rootKey, Buffer.from(boot, 'hex'), labelOf('seal'))
  const own = keyOf(bootId)
  /** Those of earlier boots, as they are asked for. */
  const keys = new Map<Hex32, Buffer>([[bootId, own]])
  let counter = 0n

  const associated = (table: SealedTable, id: Uint8Array, boot: Hex32, header: Uint8Array) => {
    const name = Buffer.from(`${PURPOSE}\0${table}\0`)
    const lengths = Buffer.alloc(2)
    lengths.writeUInt8(id.length, 0)
    lengths.writeUInt8(header.length, 1)
    const bootBytes = Buffer.alloc(BOOT_ID_BYTES)
    bootBytes.write(boot, 'hex')
    return Buffer.concat([name, lengths, id, bootBytes, header])
  }

  return {
    check: createHmac('sha256', derive(rootKey, none, 'check'))
      .update(PURPOSE)
      .digest('hex'),

    seal(table, id, header, plain) {
      const nonce = Buffer.alloc(NONCE_BYTES)
      nonce.writeBigUInt64BE(++counter, NONCE_BYTES - 8)
      const cipher = createCipheriv('aes-256-gcm', own, nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(associated(table, id, bootId, header))
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    },

    open(table, id, header, boot, sealed) {
      if (sealed.length < NONCE_BYTES + TAG_BYTES) return null
      let key = keys.get(boot)
      if (key === undefined) {
        if (keys.size >= MAX_KEYS) {
          keys.clear()
          keys.set(bootId, own)
        }
        keys.set(boot, (key = keyOf(boot)))
      }
      const end = sealed.length - TAG_BYTES
      const nonce = sealed.subarray(0, NONCE_BYTES)
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(associated(table, id, boot, header))
      decipher.setAuthTag(sealed.subarray(end))
      try {
        return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()])
      } catch {
        return null
      }
    },

    indexKey: (kind, id) =>
      createHmac('sha256', indexSecret).update(`${kind}\0${id}`).digest().subarray(0, INDEX_BYTES),
  }
}
