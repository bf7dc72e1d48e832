/**
 * Compares the attested digest of the weights with those that a policy names.
 *
 * The digest is of a folder that the sidecar read at its start (docs/protocol.md, "Weights"). That the model server loaded that
 * folder is what the compose text says, so this pin is worth what `composeHashes` is.
 *
 * @module
 */
import { isSha256Digest } from '../../protocol/hex.ts'
import type { Sha256Digest } from '../../protocol/hex.ts'
import { isJsonObject } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { WEIGHTS_LABEL } from '../../protocol/weights-digest.ts'
import { fail, info, pass } from '../check.ts'
import type { Check } from '../check.ts'
import type { CheckCode } from '../codes.ts'
import type { AppraisalPolicy } from '../policy.ts'

export const WEIGHTS_CHECK = 'config.weights'

const PROVES =
  'The folder of the model that the service measured at its start is one that the policy names.'

/** @returns the digest, or why there is none to compare */
function readWeights(config: JsonObject): Sha256Digest | { readonly code: CheckCode } {
  const { weights = null } = config
  if (weights === null) return { code: 'weights_not_measured' }
  if (!isJsonObject(weights)) return { code: 'weights_malformed' }
  const { label, digest } = weights
  // The same digits under another label are of something else, e.g. of what a host said that it read.
  if (label !== WEIGHTS_LABEL) return { code: 'weights_label_unknown' }
  return isSha256Digest(digest) ? digest : { code: 'weights_malformed' }
}

/** @param config as attested; bound by `statement.binding` like the rest of it */
export function weightsCheck(config: JsonObject, policy: AppraisalPolicy): Check {
  const read = readWeights(config)
  const { weightsDigests } = policy
  if (weightsDigests === null) {
    const seen = typeof read === 'string' ? read : 'none that could be compared'
    return info(WEIGHTS_CHECK, 'weights_not_pinned', PROVES, seen)
  }
  if (typeof read !== 'string') return fail(WEIGHTS_CHECK, read.code, PROVES)
  return weightsDigests.includes(read)
    ? pass(WEIGHTS_CHECK, PROVES, read)
    : fail(WEIGHTS_CHECK, 'weights_not_accepted', PROVES, read)
}
