/**
 * Where a simulated PKI takes keys, numbers and signature nonces from. The service takes them from the system; a published
 * corpus derives them from their names, so that every run makes the same bytes.
 *
 * @module
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { signRandomized } from '../x509/sign-der.ts'
import type { SignEcdsa } from '../x509/sign-der.ts'

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export interface Entropy {
  /** A key on P-384. @param name of what it is for, another for each key */
  keyPair(name: string): KeyPair
  bytes(name: string, length: number): Uint8Array
  readonly sign: SignEcdsa
}

/** Keys that nobody can know, which exist in memory only. */
export const systemEntropy: Entropy = Object.freeze({
  keyPair: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  bytes: (_name: string, length: number) => Uint8Array.from(randomBytes(length)),
  sign: signRandomized,
})
