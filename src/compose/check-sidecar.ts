/**
 * What the sidecar itself must be, and what stands between it and the model server.
 *
 * The sidecar is the service that has the guest agent's socket.
 *
 * @module
 */
import { hasAgentSocket } from './check-service.ts'
import type { Report } from './compose-refusals.ts'
import { DRAIN_MS } from './drain-time.ts'
import { isYamlList } from './parse-yaml.ts'
import type { YamlValue } from './parse-yaml.ts'
import type { ComposeService } from './read-services.ts'

/** Tokens, and what the container runtime reads. */
const ENVIRONMENT = new Set([
  'COUNTERSIGN_TOKENS',
  'NVIDIA_VISIBLE_DEVICES',
  'NVIDIA_DRIVER_CAPABILITIES',
])

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/** Milliseconds of a duration as Compose writes it (`1m30s`), or null. */
function durationMs(value: YamlValue | undefined): number | null {
  if (typeof value !== 'string' || !/^(?:\d+(?:h|ms|m|s))+$/.test(value)) return null
  let total = 0
  for (const [, count, unit = ''] of value.matchAll(/(\d+)(h|ms|m|s)/g)) {
    total += Number(count) * (UNITS[unit] ?? 0)
  }
  return total
}

function holds(value: YamlValue | undefined, pattern: RegExp): boolean {
  return isYamlList(value) && value.some((item) => typeof item === 'string' && pattern.test(item))
}

/** The argument of a flag, as `--flag=value` or `--flag value`. */
export function argumentOf(words: readonly string[], flag: string): string | null {
  for (const [index, word] of words.entries()) {
    if (word === flag) return words[index + 1] ?? ''
    if (word.startsWith(`${flag}=`)) return word.slice(flag.length + 1)
  }
  return null
}

function isUserOfItsOwn(value: YamlValue | undefined): boolean {
  const [, uid] = typeof value === 'string' ? (/^(\d+):\d+$/.exec(value) ?? []) : []
  return uid !== undefined && Number(uid) !== 0
}

function checkHardening({ keys, where, environment }: ComposeService, report: Report): void {
  if (keys.get('read_only') !== true) report('sidecar_root_writable', `${where}.read_only`)
  if (!isUserOfItsOwn(keys.get('user'))) report('sidecar_user_root', `${where}.user`)
  if (!holds(keys.get('cap_drop'), /^ALL$/)) report('sidecar_capabilities', `${where}.cap_drop`)
  if (!holds(keys.get('security_opt'), /^no-new-privileges(?:[:=]true)?$/)) {
    report('sidecar_new_privileges', `${where}.security_opt`)
  }
  const grace = durationMs(keys.get('stop_grace_period'))
  if (grace === null || grace <= DRAIN_MS) {
    report('sidecar_stop_grace', `${where}.stop_grace_period`)
  }
  const capabilities = environment.get('NVIDIA_DRIVER_CAPABILITIES')
  // The runtime gives what this variable says; a device reservation would give what its own list says.
  if (keys.has('runtime') ? capabilities !== 'utility' : capabilities !== undefined) {
    report('sidecar_gpu_capabilities', `${where}.environment.NVIDIA_DRIVER_CAPABILITIES`)
  }
  if (keys.has('deploy')) {
    report('sidecar_gpu_capabilities', `${where}.deploy`)
  }
}

function checkCommand(sidecar: ComposeService, report: Report): void {
  const where = `${sidecar.where}.command`
  for (const key of ['entrypoint', 'working_dir']) {
    if (sidecar.keys.has(key)) report('sidecar_entrypoint', `${sidecar.where}.${key}`)
  }
  for (const name of sidecar.environment.keys()) {
    if (!ENVIRONMENT.has(name)) {
      report('sidecar_environment', `${sidecar.where}.environment.${name}`)
    }
  }
  if (argumentOf(sidecar.words, '--config') !== null) report('sidecar_config_elsewhere', where)
  if (sidecar.words.some((word) => word.startsWith('--allow-remote-upstream'))) {
    report('sidecar_remote_upstream', where)
  }
  if (sidecar.words.some((word) => word.startsWith('--simulate')))
    report('sidecar_simulated', where)
  if (argumentOf(sidecar.words, '--weights') === null) report('sidecar_without_weights', where)
}

/** Services that the sidecar waits for have ended when it measures; all others can still write. */
function checkWeights(
  sidecar: ComposeService,
  others: readonly ComposeService[],
  report: Report,
): void {
  const folder = argumentOf(sidecar.words, '--weights')
  if (folder === null) return
  const mount = sidecar.mounts.find(
    ({ target }) => folder === target || folder.startsWith(`${target}/`),
  )
  if (mount === undefined || mount.source === '' || !mount.readOnly) {
    report('weights_writable', `${sidecar.where}.volumes`)
    return
  }
  for (const other of others) {
    if (sidecar.dependsOn.get(other.name) === 'service_completed_successfully') continue
    if (other.mounts.some(({ source, readOnly }) => source === mount.source && !readOnly)) {
      report('weights_writable', `${other.where}.volumes`)
    }
  }
}

export function checkSidecar(services: readonly ComposeService[], report: Report): void {
  const holders = services.filter(hasAgentSocket)
  if (holders.length > 1) {
    for (const { where } of holders) report('agent_socket_shared', `${where}.volumes`)
  }
  const [sidecar] = holders
  if (sidecar === undefined) {
    if (services.length > 0) report('agent_socket_missing', 'services')
    return
  }
  for (const one of services) {
    if (!holders.includes(one) && one.keys.has('ports')) {
      report('port_published_beside', `${one.where}.ports`)
    }
  }
  // With several none is known to be the sidecar; the file is refused for that already.
  if (holders.length > 1) return
  checkHardening(sidecar, report)
  checkCommand(sidecar, report)
  for (const [name, condition] of sidecar.dependsOn) {
    if (condition !== 'service_completed_successfully') {
      report('sidecar_depends_on_model', `${sidecar.where}.depends_on.${name}`)
    }
  }
  checkWeights(
    sidecar,
    services.filter((one) => one !== sidecar),
    report,
  )
}
