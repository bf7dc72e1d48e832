/**
 * What `serve` takes from its environment.
 *
 * @module
 */
import { unknownVariables } from '../config/check-environment.ts'
import { readTokens } from '../config/read-tokens.ts'
import type { PrincipalConfig } from '../relay/principals.ts'
import { Refusal } from './refusal.ts'

export function loadTokens(environment: NodeJS.ProcessEnv): readonly PrincipalConfig[] {
  const result = readTokens(environment['COUNTERSIGN_TOKENS'] ?? '')
  if (!result.ok) throw new Refusal(`COUNTERSIGN_TOKENS: ${result.problem}.`)
  if (result.principals.length === 0) {
    throw new Refusal('No bearer token is set: put name:token into COUNTERSIGN_TOKENS.')
  }
  return result.principals
}

/** Refuses variables with our prefix that mean nothing: a setting that somebody believes in and that is not there. */
export function checkEnvironment(environment: NodeJS.ProcessEnv): void {
  const unknown = unknownVariables(environment)
  if (unknown.length === 0) return
  throw new Refusal(`The environment sets ${unknown.join(', ')}, which nothing here reads.`)
}
