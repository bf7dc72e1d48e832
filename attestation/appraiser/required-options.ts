/**
 * Options of the public verbs that a caller without types can get wrong in a way that would open the verifier.
 *
 * @module
 */
import { isHex32 } from '../protocol/hex.ts'
import type { Hex32 } from '../protocol/hex.ts'
import { requirePolicy } from './policy.ts'
import type { AppraisalPolicy } from './policy.ts'

/**
 * @returns unix seconds
 * @throws TypeError for anything that is not a finite number: null or NaN is before no end and after no beginning
 */
export function requireTime(at: unknown): number {
  if (typeof at !== 'number' || !Number.isFinite(at)) {
    throw new TypeError('at: the time is not a finite number of unix seconds')
  }
  return at
}

/**
 * @throws TypeError for anything but 64 lower-case hex digits or null: a nonce that cannot be read would count as none, or, where
 *   it is empty, as one of zeros
 */
export function requireNonce(nonce: unknown): Hex32 | null {
  if (nonce !== null && !isHex32(nonce)) {
    throw new TypeError('nonce: neither 64 lower-case hex digits nor null')
  }
  return nonce
}

/** @throws TypeError for anything but a boolean: the text "false" is true */
export function requireFlag(flag: unknown, name: string): boolean {
  if (typeof flag !== 'boolean') throw new TypeError(`${name}: neither true nor false`)
  return flag
}

/**
 * A copy that nobody else can write to while it is judged: another thread may share the memory of the original.
 *
 * @param limit at most one byte more than this is copied, for the parser to refuse
 * @throws TypeError for anything but a Uint8Array (a Buffer is one): a text would be read as a row of zeros
 */
export function requireBytes(value: unknown, name: string, limit: number): Uint8Array<ArrayBuffer> {
  // Not instanceof, which knows the arrays of one realm only.
  if (
    !ArrayBuffer.isView(value) ||
    Object.prototype.toString.call(value) !== '[object Uint8Array]'
  ) {
    throw new TypeError(`${name}: not a Uint8Array`)
  }
  const { buffer, byteOffset, byteLength } = value
  return new Uint8Array(new Uint8Array(buffer, byteOffset, Math.min(byteLength, limit + 1)))
}

/**
 * The options with a time that is one and a policy that was read.
 *
 * @throws TypeError
 */
export function requireOptions<
  T extends {
    readonly at: number
    readonly asOf?: boolean
    readonly policy: AppraisalPolicy
  },
>(options: T): T {
  const once = { ...options }
  if (once.asOf !== undefined) requireFlag(once.asOf, 'asOf')
  return { ...once, at: requireTime(once.at), policy: requirePolicy(once.policy) }
}
