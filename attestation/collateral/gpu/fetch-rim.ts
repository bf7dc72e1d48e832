/**
 * One reference integrity manifest from NVIDIA's RIM service (`GET /v1/rim/{id}`). What is returned is checked to be what was
 * asked for and whole; whether NVIDIA signed it is for the appraiser to say.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { decodeBase64 } from '../../protocol/base64.ts'
import { isRimId, MAX_RIM_BYTES } from '../../protocol/gpu-collateral.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import { CollateralError } from '../collateral-error.ts'
import type { Answer, HttpRequest } from '../http-request.ts'
import { MAX_RIM_ANSWER_BYTES } from '../limits.ts'
import { serviceKeyHeader } from './nvidia-services.ts'

const JSON_TYPES: ReadonlySet<string> = new Set(['application/json'])

/** @throws TypeError for what is no id of a RIM: a bug of the caller */
export function rimRequest(service: string, id: string, serviceKey: string | null): HttpRequest {
  if (!isRimId(id)) throw new TypeError('not an id of a RIM')
  return {
    url: `${service}/v1/rim/${id}`,
    what: `RIM ${id}`,
    maxBytes: MAX_RIM_ANSWER_BYTES,
    contentTypes: JSON_TYPES,
    headers: serviceKeyHeader(serviceKey),
  }
}

/**
 * Reads `{id, rim, sha256, …}`. Members beside these are left alone: the envelope is not signed, so they could change
 * nothing, and the service has added some before (`rim_format`, `last_updated`, `request_id`).
 *
 * @returns the SWID tag
 * @throws CollateralError
 */
export function readRimAnswer({ body }: Answer, id: string): Uint8Array {
  const malformed = (why: string): CollateralError =>
    new CollateralError('collateral_malformed', `RIM ${id}: ${why}`)
  const parsed = parseJson(body)
  if (!parsed.ok || !isJsonObject(parsed.value)) throw malformed('not a JSON object')
  const { id: answered, rim, sha256 } = parsed.value
  if (answered !== id) throw malformed('the service answered with another one')
  const bytes = typeof rim === 'string' ? decodeBase64(rim) : null
  if (bytes === null || bytes.length === 0) throw malformed('not base64')
  if (bytes.length > MAX_RIM_BYTES) {
    throw new CollateralError(
      'collateral_too_large',
      `RIM ${id}: longer than ${MAX_RIM_BYTES} bytes`,
    )
  }
  const digest = createHash('sha256').update(bytes).digest('hex')
  if (typeof sha256 !== 'string' || sha256.toLowerCase() !== digest) {
    throw malformed('its SHA-256 is not the one that the service names')
  }
  return bytes
}
