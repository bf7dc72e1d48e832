/** The shipped app-compose.json, filled in, and ways to spoil it. */
import { readText } from '../project/source-tree.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { checkCompose } from '../../src/compose/check-compose.ts'
import type { CheckComposeOptions } from '../../src/compose/check-compose.ts'

export const SHIPPED_TEXT = readText('app-compose.json')

/** As whoever deploys it does it: real digests and a real commit in the place of the zeros. */
export function filledIn(text: string): string {
  return text
    .replaceAll(`@sha256:${'0'.repeat(64)}`, `@sha256:${'0123456789abcdef'.repeat(4)}`)
    .replaceAll(`--revision=${'0'.repeat(40)}`, `--revision=${'0123456789'.repeat(4)}`)
}

function members(): JsonObject {
  const parsed = parseJsonText(filledIn(SHIPPED_TEXT))
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error('not a JSON object')
  return parsed.value
}

const MEMBERS = members()
/** The YAML of the good file. */
export const YAML = String(MEMBERS['docker_compose_file'])

/** `code where` of each finding; the problem of a file that is not read. */
export function findings(text: string, options: CheckComposeOptions = {}): string[] {
  const result = checkCompose(new TextEncoder().encode(text), options)
  if (!result.ok) return [result.problem]
  return result.findings.map(({ code, where }) => `${code} ${where}`)
}

/** Of the good file with other members. `undefined` takes one away. */
export function withMembers(changed: Readonly<Record<string, unknown>>): string[] {
  return findings(JSON.stringify({ ...MEMBERS, ...changed }))
}

/** Of the good file with one place of its YAML replaced. */
export function withYaml(place: string | RegExp, by: string): string[] {
  const changed = YAML.replace(place, () => by)
  if (changed === YAML) throw new Error(`not in the shipped file: ${String(place)}`)
  return withMembers({ docker_compose_file: changed })
}

/** Of the good file with lines added to one service. */
export function withKeys(service: 'countersign' | 'vllm' | 'weights', lines: string): string[] {
  const indented = lines.split('\n').map((line) => `    ${line}\n`)
  return withYaml(`  ${service}:\n    image:`, `  ${service}:\n${indented.join('')}    image:`)
}

/** Of the good file with one more service. */
export function withService(name: string, lines: string): string[] {
  const indented = lines.split('\n').map((line) => `    ${line}\n`)
  return withYaml(/^networks:/m, `  ${name}:\n${indented.join('')}networks:`)
}
