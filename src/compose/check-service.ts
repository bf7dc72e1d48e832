/**
 * What no container beside the sidecar may have, and the sidecar neither.
 *
 * Keys are an allow-list: what Compose learns next is refused until somebody has looked at it.
 *
 * @module
 */
import type { ComposeRefusal, Report } from './compose-refusals.ts'
import { isYamlList, isYamlMap } from './parse-yaml.ts'
import type { YamlMap, YamlValue } from './parse-yaml.ts'
import type { ComposeService } from './read-services.ts'

export const AGENT_SOCKETS: ReadonlySet<string> = new Set([
  '/run/dstack.sock',
  '/run/tappd.sock',
  '/run/dstack/dstack.sock',
  '/run/dstack/tappd.sock',
])
const DAEMON_SOCKET = /(?:^|\/)(?:docker|containerd|podman|crio)(?:\.sock)?$/

/** Keys that are read here or say nothing about what a container can do to others. */
const KEYS = new Set([
  ...['image', 'entrypoint', 'command', 'environment', 'volumes', 'depends_on', 'restart'],
  ...['user', 'read_only', 'cap_drop', 'security_opt', 'tmpfs', 'working_dir', 'init'],
  ...['ports', 'expose', 'networks', 'network_mode', 'hostname', 'container_name', 'platform'],
  ...['stop_grace_period', 'healthcheck', 'runtime', 'deploy', 'shm_size'],
  ...['ulimits', 'mem_limit', 'memswap_limit', 'cpus', 'cpuset', 'pids_limit'],
])

/** Keys with a refusal of their own, whatever their value. */
const REFUSED: Readonly<Record<string, ComposeRefusal>> = {
  build: 'image_built_in_place',
  env_file: 'variable_used',
  cap_add: 'capability_added',
  devices: 'capability_added',
  device_cgroup_rules: 'capability_added',
  pid: 'host_namespace',
  ipc: 'host_namespace',
  uts: 'host_namespace',
  userns_mode: 'host_namespace',
  cgroup: 'host_namespace',
  cgroup_parent: 'host_namespace',
  volumes_from: 'host_namespace',
  use_api_socket: 'docker_socket',
}

const PINNED = /^[^@\s]+@sha256:([0-9a-f]{64})$/

function checkImage(service: ComposeService, report: Report): void {
  const { image } = service
  const where = `${service.where}.image`
  if (image === null) {
    if (!service.keys.has('build')) report('image_missing', where)
    return
  }
  const digest = PINNED.exec(image)?.[1]
  if (digest === undefined) report('image_mutable', where)
  else if (/^0+$/.test(digest)) report('image_placeholder', where)
}

/** 0G's wizard (0gfoundation/0g-serving-broker, `integration/config/main.go`, read 2026-11) names services and images so. */
function isBroker(service: ComposeService): boolean {
  return /^0g-/.test(service.name) || /(?:^|\/)0g-(?:serving-|controller)/.test(service.image ?? '')
}

export function hasAgentSocket(service: ComposeService): boolean {
  return service.mounts.some(({ source }) => AGENT_SOCKETS.has(source))
}

function checkMounts(service: ComposeService, report: Report): void {
  for (const { kind, source } of service.mounts) {
    const where = `${service.where}.volumes`
    if (kind !== 'bind' || AGENT_SOCKETS.has(source)) continue
    report(DAEMON_SOCKET.test(source) ? 'docker_socket' : 'host_path_mounted', where)
  }
}

function optionsOf(value: YamlValue | undefined): readonly string[] {
  return isYamlList(value) ? value.map(String) : []
}

function checkSecurity(service: ComposeService, report: Report): void {
  const { keys, where } = service
  const privileged = keys.get('privileged')
  // Not only `true`: Compose also takes texts such as "yes" for it.
  if (privileged !== undefined && privileged !== false) report('privileged', `${where}.privileged`)
  for (const [key, code] of Object.entries(REFUSED)) {
    if (keys.has(key)) report(code, `${where}.${key}`)
  }
  const options = keys.get('security_opt')
  if (options !== undefined && !isYamlList(options)) {
    report('value_unexpected', `${where}.security_opt`)
  }
  for (const option of optionsOf(options)) {
    if (!/^no-new-privileges(?:[:=]true)?$/.test(option)) {
      report('security_opt_weakened', `${where}.security_opt`)
    }
  }
  const restart = keys.get('restart')
  if (restart === 'always' || restart === 'unless-stopped') {
    report('restart_always', `${where}.restart`)
  } else if (
    restart !== undefined &&
    restart !== 'no' &&
    !(typeof restart === 'string' && /^on-failure(?::\d+)?$/.test(restart))
  ) {
    report('value_unexpected', `${where}.restart`)
  }
}

function checkNetwork(service: ComposeService, report: Report): void {
  const mode = service.keys.get('network_mode')
  const where = `${service.where}.network_mode`
  if (mode === 'host') report('host_network', where)
  else if (typeof mode === 'string' && /^(?:service|container):/.test(mode)) {
    report('host_namespace', where)
  } else if (mode !== undefined && mode !== 'none' && mode !== 'bridge') {
    report('value_unexpected', where)
  }
}

