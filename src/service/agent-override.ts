/**
 * Another socket of the guest agent than dstack's own, for simulators alone: on a real machine whoever sets the
 * environment, which is the host, would choose who answers.
 *
 * @module
 */

/** Ours, then those of dstack's own SDK (0.5.8). */
export const AGENT_OVERRIDES = [
  'COUNTERSIGN_AGENT_SOCKET',
  'DSTACK_SIMULATOR_ENDPOINT',
  'TAPPD_SIMULATOR_ENDPOINT',
] as const

export type AgentOverride =
  | { readonly ok: true; readonly socketPath: null }
  | { readonly ok: true; readonly socketPath: string; readonly namedBy: string }
  | { readonly ok: false; readonly problem: string }

/** `sun_path` of Linux, less the zero at its end. */
export const MAX_SOCKET_PATH = 107

/** @returns the socket to use in place of a simulated guest of this process, null where none is set */
export function readAgentOverride(
  environment: Readonly<Record<string, string | undefined>>,
  simulate: boolean,
): AgentOverride {
  const set = AGENT_OVERRIDES.filter((name) => (environment[name] ?? '') !== '')
  const [name] = set
  if (name === undefined) return { ok: true, socketPath: null }
  if (!simulate) {
    return { ok: false, problem: `${name} is set, which has a meaning with --simulate alone.` }
  }
  const path = environment[name] ?? ''
  if (set.some((other) => environment[other] !== path)) {
    return { ok: false, problem: `${set.join(' and ')} name different sockets.` }
  }
  if (!path.startsWith('/') || path.length > MAX_SOCKET_PATH) {
    return { ok: false, problem: `${name} must be the absolute path of a unix socket.` }
  }
  return { ok: true, socketPath: path, namedBy: name }
}
