/**
 * Where dstack puts the guest agent's socket (dstack v0.5.11, 2026-05-11; the last two since 0.5.6).
 *
 * @module
 */
import { statSync } from 'node:fs'

/** In the order in which they are tried. */
export const GUEST_AGENT_SOCKETS: readonly string[] = [
  '/var/run/dstack.sock',
  '/run/dstack.sock',
  '/var/run/dstack/dstack.sock',
  '/run/dstack/dstack.sock',
]

/** @returns the first path that is a socket, or null. A container sees one only where its compose file mounts it. */
export function findGuestAgent(paths: readonly string[] = GUEST_AGENT_SOCKETS): string | null {
  return paths.find(isSocket) ?? null
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket()
  } catch {
    return false
  }
}
