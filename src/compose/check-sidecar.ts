/**
 * What the sidecar itself must be, and what stands between it and the model server.
 *
 * The sidecar is the service that has the guest agent's socket.
 *
 * @module
 */
import { hasAgentSocket } from './check-service.ts'
import { SIDECAR_ENVS } from './check-members.ts'
import { checkSidecarMounts } from './check-sidecar-mounts.ts'
import type { Report } from './compose-refusals.ts'
import { DRAIN_MS } from './drain-time.ts'
import { isYamlList, isYamlMap } from './parse-yaml.ts'
import type { YamlValue } from './parse-yaml.ts'
import type { ComposeService } from './read-services.ts'
import { readSidecarFlags } from './read-sidecar-flags.ts'

/** Its secrets, and what the container runtime reads. */
const ENVIRONMENT = new Set([
  ...SIDECAR_ENVS,
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

function isUserOfItsOwn(value: YamlValue | undefined): boolean {
  const [, uid, gid] = typeof value === 'string' ? (/^(\d+):(\d+)$/.exec(value) ?? []) : []
  return Number(uid) > 0 && Number(gid) > 0
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
  // Of other names the runtime makes devices or files of the guest.
  const devices = environment.get('NVIDIA_VISIBLE_DEVICES') ?? ''
  if (!/^[A-Za-z0-9,-]*$/.test(devices)) {
    report('sidecar_gpu_capabilities', `${where}.environment.NVIDIA_VISIBLE_DEVICES`)
  }
  if (keys.has('deploy')) {
    report('sidecar_gpu_capabilities', `${where}.deploy`)
  }
}

/** A health check is a command beside the agent's socket, run as often as it says; the image has one of its own. */
function isSwitchedOff(healthcheck: YamlValue | undefined): boolean {
  return isYamlMap(healthcheck) && healthcheck.size === 1 && healthcheck.get('disable') === true
}

function checkStart({ keys, where, environment }: ComposeService, report: Report): void {
  for (const key of ['entrypoint', 'working_dir', 'healthcheck']) {
    const own = keys.get(key)
    if (!keys.has(key) || (key === 'healthcheck' && isSwitchedOff(own))) continue
    report('sidecar_entrypoint', `${where}.${key}`)
  }
  for (const name of environment.keys()) {
    if (!ENVIRONMENT.has(name)) report('sidecar_environment', `${where}.environment.${name}`)
  }
}

/** The port inside of the container, or null for a form that is not read. */
function containerPort(entry: YamlValue): number | null {
  const text = isYamlMap(entry) ? entry.get('target') : entry
  if (typeof text === 'number') return text
  const [, port] = typeof text === 'string' ? (/^(?:.*:)?(\d+)(?:\/tcp)?$/.exec(text) ?? []) : []
  return port === undefined ? null : Number(port)
}

function checkPorts(
  { keys, where }: ComposeService,
  clients: ReadonlySet<number>,
  report: Report,
): void {
  const ports = keys.get('ports')
  if (ports === undefined) return
  for (const entry of isYamlList(ports) ? ports : [ports]) {
    const port = containerPort(entry)
    if (port === null || !clients.has(port)) report('sidecar_port', `${where}.ports`)
  }
}

/** @returns the model servers that the sidecar speaks to; none where no service is known to be the sidecar */
export function checkSidecar(
  services: readonly ComposeService[],
  report: Report,
): readonly ComposeService[] {
  const holders = services.filter(hasAgentSocket)
  if (holders.length > 1) {
    for (const { where } of holders) report('agent_socket_shared', `${where}.volumes`)
  }
  const [sidecar] = holders
  if (sidecar === undefined) {
    if (services.length > 0) report('agent_socket_missing', 'services')
    return []
  }
  for (const one of services) {
    if (!holders.includes(one) && one.keys.has('ports')) {
      report('port_published_beside', `${one.where}.ports`)
    }
  }
  // With several none is known to be the sidecar; the file is refused for that already.
  if (holders.length > 1) return []
  checkHardening(sidecar, report)
  checkStart(sidecar, report)
  const flags = readSidecarFlags(sidecar, report)
  checkPorts(sidecar, flags.ports, report)
  for (const [name, condition] of sidecar.dependsOn) {
    if (condition !== 'service_completed_successfully') {
      report('sidecar_depends_on_model', `${sidecar.where}.depends_on.${name}`)
    }
  }
  const others = services.filter((one) => one !== sidecar)
  return checkSidecarMounts(sidecar, flags, others, report)
}
