/**
 * Where TAPP listens for the apps of its machine, and what a container sees of it.
 *
 * The socket belongs to root and has mode 0600 (0g-tapp, `src/main.rs`, 2026): a container reaches it as user 0 alone.
 *
 * @module
 */
import { isSocket } from '../dstack/find-guest-agent.ts'

/** Where TAPP gives keys, and answers nobody from outside; the port that it listens on beside is no place for them. */
export const TAPP_SOCKET = '/run/tapp/tapp.sock'

/** The same place where `/var/run` is another folder. */
export const TAPP_SOCKETS: readonly string[] = [TAPP_SOCKET, `/var${TAPP_SOCKET}`]

/** @returns the first path that is a socket, or null. A container sees one only where its compose file mounts it */
export function findTapp(paths: readonly string[] = TAPP_SOCKETS): string | null {
  return paths.find(isSocket) ?? null
}
