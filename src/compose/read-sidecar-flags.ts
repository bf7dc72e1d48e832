/**
 * The command of the sidecar as its command line reads it. Flags are an allow-list: what `serve` learns next is refused until
 * somebody has looked at what it does to the measured text.
 *
 * @module
 */
import { posix } from 'node:path'
import { LOG_NAME } from '../../attestation/protocol/log/log-origin.ts'
import { DURABILITIES } from '../../enclave/store/group-commit.ts'
import { DEFAULT_ADDRESS_KEY_DIR } from '../config/config.ts'
import { parseUpstreamUrl } from '../config/upstream-url.ts'
import type { UpstreamUrl } from '../config/upstream-url.ts'
import { parseSharedUrl } from '../shared-store/shared-url.ts'
import type { ComposeRefusal, Report } from './compose-refusals.ts'
import { guestPath, isPlainPath } from './read-services.ts'
import type { ComposeService } from './read-services.ts'

/** Flags with a value, each at most once but for `--upstream`. */
const VALUED = new Set([
  ...['--listen', '--tls', '--upstream', '--weights', '--require-gpu', '--metrics'],
  ...['--address-key', '--address-key-dir', '--expect-address', '--store'],
  ...['--tls-names', '--tls-certificate', '--tls-key'],
  ...['--store-durability', '--store-days', '--log-name', '--log-interval'],
  ...['--shared-store', '--shared-store-ca'],
  ...['--nvattest', '--require-nvswitches'],
])
/** Paths of the container. */
const PATHS = new Set([
  ...['--weights', '--address-key-dir', '--store', '--tls-certificate', '--shared-store-ca'],
  '--nvattest',
])

const REFUSED: ReadonlyMap<string, ComposeRefusal> = new Map([
  ['--config', 'sidecar_config_elsewhere'],
  ['--allow-remote-upstream', 'sidecar_remote_upstream'],
  ['--simulate', 'sidecar_simulated'],
  ['--simulate-gpus', 'sidecar_simulated'],
  ['--compose', 'sidecar_simulated'],
])

export interface SidecarFlags {
  /** Folders of the sockets of model servers, with `/var/run` as `/run`. */
  readonly socketFolders: ReadonlySet<string>
  readonly weights: string | null
  /** Folders of certificates, its own and that of a shared store's authority: they are public, and a service beside may renew them. */
  readonly certificates: readonly string[]
  /** Folders that nobody but the sidecar may have: of a sealed key, of stored receipts. */
  readonly ownFolders: readonly string[]
  /** A program of the image, which collects the evidence of GPUs; null: the driver's library does. */
  readonly nvattest: string | null
  /** Ports that clients use. */
  readonly ports: ReadonlySet<number>
}

/** Name and value of each flag, in its order; null for a word that is no flag, or a flag that is not known. */
function* flagsOf(words: readonly string[]): Generator<readonly [string, string] | null> {
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    const equals = word.indexOf('=')
    const name = equals === -1 ? word : word.slice(0, equals)
    if (REFUSED.has(name) || name === '--no-metrics') yield [name, '']
    else if (!VALUED.has(name)) yield null
    else if (equals !== -1) yield [name, word.slice(equals + 1)]
    // `--flag value`, of which the next word is the value whatever it looks like.
    else yield [name, words[(at += 1)] ?? '']
  }
}

function portOf(listen: string | undefined): number | null {
  const [, port] = /:(\d{1,5})$/.exec(listen ?? '') ?? []
  return port === undefined ? null : Number(port)
}

function upstreamOf(value: string): UpstreamUrl | null {
  return parseUpstreamUrl(value.replace(/^[a-z0-9][a-z0-9._-]{0,63}=/, ''))
}

function isRead(name: string, value: string): boolean {
  if (PATHS.has(name)) return isPlainPath(value)
  // Its password would pass through the host's network, and who may delete receipts with it.
  if (name === '--shared-store') return parseSharedUrl(value)?.kind === 'tls'
  if (name === '--store-days' || name === '--log-interval') return /^\d{1,7}$/.test(value)
  if (name === '--store-durability') return DURABILITIES.some((choice) => choice === value)
  if (name === '--log-name') return LOG_NAME.test(value)
  if (name === '--require-gpu' || name === '--require-nvswitches') return /^\d{1,2}$/.test(value)
  if (name === '--expect-address') return /^0x[0-9a-fA-F]{40}$/.test(value)
  return value !== '' || name === '--no-metrics'
}

export function readSidecarFlags(sidecar: ComposeService, report: Report): SidecarFlags {
  const where = `${sidecar.where}.command`
  const once = new Map<string, string>()
  const socketFolders = new Set<string>()
  for (const flag of flagsOf(sidecar.words)) {
    if (flag === null) {
      report('sidecar_flag', where)
      continue
    }
    const [name, value] = flag
    const refused = REFUSED.get(name)
    if (refused !== undefined) report(refused, where)
    else if (name === '--upstream') {
      const upstream = upstreamOf(value)
      if (upstream?.kind === 'unix')
        socketFolders.add(guestPath(posix.dirname(upstream.socketPath)))
      else if (upstream === null || !upstream.local) report('sidecar_remote_upstream', where)
    } else if (once.has(name) || !isRead(name, value)) report('sidecar_flag', where)
    else once.set(name, value)
  }
  if (!once.has('--weights')) report('sidecar_without_weights', where)
  if (!once.has('--require-gpu')) report('sidecar_without_gpu', where)
  const own = [once.get('--address-key-dir'), once.get('--store')]
  if (own[0] === undefined && once.get('--address-key') === 'sealed')
    own[0] = DEFAULT_ADDRESS_KEY_DIR
  const ports = [portOf(once.get('--listen')), portOf(once.get('--tls'))]
  const certificates = [once.get('--tls-certificate'), once.get('--shared-store-ca')]
  return {
    socketFolders,
    certificates: certificates.flatMap((path) => (path === undefined ? [] : [posix.dirname(path)])),
    weights: once.get('--weights') ?? null,
    nvattest: once.get('--nvattest') ?? null,
    ownFolders: own.filter((folder) => folder !== undefined),
    ports: new Set(ports.filter((port) => port !== null)),
  }
}
