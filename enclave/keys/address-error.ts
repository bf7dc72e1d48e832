/**
 * An address key that is not the one its operator named, and what to do about it.
 *
 * @module
 */

/** Codes are stable; `docs/errors.md` is generated from this table. */
export const ADDRESS_ERRORS = Object.freeze({
  address_unexpected:
    'The address key has another address than --expect-address names. A sealed key: restore the volume that held it. A derived key: the app id or the key provider is another one. To take the new address on, change the flag in the measured compose text and register it anew.',
})

export type AddressErrorCode = keyof typeof ADDRESS_ERRORS

export class AddressError extends Error {
  override readonly name = 'AddressError'
  readonly code: AddressErrorCode

  constructor(code: AddressErrorCode, detail: string) {
    super(`${code}: ${detail}`)
    this.code = code
  }
}

/**
 * @param address EIP-55
 * @param expected `0x` and 40 lower-case hex digits; null: any
 * @throws AddressError
 */
export function checkExpectedAddress(address: string, expected: string | null): void {
  if (expected === null || address.toLowerCase() === expected) return
  throw new AddressError('address_unexpected', `${address} in the place of ${expected}`)
}
