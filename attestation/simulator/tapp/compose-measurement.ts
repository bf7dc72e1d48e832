/**
 * The compose hash of 0G's TAPP (0g-tapp, `src/boot/measurement.rs`): SHA-384 of the compose text's values as indented JSON with
 * sorted keys. Good for the texts that a simulation starts; a verifier has its own, stricter rules.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { parse } from 'yaml'

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, member]): [string, unknown] => [
    key,
    sorted(member),
  ])
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** 48 bytes. */
export function measureCompose(composeText: string): Uint8Array {
  const normal = JSON.stringify(sorted(parse(composeText)), null, 2)
  return Uint8Array.from(createHash('sha384').update(normal, 'utf8').digest())
}
