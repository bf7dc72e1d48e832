/**
 * The members of app-compose.json itself, against dstack's schema.
 *
 * Source: Dstack-TEE/dstack, `dstack-types` struct AppCompose and `app-compose.sh`, 0.4 to the 0.6 pre-release (312dc605,
 * 2026-08-07).
 *
 * @module
 */
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { Report } from './compose-refusals.ts'

/** What may come from outside: who may use the service, and a token of the model's hub. Neither decides what is proved. */
export const ALLOWED_ENVS: ReadonlySet<string> = new Set(['COUNTERSIGN_TOKENS', 'HF_TOKEN'])

/** Members without a rule of their own. `bash_script` and what only newer guests know are not among them. */
const KNOWN = new Set([
  'manifest_version',
  'name',
  'runner',
  'docker_compose_file',
  'init_script',
  'pre_launch_script',
  'public_logs',
  'public_sysinfo',
  'public_tcbinfo',
  'kms_enabled',
  'gateway_enabled',
  'local_key_provider_enabled',
  'key_provider',
  'key_provider_id',
  'allowed_envs',
  'no_instance_id',
  'secure_time',
  'storage_fs',
  'swap_size',
  'requirements',
])

export function checkMembers(members: JsonObject, report: Report): void {
  for (const name of Object.keys(members)) if (!KNOWN.has(name)) report('member_unknown', name)
  if (members['runner'] !== 'docker-compose') report('runner_not_compose', 'runner')
  // Absent is not enough for any of these: what stands there by default has changed between releases.
  if (members['public_logs'] !== false) report('public_logs', 'public_logs')
  if (members['public_sysinfo'] !== false) report('public_sysinfo', 'public_sysinfo')
  if (members['secure_time'] !== true) report('no_secure_time', 'secure_time')
  const script = members['pre_launch_script']
  if (script !== undefined && script !== '') report('pre_launch_script', 'pre_launch_script')
  const init = members['init_script']
  if (init !== undefined && typeof init !== 'string') report('member_of_wrong_kind', 'init_script')
  const envs = members['allowed_envs'] ?? []
  if (!Array.isArray(envs)) {
    report('member_of_wrong_kind', 'allowed_envs')
    return
  }
  for (const [index, name] of envs.entries()) {
    if (typeof name !== 'string') report('member_of_wrong_kind', `allowed_envs.${index}`)
    else if (!ALLOWED_ENVS.has(name))
      report('allowed_env_security_relevant', `allowed_envs.${name}`)
  }
}
