/**
 * The releases of dstack's guest agent that are simulated, and what each can be asked (tags v0.3.6 to v0.5.11 of
 * 2026-05-11, and the branch for 0.6 of 2026-08-07). Only calls that an app may need for keys and evidence are
 * answered; the rest is refused like a call that the release does not know.
 *
 * @module
 */

export const AGENT_RELEASES = [
  '0.3.6',
  '0.4.2',
  '0.5.0',
  '0.5.1',
  '0.5.2',
  '0.5.3',
  '0.5.4',
  '0.5.5',
  '0.5.6',
  '0.5.7',
  '0.5.8',
  '0.5.9',
  '0.5.10',
  '0.5.11',
  '0.6.0',
] as const

export type AgentReleaseName = (typeof AGENT_RELEASES)[number]

/** The newest that has been released. */
export const NEWEST_RELEASE: AgentReleaseName = '0.5.11'

export function isAtLeast(release: AgentReleaseName, floor: AgentReleaseName): boolean {
  return AGENT_RELEASES.indexOf(release) >= AGENT_RELEASES.indexOf(floor)
}

/** Service of the socket: `dstack` at `/<Method>`, `tappd` at `/prpc/Tappd.<Method>`. */
export type AgentSurface = 'dstack' | 'tappd'

/** The first release that knows a method. */
const METHODS: Readonly<Record<AgentSurface, Readonly<Record<string, AgentReleaseName>>>> = {
  dstack: {
    Info: '0.4.2',
    GetQuote: '0.4.2',
    GetKey: '0.4.2',
    GetTlsKey: '0.4.2',
    Version: '0.5.7',
    // Only on the branch for 0.6, and there under this name until it moved to a service of its own.
    GpuInfo: '0.6.0',
  },
  tappd: {
    Info: '0.3.6',
    RawQuote: '0.3.6',
    TdxQuote: '0.3.6',
    DeriveK256Key: '0.4.2',
    Version: '0.5.7',
  },
}

export function knowsMethod(
  release: AgentReleaseName,
  surface: AgentSurface,
  method: string,
): boolean {
  const methods = METHODS[surface]
  const since = Object.hasOwn(methods, method) ? methods[method] : undefined
  return since !== undefined && isAtLeast(release, since)
}

/** @returns the method that a path names, or null */
export function methodOf(
  surface: AgentSurface,
  release: AgentReleaseName,
  path: string,
): string | null {
  if (surface === 'tappd') return /^\/prpc\/Tappd\.([A-Za-z0-9]+)$/.exec(path)?.[1] ?? null
  // 0.6 freezes the service of 0.5.11 under /v0 and keeps the old paths as another name for it.
  const prefix = isAtLeast(release, '0.6.0') ? '(?:/v0)?' : ''
  return new RegExp(`^${prefix}/([A-Za-z0-9]+)$`).exec(path)?.[1] ?? null
}
