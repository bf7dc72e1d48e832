/**
 * The services of a compose file as the rules read them. What is not written in a form that is read is reported, never skipped.
 *
 * Source: the Compose Specification (compose-spec/compose-spec, read 2026-11-26): `services`, short and long forms of
 * `environment`, `volumes` and `depends_on`.
 *
 * @module
 */
import { posix } from 'node:path'
import type { Report } from './compose-refusals.ts'
import { isYamlList, isYamlMap } from './parse-yaml.ts'
import type { YamlMap, YamlValue } from './parse-yaml.ts'

export interface Mount {
  readonly kind: 'bind' | 'volume' | 'tmpfs'
  /** A path of the guest, with `/var/run` as `/run`; the name of a volume; empty for a tmpfs or a volume without a name. */
  readonly source: string
  /** Absolute, with `/var/run` as `/run`. */
  readonly target: string
  readonly readOnly: boolean
}

export interface ComposeService {
  readonly name: string
  /** `services.<name>`, for findings. */
  readonly where: string
  readonly keys: YamlMap
  readonly image: string | null
  /** `entrypoint` and `command`, each as a list of words. */
  readonly words: readonly string[]
  /** null: the value is taken from outside. */
  readonly environment: ReadonlyMap<string, string | null>
  readonly mounts: readonly Mount[]
  /** Name of a service, and what is waited for. */
  readonly dependsOn: ReadonlyMap<string, string>
}

/** Absolute and as the kernel walks it. Of other spellings two readers could see different folders. */
export function isPlainPath(path: string): boolean {
  return /^\/.*[^/]$/.test(path) && posix.normalize(path) === path
}

export function guestPath(path: string): string {
  return posix.normalize(path).replace(/^\/var\/run(?=\/|$)/, '/run')
}

/**
 * Of `command` and `entrypoint`. A text is split at white space; one with anything in it that Compose's own splitting treats
 * otherwise (quotes, and `;`, `&`, `|`, `<`, `>`, at which it ends) has to be written as a list.
 */
function wordsOf(value: YamlValue | undefined, where: string, report: Report): string[] {
  if (value === undefined || value === null) return []
  if (typeof value === 'string' && /^[\w \n./:=,@%+~-]*$/.test(value))
    return value.split(/[ \n]+/).filter((word) => word !== '')
  if (isYamlList(value) && value.every((word) => typeof word === 'string')) return [...value]
  report('value_unexpected', where)
  return []
}

function environmentOf(value: YamlValue | undefined, where: string, report: Report) {
  const read = new Map<string, string | null>()
  if (value === undefined || value === null) return read
  if (isYamlMap(value)) {
    for (const [name, one] of value) {
      if (one !== null && typeof one !== 'string' && typeof one !== 'number') {
        report('value_unexpected', `${where}.${name}`)
      } else read.set(name, one === null ? null : String(one))
    }
    return read
  }
  if (!isYamlList(value)) {
    report('value_unexpected', where)
    return read
  }
  for (const [index, entry] of value.entries()) {
    const [, name, set, text] =
      typeof entry === 'string' ? (/^([^=]+)(=)?([^]*)$/.exec(entry) ?? []) : []
    if (name === undefined || read.has(name)) report('value_unexpected', `${where}.${index}`)
    else read.set(name, set === undefined ? null : (text ?? ''))
  }
  return read
}

const LONG_MOUNT = new Set(['type', 'source', 'target', 'read_only', 'tmpfs'])

