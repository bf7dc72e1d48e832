/**
 * What `serve` needs to reach the shared store beside its address: the authorities for its certificate, and the password, which comes from
 * the environment or a file and from nowhere else.
 *
 * @module
 */
import { fromUtf8 } from '../../attestation/protocol/utf8.ts'
import type { Config } from '../config/config.ts'
import type { RedisTarget } from '../shared-store/connect-redis.ts'
import { parseSharedUrl } from '../shared-store/shared-url.ts'
import { readBounded } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

export const PASSWORD_VARIABLE = 'COUNTERSIGN_SHARED_STORE_PASSWORD'
const MAX_PASSWORD_BYTES = 1024
const MAX_CA_BYTES = 1024 * 1024

async function readPassword(
  path: string | null,
  environment: NodeJS.ProcessEnv,
): Promise<string | null> {
  const given = environment[PASSWORD_VARIABLE] ?? ''
  if (path === null && given === '') return null
  if (path !== null && given !== '') {
    throw new Refusal(
      `${PASSWORD_VARIABLE} and store.shared.password_file are two ways to say the same.`,
    )
  }
  const text =
    path === null ? given : (await readBounded(path, MAX_PASSWORD_BYTES)).toString('utf8').trim()
  if (!/^[\x21-\x7e]{1,1024}$/.test(text)) {
    throw new Refusal('The password of the shared store is not printable ASCII without spaces.')
  }
  return text
}

/**
 * @returns null where none is configured
 * @throws Refusal
 */
export async function loadSharedStore(
  { store }: Pick<Config, 'store'>,
  environment: NodeJS.ProcessEnv,
): Promise<RedisTarget | null> {
  const shared = store?.shared ?? null
  if (shared === null) {
    if ((environment[PASSWORD_VARIABLE] ?? '') === '') return null
    throw new Refusal(`${PASSWORD_VARIABLE} is set, and there is no shared store.`)
  }
  const url = parseSharedUrl(shared.url)
  if (url === null) throw new TypeError('the schema lets no other pass')
  const password = await readPassword(shared.password_file, environment)
  if (url.user !== null && password === null) {
    throw new Refusal(`The shared store is given a user and no password: ${PASSWORD_VARIABLE}.`)
  }
  const ca = shared.ca === null ? null : fromUtf8(await readBounded(shared.ca, MAX_CA_BYTES))
  if (shared.ca !== null && !/-----BEGIN CERTIFICATE-----/.test(ca ?? '')) {
    throw new Refusal(`${shared.ca} holds no certificate in PEM.`)
  }
  return { url, ca, password }
}
