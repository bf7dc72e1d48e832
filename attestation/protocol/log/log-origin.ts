/**
 * The origin of a log, which names it in heads and checkpoints: `<name>/<boot id>`.
 *
 * @module
 */
import type { Hex32 } from '../hex.ts'

/** Names of logs: a path without a scheme, as C2SP's signed notes recommend for key names. */
export const LOG_NAME =
  /^[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?(?:\/[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?){0,2}$/
const LOG_ORIGIN = /^([a-z0-9./-]{1,194})\/([0-9a-f]{64})$/

export function logOrigin(name: string, bootId: Hex32): string {
  return `${name}/${bootId}`
}

/** Null for what is no origin. */
export function parseLogOrigin(
  origin: string,
): { readonly name: string; readonly bootId: Hex32 } | null {
  const [, name, bootId] = LOG_ORIGIN.exec(origin) ?? []
  if (name === undefined || bootId === undefined || !LOG_NAME.test(name)) return null
  return { name, bootId: bootId as Hex32 }
}

export function isLogOrigin(value: unknown): value is string {
  return typeof value === 'string' && parseLogOrigin(value) !== null
}
