/**
 * Ties the text of app-compose.json to a measured guest.
 *
 * The guest measures SHA-256 of the file's raw bytes, so the text is hashed as it came and never parsed and written
 * again. `mr_config_id` is the host's own choice of what the TD is for; the guest compares it at boot: zero (not used),
 * or 01 ‖ compose hash ‖ 0 (dstack 0.5.1), or digests over more than the compose text under 02 and 03.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { toHex } from '../../protocol/hex.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { fail, pass } from '../check.ts'
import type { Check } from '../check.ts'

/** Largest app-compose.json that a dstack guest takes. */
export const MAX_COMPOSE_BYTES = 256 * 1024

const MR_CONFIG_ID_BYTES = 48
const MR_CONFIG_ID_V1 = 1
const MR_CONFIG_ID_V2 = 2
const MR_CONFIG_ID_V3 = 3

const PROVES_HASH = 'The compose text is the one that the guest measured before it started the app.'
const PROVES_CONFIG_ID = 'The TD was not created for another compose text.'

function composeHashCheck(rawText: string, composeHash: Uint8Array, crypto: CryptoPort): Check {
  const bytes = toUtf8(rawText)
  if (bytes.length > MAX_COMPOSE_BYTES) {
    return fail('compose.hash', 'compose_too_long', PROVES_HASH, `${bytes.length} bytes`)
  }
  const digest = crypto.sha256(bytes)
  return crypto.equal(digest, composeHash)
    ? pass('compose.hash', PROVES_HASH, toHex(digest))
    : fail('compose.hash', 'compose_hash_mismatch', PROVES_HASH, `text has ${toHex(digest)}`)
}

function configIdCheck(mrConfigId: Uint8Array, composeHash: Uint8Array, crypto: CryptoPort): Check {
  const id = 'compose.mr_config_id'
  if (mrConfigId.length === MR_CONFIG_ID_BYTES && mrConfigId.every((byte) => byte === 0)) {
    return pass(id, PROVES_CONFIG_ID, 'not used')
  }
  const version = mrConfigId[0]
  if (version === MR_CONFIG_ID_V2 || version === MR_CONFIG_ID_V3) {
    return fail(id, 'mr_config_id_unsupported', PROVES_CONFIG_ID, `version ${version}`)
  }
  const expected = new Uint8Array(MR_CONFIG_ID_BYTES)
  expected[0] = MR_CONFIG_ID_V1
  if (composeHash.length === 32) expected.set(composeHash, 1)
  return crypto.equal(mrConfigId, expected)
    ? pass(id, PROVES_CONFIG_ID, 'names this compose text')
    : fail(id, 'mr_config_id_mismatch', PROVES_CONFIG_ID, toHex(mrConfigId))
}

/**
 * Checks the compose text against the measurement and the quote.
 *
 * @param rawText app-compose.json exactly as served
 * @param composeHash 32 bytes, from the replayed event log
 * @param mrConfigId 48 bytes, from the quote
 * @returns the checks compose.hash and compose.mr_config_id
 */
export function verifyCompose(
  rawText: string,
  composeHash: Uint8Array,
  mrConfigId: Uint8Array,
  crypto: CryptoPort,
): Check[] {
  return [
    composeHashCheck(rawText, composeHash, crypto),
    configIdCheck(mrConfigId, composeHash, crypto),
  ]
}