function volumeMount(value: YamlValue): Mount | null {
  if (typeof value === 'string') {
    const [source, target, mode, more] = value.split(':')
    if (source === undefined || source === '' || more !== undefined) return null
    if (target === undefined) return { kind: 'volume', source: '', target: source, readOnly: false }
    if (mode !== undefined && mode !== 'ro' && mode !== 'rw') return null
    const readOnly = mode === 'ro'
    if (!/^[./~]/.test(source)) return { kind: 'volume', source, target, readOnly }
    // A path that is relative, or relative to somebody's home, is a path of the guest too.
    return { kind: 'bind', source: source.startsWith('/') ? source : '/', target, readOnly }
  }
  if (!isYamlMap(value)) return null
  for (const key of value.keys()) if (!LONG_MOUNT.has(key)) return null
  const kind = value.get('type')
  const source = value.get('source') ?? ''
  const target = value.get('target')
  const readOnly = value.get('read_only') ?? false
  if (kind !== 'bind' && kind !== 'volume' && kind !== 'tmpfs') return null
  if (typeof source !== 'string' || typeof target !== 'string') return null
  if (typeof readOnly !== 'boolean') return null
  if (kind === 'bind') {
    return { kind, source: source.startsWith('/') ? source : '/', target, readOnly }
  }
  return source.startsWith('/') ? null : { kind, source, target, readOnly }
}

/** `/path` or `/path:options`; what the options say is the container's own matter. */
function tmpfsMount(value: YamlValue): Mount | null {
  const [, target] = typeof value === 'string' ? (/^([^:]+)(?::[\w=,%]+)?$/.exec(value) ?? []) : []
  return target === undefined ? null : { kind: 'tmpfs', source: '', target, readOnly: false }
}

function mountsOf(
  value: YamlValue | undefined,
  mountOf: (entry: YamlValue) => Mount | null,
  where: string,
  report: Report,
): Mount[] {
  if (value === undefined || value === null) return []
  const mounts: Mount[] = []
  for (const [index, entry] of (isYamlList(value) ? value : [value]).entries()) {
    const mount = mountOf(entry)
    if (mount === null || !isPlainPath(mount.target))
      report('value_unexpected', `${where}.${index}`)
    else {
      mounts.push({
        ...mount,
        source: mount.kind === 'bind' ? guestPath(mount.source) : mount.source,
        target: guestPath(mount.target),
      })
    }
  }
  return mounts
}

/** With `required: false` nothing is waited for where the other has failed. */
function conditionOf(how: YamlMap): string | null {
  for (const key of how.keys()) if (key !== 'condition' && key !== 'required') return null
  const condition = how.get('condition') ?? 'service_started'
  return typeof condition === 'string' && (how.get('required') ?? true) === true ? condition : null
}

function dependsOnOf(value: YamlValue | undefined, where: string, report: Report) {
  const read = new Map<string, string>()
  if (value === undefined || value === null) return read
  if (isYamlList(value)) {
    for (const name of value) {
      if (typeof name === 'string') read.set(name, 'service_started')
      else report('value_unexpected', where)
    }
    return read
  }
  if (!isYamlMap(value)) {
    report('value_unexpected', where)
    return read
  }
  for (const [name, how] of value) {
    const condition = isYamlMap(how) ? conditionOf(how) : null
    if (condition === null) report('value_unexpected', `${where}.${name}`)
    else read.set(name, condition)
  }
  return read
}

/** @param file the whole compose file */
export function readServices(file: YamlMap, report: Report): ComposeService[] {
  const services = file.get('services')
  if (!isYamlMap(services) || services.size === 0) {
    report('services_missing', 'services')
    return []
  }
  const read: ComposeService[] = []
  for (const [name, keys] of services) {
    const where = `services.${name}`
    if (!isYamlMap(keys)) {
      report('value_unexpected', where)
      continue
    }
    const image = keys.get('image')
    if (image !== undefined && typeof image !== 'string')
      report('value_unexpected', `${where}.image`)
    read.push({
      name,
      where,
      keys,
      image: typeof image === 'string' ? image : null,
      words: [
        ...wordsOf(keys.get('entrypoint'), `${where}.entrypoint`, report),
        ...wordsOf(keys.get('command'), `${where}.command`, report),
      ],
      environment: environmentOf(keys.get('environment'), `${where}.environment`, report),
      mounts: [
        ...mountsOf(keys.get('volumes'), volumeMount, `${where}.volumes`, report),
        ...mountsOf(keys.get('tmpfs'), tmpfsMount, `${where}.tmpfs`, report),
      ],
      dependsOn: dependsOnOf(keys.get('depends_on'), `${where}.depends_on`, report),
    })
  }
  return read
}
