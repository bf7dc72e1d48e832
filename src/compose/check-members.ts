/**
 * The members of app-compose.json itself, against dstack's schema.
 *
 * Source: Dstack-TEE/dstack, `dstack-types` struct AppCompose and `app-compose.sh`, 0.4 to the 0.6 pre-release (312dc605,
 * 2026-08-07).
 *
 * @module
 */
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject, JsonValue } from '../../attestation/protocol/json.ts'
import type { Report } from './compose-refusals.ts'

/** What the sidecar alone may be given from outside. */
export const SIDECAR_ENVS: ReadonlySet<string> = new Set([
  'COUNTERSIGN_TOKENS',
  'COUNTERSIGN_SHARED_STORE_PASSWORD',
])

/**
 * What may come from outside: who may use the service, the password of a server that is not trusted, and a token of the model's hub. None
 * decides what is proved.
 */
export const ALLOWED_ENVS: ReadonlySet<string> = new Set([...SIDECAR_ENVS, 'HF_TOKEN'])

/**
 * The init script that ships: it removes containers that an earlier version left, before the daemon starts them again. Any
 * other would be code, run as root, that this check has not read.
 */
export const INIT_SCRIPT = `# Before the container daemon starts: containers that an earlier version left on the disk would run again with it, whatever
# this text says. Images and volumes stay.
rm -rf /var/lib/docker/containers/*
`

type IsRead = (value: JsonValue) => boolean
const isFlag: IsRead = (value) => typeof value === 'boolean'
const isText: IsRead = (value) => typeof value === 'string'
const isHex: IsRead = (value) => typeof value === 'string' && /^(?:[0-9a-f]{2})*$/.test(value)
const oneOf =
  (...values: readonly JsonValue[]): IsRead =>
  (value) =>
    values.includes(value)
/** Bytes, as a number or as a number with a unit. */
const isSize: IsRead = (value) =>
  (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) ||
  (typeof value === 'string' && /^\d{1,15}(?:[KMGT]B?)?$/.test(value))

const GPU_POLICY: Readonly<Record<string, IsRead>> = {
  attest_gpu: isFlag,
  // A policy of its own, in a language that this check does not read, and leave to run without protection.
  allow_devtools: oneOf(false),
  allow_debug: oneOf(false),
  allow_insecure_boot: oneOf(false),
}
const REQUIREMENTS: Readonly<Record<string, IsRead>> = {
  os_version: isText,
  platforms: (value) => Array.isArray(value) && value.every(isText),
  tdx_measure_acpi_tables: isFlag,
  launch_token_hash: isHex,
  gpu_policy: (value) => hasOnly(value, GPU_POLICY),
}

/** Own members alone: what every object has, such as `constructor`, is none. */
function ruleOf(members: Readonly<Record<string, IsRead>>, name: string): IsRead | undefined {
  return Object.hasOwn(members, name) ? members[name] : undefined
}

function hasOnly(value: JsonValue, members: Readonly<Record<string, IsRead>>): boolean {
  return (
    isJsonObject(value) &&
    Object.entries(value).every(([name, one]) => ruleOf(members, name)?.(one) === true)
  )
}

/**
 * What a member may be; some have a rule of their own below, or in the compose text's own check. `bash_script` and what only
 * newer guests know are not among them.
 */
const KNOWN: Readonly<Record<string, IsRead>> = {
  manifest_version: oneOf(1, 2, '3'),
  name: isText,
  runner: isText,
  docker_compose_file: isText,
  init_script: isText,
  pre_launch_script: isText,
  public_logs: isFlag,
  public_sysinfo: isFlag,
  public_tcbinfo: isFlag,
  kms_enabled: isFlag,
  gateway_enabled: isFlag,
  local_key_provider_enabled: isFlag,
  key_provider: oneOf('none', 'kms', 'local', 'tpm'),
  key_provider_id: isHex,
  allowed_envs: (value) => Array.isArray(value),
  no_instance_id: isFlag,
  secure_time: isFlag,
  storage_fs: oneOf('zfs', 'ext4'),
  swap_size: isSize,
  requirements: (value) => hasOnly(value, REQUIREMENTS),
}

function checkKinds(members: JsonObject, report: Report): void {
  for (const [name, value] of Object.entries(members)) {
    const isRead = ruleOf(KNOWN, name)
    if (isRead === undefined) report('member_unknown', name)
    else if (!isRead(value)) report('member_of_wrong_kind', name)
  }
}

export function checkMembers(members: JsonObject, report: Report): void {
  checkKinds(members, report)
  if (members['runner'] !== 'docker-compose') report('runner_not_compose', 'runner')
  // Absent is not enough for any of these: what stands there by default has changed between releases.
  if (members['public_logs'] !== false) report('public_logs', 'public_logs')
  if (members['public_sysinfo'] !== false) report('public_sysinfo', 'public_sysinfo')
  if (members['secure_time'] !== true) report('no_secure_time', 'secure_time')
  const script = members['pre_launch_script']
  if (script !== undefined && script !== '') report('pre_launch_script', 'pre_launch_script')
  const init = members['init_script']
  if (typeof init === 'string' && init !== '' && init !== INIT_SCRIPT) {
    report('init_script_unknown', 'init_script')
  }
  const envs = members['allowed_envs'] ?? []
  if (!Array.isArray(envs)) return
  for (const [index, name] of envs.entries()) {
    if (typeof name !== 'string') report('member_of_wrong_kind', `allowed_envs.${index}`)
    else if (!ALLOWED_ENVS.has(name))
      report('allowed_env_security_relevant', `allowed_envs.${name}`)
  }
}
