/**
 * The folder of the sealed address key: the key in use, and the generations that were in use before it.
 *
 * Under an encrypted disk of a KMS an attacker who can put old disk contents back can put an old key back with them;
 * that an older generation is in use again shows in the attested configuration. Each generation, the one in use as well, has
 * a second name, so that an old file put back, or none where there was one, is seen here as long as those names are left.
 * What does not open is refused and never replaced: it is an address that somebody registered.
 *
 * @module
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { closeSync, constants, fstatSync, linkSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { lockFolder } from './lock-folder.ts'
import { KEY_BYTES, MAX_GENERATION, MAX_SEALED_BYTES, seal, unseal } from './sealed-form.ts'
import type { SealedKey } from './sealed-form.ts'
import { SealedKeyError, storageError } from './sealed-key-error.ts'
import { removeTemporaries, syncFolder, writeDurably } from './write-durably.ts'

const CURRENT = 'address-key.json'
const KEPT = /^address-key\.generation-([1-9]\d{0,6})\.json$/

const keptName = (generation: number) => `address-key.generation-${String(generation)}.json`

export interface OpenSealedKey extends SealedKey {
  /** The key was made by this call. */
  readonly created: boolean
  /** Lets another process into the folder. */
  release(): void
}

/**
 * Opens the key, or makes the first one where the folder holds none, and keeps other processes out until released.
 *
 * @param sealingKey 32 bytes
 * @param create false: a folder without a key is refused. A first start cannot be told from a volume that was wiped, but by whom
 *   it belongs to
 * @throws SealedKeyError
 */
export async function openSealedKey(
  folder: string,
  sealingKey: Uint8Array,
  create = true,
): Promise<OpenSealedKey> {
  const lock = await lockFolder(folder)
  try {
    removeTemporaries(folder)
    const present = readSealedKey(folder, sealingKey)
    if (present === null && !create) throw new SealedKeyError('sealed_absent')
    if (present === null) {
      writeDurably(folder, CURRENT, seal({ key: newKey(), generation: 1 }, sealingKey), 'create')
    }
    // Read back: an address is named only after it was found on the disk.
    const open = readSealedKey(folder, sealingKey)
    if (open === null) throw new SealedKeyError('sealed_storage_failed', 'not read back')
    keep(folder, open, sealingKey)
    return { ...open, created: present === null, release: () => lock.release() }
  } catch (error) {
    lock.release()
    throw storageError(error)
  }
}

/**
 * Makes the next generation; the one before stays beside it under its own name.
 *
 * @returns the new key
 * @throws SealedKeyError, and where the first one does not open nothing is changed
 */
export async function rotateSealedKey(
  folder: string,
  sealingKey: Uint8Array,
): Promise<{ readonly before: SealedKey; readonly after: SealedKey }> {
  const lock = await lockFolder(folder)
  try {
    removeTemporaries(folder)
    const before = readSealedKey(folder, sealingKey)
    if (before === null) throw new SealedKeyError('sealed_none')
    if (before.generation >= MAX_GENERATION) {
      throw new SealedKeyError('sealed_malformed', 'no generation follows this one')
    }
    const after = { key: newKey(), generation: before.generation + 1 }
    keep(folder, before, sealingKey)
    writeDurably(folder, CURRENT, seal(after, sealingKey), 'replace')
    // Killed before this, the next opening does it.
    keep(folder, after, sealingKey)
    return { before, after }
  } catch (error) {
    throw storageError(error)
  } finally {
    lock.release()
  }
}

/**
 * A second name for the file in use, where it has none yet. What has that name already must be this very key: with another
 * file in its place a rotation would lose the key that it promises to keep.
 */
function keep(folder: string, { key, generation }: SealedKey, sealingKey: Uint8Array): void {
  const path = join(folder, keptName(generation))
  try {
    linkSync(join(folder, CURRENT), path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    const kept = readKept(path, sealingKey)
    if (kept?.generation !== generation || !timingSafeEqual(kept.key, key)) {
      throw new SealedKeyError('sealed_kept_differs')
    }
  }
  syncFolder(folder)
}

/** @returns null for whatever is no sealed key of this app: a link, a directory, other bytes */
function readKept(path: string, sealingKey: Uint8Array): SealedKey | null {
  try {
    const bytes = readBounded(path)
    return bytes === null ? null : unseal(bytes, sealingKey)
  } catch {
    return null
  }
}

/**
 * Changes nothing and needs no lock.
 *
 * @returns null where the folder has never held a key
 * @throws SealedKeyError
 */
export function readSealedKey(folder: string, sealingKey: Uint8Array): SealedKey | null {
  try {
    const bytes = readBounded(join(folder, CURRENT))
    const kept = readdirSync(folder).map((name) => Number(KEPT.exec(name)?.[1] ?? 0))
    const newestKept = Math.max(0, ...kept)
    if (bytes === null) {
      if (newestKept > 0) throw new SealedKeyError('sealed_missing')
      return null
    }
    const sealed = unseal(bytes, sealingKey)
    if (sealed.generation < newestKept) throw new SealedKeyError('sealed_rolled_back')
    return sealed
  } catch (error) {
    throw storageError(error)
  }
}

/** @returns null where the folder is there and the file is not */
function readBounded(path: string): Uint8Array | null {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
  try {
    if (!fstatSync(file).isFile()) throw new SealedKeyError('sealed_malformed', 'no regular file')
    const bytes = Buffer.alloc(MAX_SEALED_BYTES + 1)
    return Uint8Array.from(bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0)))
  } finally {
    closeSync(file)
  }
}

/** Outside the group with probability 2^-128. */
function newKey(): Uint8Array {
  const key = Uint8Array.from(randomBytes(KEY_BYTES))
  return secp256k1.utils.isValidSecretKey(key) ? key : newKey()
}
