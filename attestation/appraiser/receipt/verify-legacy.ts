/**
 * The legacy text `sha256(request):sha256(response)` and its two signatures.
 *
 * The rung says who signed. `boot-key`: code that was attested. `app-key`: some instance of the app; every compose text
 * that the app's key service allows can hold the address key, so it says nothing about the code.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { fromHex, toHex } from '../../protocol/hex.ts'
import { LEGACY_ED25519_ALGO, keyOfRole } from '../../protocol/keyset.ts'
import { parseLegacyText, recoverEip191 } from '../../protocol/legacy-text.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import type { TrustedKeyset } from '../appraise-document.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'

export type LegacyRung = 'none' | 'app-key' | 'boot-key'

export interface LegacySignatureInput {
  readonly text: string
  /** `ecdsa`: `0x` r ‖ s ‖ v; `ed25519`: 128 hex digits. */
  readonly signature: string
  readonly algo: 'ecdsa' | 'ed25519'
}

export interface LegacyOptions {
  readonly crypto: CryptoPort
  readonly trusted: TrustedKeyset
  readonly requestBytes?: Uint8Array
  readonly responseBytes?: Uint8Array
}

export interface LegacyVerdict {
  readonly accepted: boolean
  /** legacy.structure, .signature, .rung, .request_bytes and .response_bytes. */
  readonly checks: readonly Check[]
  readonly rung: LegacyRung
}

const PROVES = {
  structure: 'The text is two SHA-256 values.',
  signature: 'The key that the verified keyset names for it signed the text.',
  rung: 'Which kind of key signed.',
  request: 'The signed text names these request bytes.',
  response: 'The signed text names these response bytes.',
} as const

function isSigned(input: LegacySignatureInput, options: LegacyOptions): boolean {
  const { crypto, trusted } = options
  if (input.algo === 'ecdsa') {
    const signer = recoverEip191(input.text, input.signature, crypto)
    return signer !== null && signer === trusted.address
  }
  const key = fromHex(keyOfRole(trusted.keyset, LEGACY_ED25519_ALGO)?.public_key ?? '')
  const signature = fromHex(input.signature)
  return (
    key !== null && signature !== null && crypto.verifyEd25519(key, toUtf8(input.text), signature)
  )
}

function bytesCheck(
  part: 'request' | 'response',
  bytes: Uint8Array | undefined,
  stated: string,
  crypto: CryptoPort,
): Check {
  const id = `legacy.${part}_bytes`
  if (bytes === undefined) return skip(id, 'not_provided', PROVES[part])
  const code = part === 'request' ? 'request_hash_mismatch' : 'response_hash_mismatch'
  return toHex(crypto.sha256(bytes)) === stated
    ? pass(id, PROVES[part])
    : fail(id, code, PROVES[part])
}

/** Verifies one legacy signature against a keyset that was verified before. Never throws. */
export function verifyLegacySignature(
  input: LegacySignatureInput,
  options: LegacyOptions,
): LegacyVerdict {
  const parts = parseLegacyText(input.text)
  if (parts === null) {
    const checks = [fail('legacy.structure', 'legacy_malformed', PROVES.structure)]
    return { accepted: false, checks, rung: 'none' }
  }
  const structure = pass('legacy.structure', PROVES.structure)
  if (!isSigned(input, options)) {
    const check = fail('legacy.signature', 'legacy_signature_invalid', PROVES.signature)
    return { accepted: false, checks: [structure, check], rung: 'none' }
  }
  const appKey = input.algo === 'ecdsa'
  const checks = [
    structure,
    pass('legacy.signature', PROVES.signature),
    appKey
      ? info('legacy.rung', 'legacy_app_key', PROVES.rung)
      : pass('legacy.rung', PROVES.rung, 'a key of this boot'),
    bytesCheck('request', options.requestBytes, parts.request, options.crypto),
    bytesCheck('response', options.responseBytes, parts.response, options.crypto),
  ]
  return {
    accepted: checks.every(({ status }) => status !== 'fail'),
    checks,
    rung: appKey ? 'app-key' : 'boot-key',
  }
}
