/**
 * What is mounted into the sidecar, by an allow-list of places: any other mount could lie over its code, over a library that
 * it loads, or over the weights that it measures.
 *
 * @module
 */
import { posix } from 'node:path'
import { AGENT_SOCKETS } from './check-service.ts'
import type { Report } from './compose-refusals.ts'
import { furtherWeights } from './check-model-server.ts'
import { readModelWords } from './read-model-words.ts'
import { guestPath } from './read-services.ts'
import type { ComposeService, Mount } from './read-services.ts'
import type { SidecarFlags } from './read-sidecar-flags.ts'

/**
 * Where the image has no file that anything loads. Below `/run` the container runtime mounts the driver (`/run/nvidia`), and
 * the guest agent its sockets.
 */
const DATA =
  /^\/(?:(?:mnt|srv|data|models|weights|var\/lib\/countersign)(?:\/|$)|run\/(?!nvidia|dstack|tappd|secrets))/

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

/** The mount that a path lies in: of several the one that lies over the others. */
function mountOver(mounts: readonly Mount[], path: string): Mount | undefined {
  return mounts
    .filter(({ target }) => isBelow(path, target))
    .toSorted((a, b) => b.target.length - a.target.length)[0]
}

function isShared({ source }: Mount, others: readonly ComposeService[]): boolean {
  // A volume without a name is a new one for each container.
  if (source === '') return false
  return others.some(({ mounts }) => mounts.some((mount) => mount.source === source))
}

function isWanted(mount: Mount, flags: SidecarFlags): boolean {
  const { kind, source, target } = mount
  if (kind === 'bind') return AGENT_SOCKETS.has(source) && AGENT_SOCKETS.has(target)
  if (kind === 'tmpfs') return target === '/tmp'
  if (source === '' || !DATA.test(target)) return false
  if ([...flags.socketFolders].some((folder) => isBelow(folder, target))) return true
  if (flags.weights !== null && isBelow(flags.weights, target)) return true
  if (flags.certificates.some((folder) => isBelow(folder, target))) return true
  return flags.ownFolders.some((folder) => isBelow(folder, target))
}

function checkTargets(
  sidecar: ComposeService,
  flags: SidecarFlags,
  others: readonly ComposeService[],
  report: Report,
): void {
  for (const [index, mount] of sidecar.mounts.entries()) {
    const nested = sidecar.mounts.some(
      (one, at) => at !== index && isBelow(mount.target, one.target),
    )
    // A path of the guest is refused for that already.
    const named = mount.kind === 'bind' && !AGENT_SOCKETS.has(mount.source)
    if (!named && (nested || !isWanted(mount, flags))) {
      report('sidecar_mount', `${sidecar.where}.${mount.kind === 'tmpfs' ? 'tmpfs' : 'volumes'}`)
    }
  }
  for (const folder of flags.ownFolders) {
    const mount = mountOver(sidecar.mounts, folder)
    if (mount?.kind !== 'volume' || isShared(mount, others)) {
      report('sidecar_mount', `${sidecar.where}.volumes`)
    }
  }
}

/** Services that the sidecar waits for have ended when it measures; all others can still write. */
function checkWeights(
  sidecar: ComposeService,
  folder: string,
  others: readonly ComposeService[],
  servers: readonly ComposeService[],
  report: Report,
): void {
  const mount = mountOver(sidecar.mounts, folder)
  if (mount === undefined || mount.kind !== 'volume' || mount.source === '' || !mount.readOnly) {
    report('weights_writable', `${sidecar.where}.volumes`)
    return
  }
  for (const { name, where, mounts } of others) {
    if (sidecar.dependsOn.get(name) === 'service_completed_successfully') continue
    const own = mounts.filter(({ source }) => source === mount.source)
    // What is mounted inside of it would be loaded in the place of what was measured.
    const covered = mounts.some((one) =>
      own.some((other) => one !== other && isBelow(one.target, other.target)),
    )
    if (covered || own.some(({ readOnly }) => !readOnly)) {
      report('weights_writable', `${where}.volumes`)
    }
  }
  for (const server of servers) checkServed(server, mount, folder, report)
}

