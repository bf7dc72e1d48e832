/**
 * The compose hash of an app-compose.json, and what is wrong with the file before anybody deploys it.
 *
 * The guest measures SHA-256 of the file's raw bytes into RTMR3 (dstack v0.5.11, 2026-05-11, measure_app_info); parsing
 * serves the checks alone. A hash that needs sorted keys or compact JSON is another client's convention, not the measurement.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { readCompose } from './read-compose.ts'
import type { ComposeProblem } from './read-compose.ts'

/** What does not stop the hash, but what the hash then does not vouch for. */
export const COMPOSE_WARNINGS = Object.freeze({
  image_not_found: 'No image: line was found in docker_compose_file, so no image was checked.',
  image_mutable: 'The image is not pinned by @sha256, so its registry decides what runs.',
  image_from_environment:
    'The image is named by a variable, whose value is not measured and can be forged by the host.',
  image_built_in_place: 'The guest builds the image itself, so what runs depends on its build.',
  pre_launch_script: 'A pre_launch_script runs after the container daemon has started: no gate.',
  public_logs: 'Container logs are open to the world.',
  public_sysinfo: 'System information is open to the world.',
  no_secure_time: 'Without secure_time the host sets the clock of the guest.',
})
export type ComposeWarningCode = keyof typeof COMPOSE_WARNINGS

export interface ComposeWarning {
  readonly code: ComposeWarningCode
  /** The image as written, or empty. */
  readonly subject: string
}

export type ComposeHash =
  | { readonly ok: true; readonly hash: Hex32; readonly warnings: readonly ComposeWarning[] }
  | { readonly ok: false; readonly problem: ComposeProblem }

/**
 * `image:` and `build:` as a key, in block style or inside a flow mapping; a commented-out line is none. Lines are read, not
 * YAML: this warns an author of what was forgotten, it does not judge the file of somebody who hides something.
 */
const SERVICE_KEY = /(?:^|[{,])[ \t]*(?:-[ \t]+)?["']?(image|build)["']?[ \t]*:[ \t]*([^\n]*)/
const PINNED = /@sha256:[0-9a-f]{64}$/

function withoutComment(line: string): string {
  return line.replace(/(^|\s)#.*$/, '$1')
}

function imageOf(rest: string): string {
  const quoted = /^(["'])(.*?)\1/.exec(rest)
  return quoted?.[2] ?? /^(?:\$\{[^}]*\}|[^\s,}])*/.exec(rest)?.[0] ?? ''
}

function imageWarnings(dockerCompose: string): ComposeWarning[] {
  const warnings: ComposeWarning[] = []
  let found = false
  for (const line of dockerCompose.split(/\r?\n/)) {
    let rest = withoutComment(line)
    for (;;) {
      const match = SERVICE_KEY.exec(rest)
      if (match === null) break
      found = true
      const image = imageOf(match[2] ?? '')
      if (match[1] === 'build') warnings.push({ code: 'image_built_in_place', subject: '' })
      else if (image.includes('$'))
        warnings.push({ code: 'image_from_environment', subject: image })
      else if (!PINNED.test(image)) warnings.push({ code: 'image_mutable', subject: image })
      rest = match[2] ?? ''
    }
  }
  return found ? warnings : [{ code: 'image_not_found', subject: '' }]
}

function memberWarnings(compose: JsonObject): ComposeWarning[] {
  const { pre_launch_script, public_logs, public_sysinfo, secure_time } = compose
  const codes: ComposeWarningCode[] = []
  if (pre_launch_script !== undefined && pre_launch_script !== '') codes.push('pre_launch_script')
  if (public_logs === true) codes.push('public_logs')
  if (public_sysinfo === true) codes.push('public_sysinfo')
  if (secure_time === false) codes.push('no_secure_time')
  return codes.map((code) => ({ code, subject: '' }))
}

/** @param bytes the file exactly as it will be deployed */
export function hashCompose(bytes: Uint8Array): ComposeHash {
  const read = readCompose(bytes)
  if (!read.ok) return read
  return {
    ok: true,
    hash: toHex32(createHash('sha256').update(bytes).digest()),
    warnings: [...imageWarnings(read.dockerCompose), ...memberWarnings(read.members)],
  }
}
