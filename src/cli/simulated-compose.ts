/**
 * The compose text of a simulated guest.
 *
 * @module
 */
import { MAX_COMPOSE_BYTES } from '../../attestation/appraiser/eventlog/verify-compose.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import { fromUtf8 } from '../../attestation/protocol/utf8.ts'
import { readComposeFile } from './read-compose-file.ts'
import { Refusal } from './refusal.ts'

/** What a simulated guest says it runs when no compose file is given. */
const SIMULATED_COMPOSE = '{"name":"countersign-simulated","runner":"docker-compose"}'

/** @throws Refusal for a file that cannot be read, or that no guest would start with */
export async function simulatedCompose(file: string | undefined): Promise<string> {
  if (file === undefined) return SIMULATED_COMPOSE
  const bytes = await readComposeFile(file)
  const parsed = bytes.length > MAX_COMPOSE_BYTES ? null : parseJson(bytes)
  if (parsed?.ok !== true || !isJsonObject(parsed.value)) {
    throw new Refusal(`--compose: ${file} is no JSON object of at most ${MAX_COMPOSE_BYTES} bytes.`)
  }
  return Buffer.from(bytes).toString('utf8')
}

/** What a simulated machine of TAPP says it runs when no compose file is given. */
const SIMULATED_TAPP_COMPOSE = 'name: countersign-simulated\nservices: {}\n'

/** The same under TAPP, which takes a compose file as it is. @throws Refusal */
export async function simulatedTappCompose(file: string | undefined): Promise<string> {
  if (file === undefined) return SIMULATED_TAPP_COMPOSE
  const bytes = await readComposeFile(file)
  const text = bytes.length > MAX_COMPOSE_BYTES ? null : fromUtf8(bytes)
  if (text !== null) return text
  throw new Refusal(`--compose: ${file} is no text of at most ${MAX_COMPOSE_BYTES} bytes.`)
}