/** Absolute paths that a text names, in JSON too. */
function pathsIn(text: string): string[] {
  return text
    .split(/[^\w./@+-]+/)
    .filter((part) => part.startsWith('/'))
    .map((part) => posix.normalize(part))
}

const climbs = (text: string): boolean => /(?:^|[^\w.])\.\.(?:\/|$)/.test(text)

/** A model server that loads a folder beside the measured one would make the digest that of something else. */
function checkServed(
  server: ComposeService,
  measured: Mount,
  folder: string,
  report: Report,
): void {
  const { where, words, environment } = server
  const [mount, ...again] = server.mounts.filter(({ source }) => source === measured.source)
  if (mount === undefined || again.length > 0) return report('weights_other', `${where}.volumes`)
  // From there a relative path could lead beside them. The image's own folder does not.
  if (server.keys.has('working_dir')) report('weights_other', `${where}.working_dir`)
  const inside = `${mount.target}${folder.slice(measured.target.length)}`
  const isBeside = (text: string): boolean =>
    climbs(text) ||
    pathsIn(text).some((path) => isBelow(path, mount.target) && !isBelow(path, inside))
  const isInside = (text: string): boolean => pathsIn(text).some((path) => isBelow(path, inside))
  const read = readModelWords(words)
  if (
    words.some(isBeside) ||
    (read.model !== null && !isBelow(posix.normalize(read.model), inside)) ||
    !furtherWeights(read).every(isInside)
  ) {
    report('weights_other', `${where}.command`)
  }
  for (const [name, value] of environment) {
    if (value !== null && isBeside(value)) report('weights_other', `${where}.environment.${name}`)
  }
}

/** The services that answer at the sidecar's sockets, which nobody else may hold. */
function checkSockets(
  sidecar: ComposeService,
  flags: SidecarFlags,
  others: readonly ComposeService[],
  report: Report,
): readonly ComposeService[] {
  const servers = new Set<ComposeService>()
  for (const folder of flags.socketFolders) {
    const mount = mountOver(sidecar.mounts, folder)
    if (mount === undefined || mount.kind !== 'volume') continue
    const holders = others.filter(({ mounts }) =>
      mounts.some(({ source }) => source === mount.source),
    )
    for (const holder of holders) {
      servers.add(holder)
      if (holders.length > 1) report('upstream_shared', `${holder.where}.volumes`)
    }
  }
  return [...servers]
}

/** What another service wrote would be loaded without being measured, and what is written for it would leave. */
function checkServer(
  server: ComposeService,
  sidecar: ComposeService,
  others: readonly ComposeService[],
  report: Report,
): void {
  const strangers = others.filter((one) => one !== server)
  for (const mount of server.mounts) {
    const isKnown = sidecar.mounts.some(({ source }) => source === mount.source)
    if (mount.kind === 'volume' && !isKnown && isShared(mount, strangers)) {
      report('model_server_mount', `${server.where}.volumes`)
    }
  }
}

/** @returns the model servers: the services that answer at the sidecar's sockets */
export function checkSidecarMounts(
  sidecar: ComposeService,
  flags: SidecarFlags,
  others: readonly ComposeService[],
  report: Report,
): readonly ComposeService[] {
  checkTargets(sidecar, flags, others, report)
  const servers = checkSockets(sidecar, flags, others, report)
  if (
    flags.nvattest !== null &&
    mountOver(sidecar.mounts, guestPath(flags.nvattest)) !== undefined
  ) {
    report('sidecar_nvattest_elsewhere', `${sidecar.where}.command`)
  }
  if (flags.weights !== null) checkWeights(sidecar, flags.weights, others, servers, report)
  for (const server of servers) checkServer(server, sidecar, others, report)
  return servers
}
