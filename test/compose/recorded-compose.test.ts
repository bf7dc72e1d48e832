/** A compose that runs in the world: that of a recorded report of a provider on 0G, with a proxy of the vllm-proxy family. */
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { jsonObject } from '../harness/chat.ts'
import { findings } from './compose.helpers.ts'

const FILE = new URL('../../../shared/fixtures/0g/llm_attestation_report.json', import.meta.url)
const hasFixture = existsSync(FILE)
if (!hasFixture) console.warn('SKIPPED: no shared/fixtures/0g beside the checkout')

function below(object: JsonObject, name: string): JsonObject {
  const value = object[name]
  const parsed = typeof value === 'string' ? parseJsonText(value) : null
  const inner = parsed === null ? value : parsed.ok ? parsed.value : null
  if (!isJsonObject(inner)) throw new Error(`no ${name}`)
  return inner
}

/** Without what the check stops reading at. */
function withoutAnchors(yaml: string): string {
  return yaml.replace(/^x-common:.*\n(?: .*\n)+/m, '').replace(/^ +<<: \*.*\n/gm, '')
}

test.skipIf(!hasFixture)('is refused for all that its hash does not vouch for', () => {
  const report = jsonObject(readFileSync(FILE, 'utf8'))
  const compose = below(below(below(report, 'info'), 'tcb_info'), 'app_compose')
  expect(findings(JSON.stringify(compose))).toEqual(
    expect.arrayContaining([
      'public_logs public_logs',
      'no_secure_time secure_time',
      'pre_launch_script pre_launch_script',
      'allowed_env_security_relevant allowed_envs.TOKEN',
      'yaml_anchor docker_compose_file',
    ]),
  )
  const codes = new Set(
    findings(
      JSON.stringify({
        ...compose,
        docker_compose_file: withoutAnchors(String(compose['docker_compose_file'])),
      }),
    ).map((finding) => finding.split(' ')[0]),
  )
  for (const code of [
    ...['agent_socket_shared', 'privileged', 'restart_always', 'host_path_mounted'],
    ...['image_mutable', 'variable_used', 'revision_mutable'],
  ]) {
    expect(codes).toContain(code)
  }
})
