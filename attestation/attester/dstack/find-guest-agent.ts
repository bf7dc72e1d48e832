/**
 * Where dstack puts the guest agent's socket (dstack v0.5.11, 2026-05-11; the last two since 0.5.6).
 *
 * @module
 */
import { statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { basename } from 'node:path'
import type { AgentSurface } from './agent-release.ts'

/** In the order in which they are tried. */
export const GUEST_AGENT_SOCKETS: readonly string[] = [
  '/var/run/dstack.sock',
  '/run/dstack.sock',
  '/var/run/dstack/dstack.sock',
  '/run/dstack/dstack.sock',
]

/** Of tappd, which is all that dstack 0.3 has. Tried last: newer releases offer less there than on their own socket. */
export const TAPPD_SOCKETS: readonly string[] = [
  '/var/run/tappd.sock',
  '/run/tappd.sock',
  '/var/run/dstack/tappd.sock',
  '/run/dstack/tappd.sock',
]

const ALL_SOCKETS: readonly string[] = [...GUEST_AGENT_SOCKETS, ...TAPPD_SOCKETS]

/** @returns the first path that is a socket, or null. A container sees one only where its compose file mounts it. */
export function findGuestAgent(paths: readonly string[] = ALL_SOCKETS): string | null {
  return paths.find(isSocket) ?? null
}

/**
 * What stands at such a path and is no socket, in words; null where nothing does. Docker makes a directory of a path that
 * is mounted and is not there.
 */
export function misplacedAgent(paths: readonly string[] = ALL_SOCKETS): string | null {
  for (const path of paths) {
    const found = statOf(path)
    if (found === undefined || found.isSocket()) continue
    return found.isDirectory()
      ? `${path} is a directory: the guest has no such socket, so that mounting it made one`
      : `${path} is no socket`
  }
  return null
}

/** Which of the two services answers there: dstack names its sockets by them. */
export function surfaceOf(socketPath: string): AgentSurface {
  return basename(socketPath) === 'tappd.sock' ? 'tappd' : 'dstack'
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

export function isSocket(path: string): boolean {
  return statOf(path)?.isSocket() === true
}
