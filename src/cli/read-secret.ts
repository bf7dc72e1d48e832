/**
 * Secrets of the command line: arguments of a process are for all to read; its environment and its files are not.
 *
 * @module
 */
import { readBounded } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

const MAX_SECRET_BYTES = 4096

export interface SecretSource {
  /** Name of a variable. */
  readonly name?: string | undefined
  /** Of a file. */
  readonly path?: string | undefined
}

/**
 * @param what the flag without `-env` and `-file`
 * @returns null where neither source is named
 * @throws Refusal where both are, or where it is empty or could not stand in a header
 */
export async function readSecret(
  what: string,
  { name, path }: SecretSource,
  environment: NodeJS.ProcessEnv,
): Promise<string | null> {
  if (name === undefined && path === undefined) return null
  if (name !== undefined && path !== undefined) {
    throw new Refusal(`--${what}-env and --${what}-file are two ways to say the same.`)
  }
  const text =
    path === undefined
      ? (environment[name ?? ''] ?? '')
      : (await readBounded(path, MAX_SECRET_BYTES)).toString('utf8').trim()
  if (text === '') throw new Refusal(`--${what}: there is nothing in ${name ?? path ?? ''}.`)
  if (!/^[\x21-\x7e]{1,4096}$/.test(text)) {
    throw new Refusal(`--${what}: it is not printable ASCII without spaces.`)
  }
  return text
}
