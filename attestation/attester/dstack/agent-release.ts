/**
 * What the releases of dstack's guest agent differ in, as far as an app that attests can feel it. No agent says which
 * calls it knows, and before 0.5.7 none says its version, so a release is recognised by what it answers (tags up to
 * v0.5.11 of 2026-05-11, and the branch for 0.6 of 2026-08-07).
 *
 * @module
 */

/** `dstack`: `POST /<Method>`. `tappd`: `POST /prpc/Tappd.<Method>`, all that 0.3 has, kept by later ones for old apps. */
export type AgentSurface = 'dstack' | 'tappd'

export interface AgentRelease {
  /** The releases that look alike. */
  readonly family: '0.3' | '0.4.2 to 0.5.5' | '0.5.6' | '0.5.7 to 0.5.11' | '0.6'
  readonly surface: AgentSurface
  /** `secp256k1`: GetKey ignores `algorithm` and says nothing. */
  readonly keys: 'none' | 'secp256k1' | 'by-algorithm'
  /** Whether whoever holds the socket can add events to RTMR3 after `system-ready`. `unknown`: from 0.5.0 on it can. */
  readonly emitEvent: 'no' | 'yes' | 'unknown'
  /** Of GetQuote: whether RTMR3 events come with their digests, or a reader must compute them. */
  readonly runtimeDigests: 'given' | 'empty'
  /** As the agent said it; null where it has no such call. */
  readonly version: string | null
}

type Family = Omit<AgentRelease, 'version'>

const TAPPD: Family = {
  family: '0.3',
  surface: 'tappd',
  keys: 'none',
  emitEvent: 'no',
  runtimeDigests: 'given',
}
const SILENT_OLD: Family = {
  family: '0.4.2 to 0.5.5',
  surface: 'dstack',
  keys: 'secp256k1',
  emitEvent: 'unknown',
  runtimeDigests: 'given',
}
const SILENT_NEW: Family = {
  family: '0.5.6',
  surface: 'dstack',
  keys: 'by-algorithm',
  emitEvent: 'yes',
  runtimeDigests: 'empty',
}
const SPEAKING: Family = { ...SILENT_NEW, family: '0.5.7 to 0.5.11' }
/** Runtime events belong to the system there; the calls of 0.5.11 stay, under their old paths, frozen. */
const FROZEN: Family = { ...SILENT_NEW, family: '0.6', emitEvent: 'no' }

/** What a socket of tappd gives, whichever release stands behind it: what 0.3 gave. */
export const TAPPD_RELEASE: AgentRelease = Object.freeze({ ...TAPPD, version: null })

const VERSION = /^v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?!\d)/

/** @returns null where the text is no version */
export function releaseOfVersion(version: string): AgentRelease | null {
  const match = VERSION.exec(version)
  if (match === null) return null
  const [major, minor] = [Number(match[1]), Number(match[2])]
  return { ...(major === 0 && minor < 6 ? SPEAKING : FROZEN), version }
}

/**
 * Of an agent without a Version call.
 * @param info its answer to Info: `cloud_vendor` came with the release that heeds `algorithm`
 */
export function releaseOfInfo(info: Readonly<Record<string, unknown>>): AgentRelease {
  return { ...(Object.hasOwn(info, 'cloud_vendor') ? SILENT_NEW : SILENT_OLD), version: null }
}
