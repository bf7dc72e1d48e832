/**
 * What a receipt is asked for with: the caller's token, and the secret behind `X-Countersign-Owner`.
 *
 * @module
 */
import { toBase64Url } from '../client/bytes.ts'
import { readOwnerSecret } from './read-owner-secret.ts'
import { readSecret } from './read-secret.ts'

export interface ReceiptSecrets {
  /** Names of variables: arguments of a process are for all to read. */
  readonly tokenEnv?: string
  readonly ownerSecretEnv?: string
}

const DEFAULT_TOKEN_ENV = 'COUNTERSIGN_TOKEN'

/** Ends the sentence about a service that asks for one. */
export const WITHOUT_TOKEN = `no token was shown: it is read from ${DEFAULT_TOKEN_ENV}, or from the variable that --token-env names.`

/** @throws Refusal for a variable that is named and not set, or holds no secret */
export async function receiptHeaders(
  { tokenEnv, ownerSecretEnv }: ReceiptSecrets,
  environment: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  const usual = (environment[DEFAULT_TOKEN_ENV] ?? '') === '' ? undefined : DEFAULT_TOKEN_ENV
  const token = await readSecret('token', { name: tokenEnv ?? usual }, environment)
  const secret = await readOwnerSecret(ownerSecretEnv, environment)
  return {
    accept: 'application/json',
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(secret === null ? {} : { 'x-countersign-owner-secret': toBase64Url(secret) }),
  }
}
