/**
 * An app-compose.json read strictly, before anything is said about it.
 *
 * @module
 */
import { MAX_COMPOSE_BYTES } from '../../attestation/appraiser/eventlog/verify-compose.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonFault, JsonObject } from '../../attestation/protocol/json.ts'

/** Why a file is refused before it is looked into, with the stable text for each. */
export const COMPOSE_PROBLEMS = Object.freeze({
  compose_too_large: `The file is larger than the ${MAX_COMPOSE_BYTES} bytes that a guest accepts.`,
  compose_not_json:
    "The file is not a JSON document that all readers read alike. dstack's app-compose.json is one; the compose file that TAPP starts is read by no check here.",
  compose_duplicate_member:
    'The file names a member twice; the guest and a reviewer could read different ones.',
  compose_not_object: 'The file is not a JSON object.',
  compose_no_docker_compose_file: 'docker_compose_file is missing, empty or not a text.',
})
export type ComposeProblem = keyof typeof COMPOSE_PROBLEMS

export type ReadCompose =
  | {
      readonly ok: true
      readonly members: JsonObject
      /** The text of `docker_compose_file`, which is YAML. */
      readonly dockerCompose: string
    }
  | { readonly ok: false; readonly problem: ComposeProblem }

function problemOf(fault: JsonFault): ComposeProblem {
  return fault === 'duplicate_member' ? 'compose_duplicate_member' : 'compose_not_json'
}

/** @param bytes the file exactly as it will be deployed */
export function readCompose(bytes: Uint8Array): ReadCompose {
  if (bytes.length > MAX_COMPOSE_BYTES) return { ok: false, problem: 'compose_too_large' }
  const parsed = parseJson(bytes)
  if (!parsed.ok) return { ok: false, problem: problemOf(parsed.fault) }
  if (!isJsonObject(parsed.value)) return { ok: false, problem: 'compose_not_object' }
  const { docker_compose_file } = parsed.value
  if (typeof docker_compose_file !== 'string' || docker_compose_file.trim() === '') {
    return { ok: false, problem: 'compose_no_docker_compose_file' }
  }
  return { ok: true, members: parsed.value, dockerCompose: docker_compose_file }
}
