/**
 * Ties the text of app-compose.json to a measured guest.
 *
 * The guest measures SHA-256 of the file's raw bytes, so the text is hashed as it came and never parsed and written
 * again: the same JSON spelled otherwise is another text.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { toHex } from '../../protocol/hex.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { SystemIdentity } from './read-system-events.ts'
import { MR_CONFIG_ID_BYTES, recomputeMrConfigId } from './recompute-mr-config-id.ts'

/** Largest app-compose.json that a dstack guest takes. */
export const MAX_COMPOSE_BYTES = 256 * 1024

const PROVES_HASH = 'The compose text is the one that the guest measured before it started the app.'
const PROVES_CONFIG_ID = 'The TD was not started for another app or configuration.'

function composeHashCheck(
  rawText: string | null,
  composeHash: Uint8Array,
  crypto: CryptoPort,
): Check {
  if (rawText === null) {
    return skip('compose.hash', 'not_provided', PROVES_HASH, 'the compose text was not given')
  }
  // A lone surrogate would be hashed as U+FFFD, so that two texts had one hash.
  if (!rawText.isWellFormed()) {
    return fail('compose.hash', 'compose_not_unicode', PROVES_HASH)
  }
  const bytes = toUtf8(rawText)
  if (bytes.length > MAX_COMPOSE_BYTES) {
    return fail('compose.hash', 'compose_too_long', PROVES_HASH, `${bytes.length} bytes`)
  }
  const digest = crypto.sha256(bytes)
  return crypto.equal(digest, composeHash)
    ? pass('compose.hash', PROVES_HASH, toHex(digest))
    : fail('compose.hash', 'compose_hash_mismatch', PROVES_HASH, `text has ${toHex(digest)}`)
}

function configIdCheck(mrConfigId: Uint8Array, system: SystemIdentity, crypto: CryptoPort): Check {
  const id = 'compose.mr_config_id'
  if (mrConfigId.length === MR_CONFIG_ID_BYTES && mrConfigId.every((byte) => byte === 0)) {
    return pass(id, PROVES_CONFIG_ID, 'not used')
  }
  const version = mrConfigId[0] ?? 0
  const values = recomputeMrConfigId(version, system, crypto)
  if (values.some((value) => crypto.equal(mrConfigId, value))) {
    return pass(id, PROVES_CONFIG_ID, `version ${version} recomputes`)
  }
  // Versions 2 and 3 name the key provider, so one that is not known here is not a lie.
  return values.length === 0 && (version === 2 || version === 3)
    ? fail(id, 'mr_config_id_unsupported', PROVES_CONFIG_ID, `version ${version}`)
    : fail(id, 'mr_config_id_mismatch', PROVES_CONFIG_ID, toHex(mrConfigId))
}

/**
 * Checks the compose text and the TD's purpose against what was measured.
 *
 * @param rawText app-compose.json exactly as served; null where it is not at hand
 * @param system from the replayed event log
 * @param mrConfigId 48 bytes, from the quote
 * @returns the checks compose.hash and compose.mr_config_id
 */
export function verifyCompose(
  rawText: string | null,
  system: SystemIdentity,
  mrConfigId: Uint8Array,
  crypto: CryptoPort,
): Check[] {
  return [
    composeHashCheck(rawText, system.composeHash, crypto),
    configIdCheck(mrConfigId, system, crypto),
  ]
}
