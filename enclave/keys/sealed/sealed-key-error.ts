/**
 * How keeping the sealed address key can fail, and what to do about each. Whatever fails, no file is replaced: a new
 * key is a new address, and that is for the operator to decide (`countersign keys rotate`).
 *
 * @module
 */

/** Codes are stable; `docs/errors.md` is generated from this table. */
export const SEALED_KEY_ERRORS = Object.freeze({
  sealed_not_opened:
    'The sealed address key does not open with the keys of this app: it was changed, is of another app, or the measurement changed under a local key provider. Restore file or machine, or begin anew in an empty folder.',
  sealed_malformed:
    'The sealed address key is cut short or not of the known form. Restore it from a copy, or begin anew in an empty folder.',
  sealed_missing:
    'There is no sealed address key, but generations of one are kept beside it. Restore it: the newest of them, copied to address-key.json, is the one that was last in use.',
  sealed_absent:
    'There is no sealed address key, and none was made, because --expect-address names one that was there: the volume is empty, was wiped, or another one is mounted. Restore it. Only to give that address up for good, take the flag out of the compose text.',
  sealed_none:
    'The folder holds no sealed address key yet, so there is none to rotate. The first start of the service makes it.',
  sealed_kept_differs:
    'The name that keeps this generation is taken by something else. Nothing was changed: see who put it there, move it away, and try again.',
  sealed_rolled_back:
    'The sealed address key is older than a generation that is kept beside it. Somebody put an old file back: restore the newest one.',
  sealed_locked:
    'Another process uses the folder of the sealed address key. Two services cannot share one; stop the other.',
  sealed_read_only:
    'The folder of the sealed address key cannot be written. Mount the volume read-write and give it to the user of the service (65532).',
  sealed_full:
    'The volume of the sealed address key is full. Make room; nothing that was there has been touched.',
  sealed_folder_missing:
    'The folder of the sealed address key is not there (address_key_dir). Mount a volume there that outlives the container.',
  sealed_storage_failed:
    'The volume of the sealed address key failed otherwise. Look at dmesg of the guest.',
})

export type SealedKeyErrorCode = keyof typeof SEALED_KEY_ERRORS

/** The message holds no key and no path; the system's own error code where there is one. */
export class SealedKeyError extends Error {
  override readonly name = 'SealedKeyError'
  readonly code: SealedKeyErrorCode

  constructor(code: SealedKeyErrorCode, detail = '') {
    super(detail === '' ? code : `${code}: ${detail}`)
    this.code = code
  }
}

const BY_SYSTEM_CODE: Readonly<Record<string, SealedKeyErrorCode>> = {
  EROFS: 'sealed_read_only',
  EACCES: 'sealed_read_only',
  EPERM: 'sealed_read_only',
  ENOSPC: 'sealed_full',
  EDQUOT: 'sealed_full',
  ENOENT: 'sealed_folder_missing',
  ENOTDIR: 'sealed_folder_missing',
}

/** What a file-system call threw, as one of ours. */
export function storageError(error: unknown): SealedKeyError {
  if (error instanceof SealedKeyError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  const known = Object.hasOwn(BY_SYSTEM_CODE, code) ? BY_SYSTEM_CODE[code] : undefined
  return new SealedKeyError(known ?? 'sealed_storage_failed', code)
}
