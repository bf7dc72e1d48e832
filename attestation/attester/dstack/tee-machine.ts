/**
 * Marks of a machine that could attest for real. Simulation is refused there, so that nobody can be served simulated
 * evidence by a machine that he believes to be genuine.
 *
 * @module
 */
import { lstatSync } from 'node:fs'
import { TAPP_SOCKETS } from '../tapp/find-tapp.ts'
import { GUEST_AGENT_SOCKETS, TAPPD_SOCKETS } from './find-guest-agent.ts'

/** The TDX guest device, the kernel's configfs-tsm reports, dstack's sockets, old and new, and TAPP's. */
export const TEE_MARKS: readonly string[] = [
  '/dev/tdx_guest',
  '/sys/kernel/config/tsm/report',
  ...GUEST_AGENT_SOCKETS,
  ...TAPPD_SOCKETS,
  ...TAPP_SOCKETS,
]

/** @returns the first mark found, for the sentence that refuses to simulate, or null */
export function isTeeMachine(paths: readonly string[] = TEE_MARKS): string | null {
  return paths.find(mayExist) ?? null
}

/** A path that cannot be looked at counts as there: a check that refuses must not open by a permission. */
function mayExist(path: string): boolean {
  try {
    lstatSync(path)
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    return code !== 'ENOENT' && code !== 'ENOTDIR'
  }
}