/** Runtimes of the container daemon's own and NVIDIA's; by any other a container could be something else than a container. */
const RUNTIMES: ReadonlySet<YamlValue> = new Set(['nvidia', 'runc'])

function checkRuntime(service: ComposeService, report: Report): void {
  const runtime = service.keys.get('runtime')
  if (runtime !== undefined && !RUNTIMES.has(runtime)) {
    report('runtime_unknown', `${service.where}.runtime`)
  }
}

const RESOURCES = new Set(['limits', 'reservations'])
const AMOUNTS = new Set(['cpus', 'memory', 'pids', 'devices'])
const DEVICE = new Set(['driver', 'count', 'device_ids', 'capabilities'])
/** What NVIDIA's runtime has names for; by driver `cdi` a device is any that some file of the guest describes. */
const GPU_CAPABILITY = /^(?:gpu|nvidia|compute|compat32|graphics|utility|video|display)$/

function isGpu(device: YamlValue): boolean {
  if (!isYamlMap(device) || device.get('driver') !== 'nvidia') return false
  const capabilities = device.get('capabilities')
  return (
    [...device.keys()].every((key) => DEVICE.has(key)) &&
    isYamlList(capabilities) &&
    capabilities.every((one) => typeof one === 'string' && GPU_CAPABILITY.test(one))
  )
}

function checkResources(resources: YamlValue, where: string, report: Report): void {
  if (!isYamlMap(resources)) return report('value_unexpected', where)
  for (const [part, amounts] of resources) {
    if (!RESOURCES.has(part) || !isYamlMap(amounts)) {
      report('key_unknown', `${where}.${part}`)
      continue
    }
    for (const [name, amount] of amounts) {
      const at = `${where}.${part}.${name}`
      if (!AMOUNTS.has(name)) report('key_unknown', at)
      if (name !== 'devices') continue
      if (!isYamlList(amount) || !amount.every(isGpu)) report('capability_added', at)
    }
  }
}

/** `deploy` holds limits and GPUs; a restart policy in it would stand above `restart`. */
function checkDeploy(service: ComposeService, report: Report): void {
  const deploy = service.keys.get('deploy')
  if (deploy === undefined) return
  const where = `${service.where}.deploy`
  if (!isYamlMap(deploy)) return report('value_unexpected', where)
  for (const [key, value] of deploy) {
    if (key === 'resources') checkResources(value, `${where}.resources`, report)
    else report('key_unknown', `${where}.${key}`)
  }
}

export function checkService(service: ComposeService, report: Report): void {
  for (const key of service.keys.keys()) {
    if (!KEYS.has(key) && key !== 'privileged' && !Object.hasOwn(REFUSED, key)) {
      report('key_unknown', `${service.where}.${key}`)
    }
  }
  checkImage(service, report)
  if (isBroker(service)) report('broker_in_same_vm', service.where)
  checkMounts(service, report)
  checkSecurity(service, report)
  checkNetwork(service, report)
  checkRuntime(service, report)
  checkDeploy(service, report)
}

/** Volumes and networks of the file: a volume may be a place of the guest under another name. */
export function checkShared(file: YamlMap, report: Report): void {
  for (const key of file.keys()) {
    if (!['services', 'networks', 'volumes', 'name', 'version'].includes(key)) {
      report('key_unknown', key)
    }
  }
  const volumes = file.get('volumes')
  if (isYamlMap(volumes)) {
    for (const [name, volume] of volumes) checkVolume(volume, `volumes.${name}`, report)
  } else if (volumes !== undefined) report('value_unexpected', 'volumes')
  const networks = file.get('networks')
  if (isYamlMap(networks)) {
    for (const [name, network] of networks) {
      if (!isYamlMap(network)) continue
      for (const key of network.keys()) {
        if (key !== 'internal' && key !== 'ipam') report('key_unknown', `networks.${name}.${key}`)
      }
    }
  } else if (networks !== undefined) report('value_unexpected', 'networks')
}

/** Options of a file system in memory, of which none names a place of the guest. */
const MEMORY_OPTION = /^(?:size=\d+[kmg%]?|mode=0?[0-7]{3}|uid=\d+|gid=\d+)$/

function isInMemory(options: YamlValue): boolean {
  if (!isYamlMap(options)) return false
  for (const key of options.keys()) if (!['type', 'device', 'o'].includes(key)) return false
  const o = options.get('o')
  return (
    options.get('type') === 'tmpfs' &&
    options.get('device') === 'tmpfs' &&
    (o === undefined ||
      (typeof o === 'string' && o.split(',').every((option) => MEMORY_OPTION.test(option))))
  )
}

function checkVolume(volume: YamlValue, where: string, report: Report): void {
  if (volume === null) return
  if (!isYamlMap(volume)) return report('value_unexpected', where)
  for (const [key, value] of volume) {
    if (key === 'driver' && value === 'local') continue
    if (key !== 'driver_opts') report('key_unknown', `${where}.${key}`)
    else if (!isInMemory(value)) report('host_path_mounted', `${where}.${key}`)
  }
}
