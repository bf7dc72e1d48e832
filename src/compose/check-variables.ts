/**
 * Compose puts values of its environment into the text wherever a `$` stands, and that environment is the deployer's.
 *
 * @module
 */
import { ALLOWED_ENVS, SIDECAR_ENVS } from './check-members.ts'
import type { Report } from './compose-refusals.ts'
import { isYamlList, isYamlMap } from './parse-yaml.ts'
import type { YamlMap, YamlValue } from './parse-yaml.ts'

/** `$$` is a dollar sign and no variable. */
function usesVariable(text: string): boolean {
  return text.replaceAll('$$', '').includes('$')
}

/** The one place for a value from outside: a variable of the container, whole and under its own name. */
function isPassedOn(name: string, text: string, toSidecar: boolean): boolean {
  // Who holds a token of the service can ask as any of its users.
  if (SIDECAR_ENVS.has(name) && !toSidecar) return false
  return ALLOWED_ENVS.has(name) && text === `\${${name}}`
}

function walk(value: YamlValue, where: string, report: Report): void {
  if (typeof value === 'string') {
    if (usesVariable(value)) report('variable_used', where)
  } else if (isYamlList(value)) {
    for (const [index, item] of value.entries()) walk(item, `${where}.${index}`, report)
  } else if (isYamlMap(value)) {
    for (const [key, item] of value) {
      if (usesVariable(key)) report('variable_used', `${where}.${key}`)
      walk(item, where === '' ? key : `${where}.${key}`, report)
    }
  }
}

function checkEnvironment(
  value: YamlValue,
  toSidecar: boolean,
  where: string,
  report: Report,
): void {
  if (isYamlMap(value)) {
    for (const [name, item] of value) {
      // Without a value Compose takes the one of its own environment.
      if (item === null) report('variable_used', `${where}.${name}`)
      else if (typeof item !== 'string' || !isPassedOn(name, item, toSidecar)) {
        walk(item, `${where}.${name}`, report)
      }
    }
    return
  }
  if (!isYamlList(value)) return
  for (const [index, item] of value.entries()) {
    const [, name = '', text] =
      typeof item === 'string' ? (/^([^=]*)=([^]*)$/.exec(item) ?? []) : []
    if (text === undefined) report('variable_used', `${where}.${index}`)
    else if (!isPassedOn(name, text, toSidecar)) walk(text, `${where}.${name}`, report)
  }
}

/** @param sidecars names of the services with the guest agent's socket */
export function checkVariables(file: YamlMap, sidecars: ReadonlySet<string>, report: Report): void {
  for (const [key, value] of file) {
    if (key !== 'services' || !isYamlMap(value)) {
      walk(value, key, report)
      continue
    }
    for (const [service, keys] of value) {
      if (!isYamlMap(keys)) continue
      for (const [name, item] of keys) {
        const where = `services.${service}.${name}`
        if (name === 'environment') checkEnvironment(item, sidecars.has(service), where, report)
        else walk(item, where, report)
      }
    }
  }
}
