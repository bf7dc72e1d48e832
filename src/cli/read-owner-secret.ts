/**
 * The secret behind `X-Countersign-Owner`, from a variable that holds it in base64url.
 *
 * @module
 */
import { OWNER_SECRET_BYTES } from '../client/create-client.ts'
import { readSecret } from './read-secret.ts'
import { Refusal } from './refusal.ts'

/**
 * @param minimum bytes
 * @returns null where no variable is named
 * @throws Refusal for one that is not set, or holds no such secret
 */
export async function readOwnerSecret(
  name: string | undefined,
  environment: NodeJS.ProcessEnv,
  minimum = 1,
): Promise<Uint8Array | null> {
  const text = await readSecret('owner-secret', { name }, environment)
  if (text === null) return null
  // RFC 4648 §5 without padding, which the service reads; it takes any other text for no secret, without a word.
  const bytes = /^[A-Za-z0-9_-]+$/.test(text) ? Buffer.from(text, 'base64url') : null
  const { max } = OWNER_SECRET_BYTES
  if (bytes === null || bytes.length < minimum || bytes.length > max) {
    throw new Refusal(
      `--owner-secret-env: ${name ?? ''} does not hold base64url of ${minimum} to ${max} bytes; openssl rand -hex 32 makes one.`,
    )
  }
  return new Uint8Array(bytes)
}
