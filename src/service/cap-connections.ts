/**
 * How many clients a listener may have, so that there are always files left for what the service itself opens.
 *
 * @module
 */
import { readFileSync } from 'node:fs'

/** @returns files this process may have open (soft RLIMIT_NOFILE, proc(5)); null where that is not known, or without bound */
export function readMaxOpenFiles(): number | null {
  try {
    const [, soft] =
      /^Max open files +(\d+) /m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}

/**
 * At most half of the files, over all listeners: each relayed request has a connection to its upstream too.
 *
 * @param wanted connections to each listener
 */
export function capConnections(
  wanted: number,
  listeners: number,
  maxOpenFiles: number | null,
): number {
  if (maxOpenFiles === null) return wanted
  return Math.min(wanted, Math.max(1, Math.floor(maxOpenFiles / 2 / listeners)))
}
