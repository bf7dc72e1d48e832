/**
 * The environment: variables with our prefix are ours, and one that nobody knows is a misspelt one.
 *
 * @module
 */

export const ENVIRONMENT_PREFIX = 'COUNTERSIGN_'

/** Every variable that `serve` reads. */
export const ENVIRONMENT_VARIABLES = [
  'COUNTERSIGN_TOKENS',
  'COUNTERSIGN_AGENT_SOCKET',
  'COUNTERSIGN_SHARED_STORE_PASSWORD',
] as const

/** @returns names that stand in the environment and mean nothing, sorted */
export function unknownVariables(environment: Readonly<Record<string, unknown>>): string[] {
  const known: readonly string[] = ENVIRONMENT_VARIABLES
  return Object.keys(environment)
    .filter((name) => name.toUpperCase().startsWith(ENVIRONMENT_PREFIX) && !known.includes(name))
    .toSorted()
}
