/**
 * Says whether an app-compose.json is fit to be deployed: whether whoever knows its hash knows what runs.
 *
 * It reads the file as its author's reviewer does, against mistakes and known bad patterns; it is no proof that nothing else
 * is wrong with the images that the file names.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { checkMembers } from './check-members.ts'
import { checkModelServer } from './check-model-server.ts'
import { checkService, checkShared, hasAgentSocket } from './check-service.ts'
import { checkSidecar } from './check-sidecar.ts'
import { checkVariables } from './check-variables.ts'
import { PLACEHOLDERS } from './compose-refusals.ts'
import type { ComposeFinding, Report } from './compose-refusals.ts'
import { isYamlMap, parseYaml } from './parse-yaml.ts'
import { readCompose } from './read-compose.ts'
import type { ComposeProblem } from './read-compose.ts'
import { readServices } from './read-services.ts'

export type ComposeCheck =
  | {
      readonly ok: true
      /** SHA-256 of the raw bytes, as the guest measures it. */
      readonly hash: Hex32
      /** Why it is refused; empty: it is fit. */
      readonly findings: readonly ComposeFinding[]
      /** What is still to be filled in. With `template` these are no findings. */
      readonly placeholders: readonly ComposeFinding[]
    }
  | { readonly ok: false; readonly problem: ComposeProblem }

export interface CheckComposeOptions {
  /** Lets placeholders stand: the file is a template that nobody deploys yet. */
  readonly template?: boolean
}

function checkDockerCompose(text: string, report: Report): void {
  const yaml = parseYaml(text)
  if (!yaml.ok) return report(yaml.fault, 'docker_compose_file')
  if (!isYamlMap(yaml.value)) return report('yaml_malformed', 'docker_compose_file')
  checkShared(yaml.value, report)
  const services = readServices(yaml.value, report)
  const sidecars = new Set(services.filter(hasAgentSocket).map(({ name }) => name))
  checkVariables(yaml.value, sidecars, report)
  for (const service of services) checkService(service, report)
  const servers = checkSidecar(services, report)
  for (const service of services) {
    if (!hasAgentSocket(service)) checkModelServer(service, servers.includes(service), report)
  }
}

/** @param bytes the file exactly as it will be deployed */
export function checkCompose(bytes: Uint8Array, options: CheckComposeOptions = {}): ComposeCheck {
  const read = readCompose(bytes)
  if (!read.ok) return read
  const found: ComposeFinding[] = []
  const report: Report = (code, where) => {
    if (!found.some((one) => one.code === code && one.where === where)) found.push({ code, where })
  }
  checkMembers(read.members, report)
  checkDockerCompose(read.dockerCompose, report)
  const placeholders = found.filter(({ code }) => PLACEHOLDERS.has(code))
  return {
    ok: true,
    hash: toHex32(createHash('sha256').update(bytes).digest()),
    findings:
      options.template === true ? found.filter(({ code }) => !PLACEHOLDERS.has(code)) : found,
    placeholders,
  }
}
