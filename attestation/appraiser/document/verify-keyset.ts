/**
 * Judges a keyset by itself: roles, sizes, the address, and how long it is valid.
 *
 * That the keyset belongs to the enclave is the matter of the statement.
 *
 * @module
 */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import type { CryptoPort } from '../../crypto/port.ts'
import { isSoundEd25519Key } from '../../protocol/ed25519-key.ts'
import { fromHex } from '../../protocol/hex.ts'
import {
  ACI_RECEIPT_ALGO,
  COSE_ALGO,
  EIP191_ALGO,
  HTTP_ALGO,
  LEGACY_ED25519_ALGO,
  LOG_ALGO,
  keyOfRole,
} from '../../protocol/keyset.ts'
import type { Keyset } from '../../protocol/keyset.ts'
import { addressOf } from '../../protocol/legacy-text.ts'
import { fail, pass } from '../check.ts'
import type { Check } from '../check.ts'
import type { AppraisalPolicy } from '../policy.ts'

const PROVES_ROLES = 'Each role has one key of its kind, and the address is that of its key.'
const PROVES_VALID = 'The keyset is valid at this time, and not for longer than accepted.'

/** Lower-case `0x` address of a compressed point in hex; null where it is none. */
export function addressOfKey(publicKey: string, crypto: CryptoPort): string | null {
  const bytes = fromHex(publicKey)
  if (bytes?.length !== 33) return null
  try {
    return addressOf(secp256k1.Point.fromBytes(bytes).toBytes(false).subarray(1), crypto)
  } catch {
    return null
  }
}

function rolesCheck(keyset: Keyset, crypto: CryptoPort): { check: Check; address: string | null } {
  const refuse = (detail: string) => ({
    check: fail('keyset.roles', 'keyset_role_missing', PROVES_ROLES, detail),
    address: null,
  })
  const count = (algo: string) =>
    keyset.receipt_signing_keys.filter((key) => key.algo === algo).length
  const receipt = keyOfRole(keyset, ACI_RECEIPT_ALGO)
  if (receipt === null) return refuse(ACI_RECEIPT_ALGO)
  for (const algo of [ACI_RECEIPT_ALGO, LEGACY_ED25519_ALGO, LOG_ALGO, HTTP_ALGO, COSE_ALGO]) {
    if (count(algo) > 1) return refuse(algo)
    const key = keyOfRole(keyset, algo)
    const bytes = key === null ? null : fromHex(key.public_key)
    if (key !== null && (bytes === null || !isSoundEd25519Key(bytes))) return refuse(algo)
  }
  if (count(EIP191_ALGO) > 1) return refuse(EIP191_ALGO)
  const key = keyOfRole(keyset, EIP191_ALGO)
  if (key === null) return { check: pass('keyset.roles', PROVES_ROLES), address: null }
  const address = addressOfKey(key.public_key, crypto)
  if (address === null) return refuse(EIP191_ALGO)
  // People read the address off the id: it must not be another one than the key's.
  return key.key_id.endsWith(address)
    ? { check: pass('keyset.roles', PROVES_ROLES), address }
    : {
        check: fail('keyset.roles', 'keyset_address_mismatch', PROVES_ROLES, `key of ${address}`),
        address: null,
      }
}

function validCheck(
  keyset: Keyset,
  issuedAt: number,
  at: number,
  maxLifetimeS: AppraisalPolicy['maxKeysetLifetimeS'],
): Check {
  const { not_after: notAfter } = keyset
  const id = 'keyset.valid'
  if (!(at <= notAfter) || issuedAt > notAfter) {
    return fail(id, 'keyset_expired', PROVES_VALID, `valid until ${notAfter}`)
  }
  const lifetime = notAfter - issuedAt
  return lifetime <= maxLifetimeS
    ? pass(id, PROVES_VALID, `until ${notAfter}`)
    : fail(id, 'keyset_lifetime_too_long', PROVES_VALID, `${lifetime} seconds`)
}

/** @returns keyset.roles and keyset.valid, and the lower-case address where there is an address key */
export function verifyKeyset(
  keyset: Keyset,
  issuedAt: number,
  options: {
    readonly crypto: CryptoPort
    readonly at: number
    readonly policy: AppraisalPolicy
  },
): { readonly checks: Check[]; readonly address: string | null } {
  const { check, address } = rolesCheck(keyset, options.crypto)
  const valid = validCheck(keyset, issuedAt, options.at, options.policy.maxKeysetLifetimeS)
  return { checks: [check, valid], address }
}
