/**
 * The names that a log may have.
 *
 * @module
 */
import { LOG_NAME } from '../../../attestation/protocol/log/log-origin.ts'

/** Of replicas that share an address each has its own. */
export type LogNames = readonly string[]

/** @returns null for what no logs can be named */
export function readLogNames(value: string | readonly string[]): LogNames | null {
  const names = typeof value === 'string' ? [value] : [...value]
  return names.length > 0 && names.every((name) => LOG_NAME.test(name)) ? names : null
}

/** @param named null: any name */
export function isNamed(named: LogNames | null, name: string): boolean {
  return named === null || named.includes(name)
}
