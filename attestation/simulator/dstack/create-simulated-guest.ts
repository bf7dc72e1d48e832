/**
 * One simulated confidential VM as a release of dstack from 0.3 to 0.6 would have booted it: identities, measurements, keys, and quotes that
 * carry them. Ids and keys are random for each run unless a seed is given, names start with `sim-`.
 *
 * @module
 */
import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import { SIMULATION_ID_PREFIX } from '../../protocol/simulation.ts'
import { createIntelPki } from '../intel/create-intel-pki.ts'
import type { IntelPki } from '../intel/create-intel-pki.ts'
import { makeQuote } from '../intel/make-quote.ts'
import { label } from '../intel/simulated-platform.ts'
import { isAtLeast, NEWEST_RELEASE } from './agent-releases.ts'
import type { AgentReleaseName } from './agent-releases.ts'
import { createAppKeys } from './app-keys.ts'
import type { AppKeys } from './app-keys.ts'
import { buildEventLog, replayEventLog, stripEventLog } from './event-log.ts'
import type { GuestEvent, Rtmrs, RuntimeFact } from './event-log.ts'
import { createTlsAuthority } from './tls-authority.ts'
import type { TlsAuthority } from './tls-authority.ts'

/** Who gave the guest its keys; only a KMS makes them survive a change of the measured code. */
export type KeyProviderName = 'kms' | 'local-sgx' | 'tpm' | 'none'

export interface SimulatedGuestOptions {
  /** The text of app-compose.json, byte for byte. */
  readonly composeText: string
  readonly now: Date
  /** Default `kms`. */
  readonly keyProvider?: KeyProviderName
  /** Default: a new PKI, all up to date. */
  readonly pki?: IntelPki
  /** GPUs that vm_config names; default 1. */
  readonly gpus?: number
  /** Default: the newest that is released. */
  readonly release?: AgentReleaseName
  /**
   * 32 secret bytes: the same app, instance and keys for each guest that is made of them. The PKI under which it quotes, and that of its TLS
   * certificates, are new each time. Default: random.
   */
  readonly seed?: Uint8Array
}

export interface SimulatedGuest {
  readonly release: AgentReleaseName
  readonly pki: IntelPki
  readonly keys: AppKeys
  readonly tls: TlsAuthority
  readonly appName: string
  /** 20 bytes. */
  readonly appId: Uint8Array
  /** 20 bytes. */
  readonly instanceId: Uint8Array
  readonly composeText: string
  /** SHA-256 of the UTF-8 bytes of {@link SimulatedGuest.composeText}. */
  readonly composeHash: Uint8Array
  /** SHA-256 of the platform's PPID. */
  readonly deviceId: Uint8Array
  readonly osImageHash: Uint8Array
  readonly keyProvider: { readonly name: KeyProviderName; readonly id: string }
  /** 48 bytes. */
  readonly mrTd: Uint8Array
  /** 48 bytes: version 1, i.e. 01 ‖ compose hash ‖ 15 zero bytes. */
  readonly mrConfigId: Uint8Array
  readonly mrAggregated: Uint8Array
  readonly rtmrs: Rtmrs
  /** With every payload and digest. */
  readonly eventLog: readonly GuestEvent[]
  /** JSON text of the stripped log, as GetQuote gives it. */
  readonly quotedEventLog: string
  /** JSON text. */
  readonly vmConfig: string
  /** @param reportData 64 bytes */
  quote(reportData: Uint8Array): Uint8Array
}

export const SEED_BYTES = 32
const SEED_DOMAIN = 'countersign simulated guest v1'
const ID_BYTES = 20
const PROVIDER_ID_BYTES = 32
const MR_CONFIG_ID_BYTES = 48
const MR_CONFIG_V1 = 1

export function createSimulatedGuest(options: SimulatedGuestOptions): SimulatedGuest {
  const pki = options.pki ?? createIntelPki({ now: options.now })
  const tls = createTlsAuthority(options.now)
  const ofSeed = expandSeed(options.seed ?? randomBytes(SEED_BYTES))
  const appId = ofSeed('app id', ID_BYTES)
  const instanceId = ofSeed('instance id', ID_BYTES)
  const composeHash = sha256(Buffer.from(options.composeText, 'utf8'))
  const osImageHash = label('sha256', 'OS image')
  const release = options.release ?? NEWEST_RELEASE
  const keyProvider = keyProviderInfo(
    options.keyProvider ?? 'kms',
    tls,
    ofSeed('provider id', PROVIDER_ID_BYTES),
  )
  const facts = bootFacts({ release, appId, instanceId, composeHash, osImageHash, keyProvider })
  const eventLog = buildEventLog(facts)
  const rtmrs = replayEventLog(eventLog)
  const mrTd = label('sha384', 'virtual firmware')
  const mrConfigId = new Uint8Array(MR_CONFIG_ID_BYTES)
  mrConfigId[0] = MR_CONFIG_V1
  mrConfigId.set(composeHash, 1)
  return {
    release,
    pki,
    keys: createAppKeys(appId, keyProvider.name === 'kms', ofSeed('key', SEED_BYTES)),
    tls,
    appName: `${SIMULATION_ID_PREFIX}countersign`,
    appId,
    instanceId,
    composeText: options.composeText,
    composeHash,
    deviceId: sha256(pki.platform.ppid),
    osImageHash,
    keyProvider,
    mrTd,
    mrConfigId,
    // dstack appends mr_config_id, mr_owner and mr_owner_config as soon as one of them is not zero.
    mrAggregated: sha256(Buffer.concat([mrTd, ...rtmrs, mrConfigId, Buffer.alloc(96)])),
    rtmrs,
    eventLog,
    quotedEventLog: JSON.stringify(
      isAtLeast(release, '0.5.6') ? stripEventLog(eventLog) : eventLog,
    ),
    vmConfig: vmConfig(osImageHash, options.gpus ?? 1),
    quote: (reportData) => makeQuote({ pki, reportData, mrTd, rtmrs, mrConfigId }),
  }
}

interface BootFacts {
  readonly release: AgentReleaseName
  readonly appId: Uint8Array
  readonly instanceId: Uint8Array
  readonly composeHash: Uint8Array
  readonly osImageHash: Uint8Array
  readonly keyProvider: SimulatedGuest['keyProvider']
}

/** RTMR3 in the order in which each release writes it; a KMS adds events, and 0.3 says neither where its own end nor who gave keys. */
function bootFacts(facts: BootFacts): readonly RuntimeFact[] {
  const none = new Uint8Array(0)
  const { release } = facts
  const since = (floor: AgentReleaseName, ...events: readonly RuntimeFact[]) =>
    isAtLeast(release, floor) ? events : []
  const appId = { name: 'app-id', payload: facts.appId }
  const composeHash = { name: 'compose-hash', payload: facts.composeHash }
  const instanceId = { name: 'instance-id', payload: facts.instanceId }
  if (!isAtLeast(release, '0.4.2')) {
    return [
      { name: 'rootfs-hash', payload: facts.osImageHash },
      appId,
      composeHash,
      { name: 'ca-cert-hash', payload: label('sha256', 'CA certificate') },
      instanceId,
    ]
  }
  const byKms = facts.keyProvider.name === 'kms'
  return [
    { name: 'system-preparing', payload: none },
    appId,
    composeHash,
    ...since('0.6.0', { name: 'gpu-policy-hash', payload: sha256(Buffer.from('{}')) }),
    instanceId,
    { name: 'boot-mr-done', payload: none },
    ...(byKms ? [{ name: 'mr-kms', payload: label('sha256', 'KMS') }] : []),
    ...(byKms ? since('0.5.1', { name: 'os-image-hash', payload: facts.osImageHash }) : []),
    { name: 'key-provider', payload: Buffer.from(JSON.stringify(facts.keyProvider), 'utf8') },
    ...since('0.5.5', { name: 'storage-fs', payload: Buffer.from('ext4', 'utf8') }),
    { name: 'system-ready', payload: none },
  ]
}

/** @returns what the seed gives for one purpose (RFC 5869) */
function expandSeed(seed: Uint8Array): (purpose: string, length: number) => Uint8Array {
  return (purpose, length) => new Uint8Array(hkdfSync('sha256', seed, SEED_DOMAIN, purpose, length))
}

function keyProviderInfo(
  name: KeyProviderName,
  tls: TlsAuthority,
  localId: Uint8Array,
): SimulatedGuest['keyProvider'] {
  switch (name) {
    case 'kms':
      return { name, id: Buffer.from(tls.rootSpki).toString('hex') }
    case 'local-sgx':
    case 'tpm':
      return { name, id: Buffer.from(localId).toString('hex') }
    case 'none':
      return { name, id: '' }
  }
}

function vmConfig(osImageHash: Uint8Array, gpus: number): string {
  return JSON.stringify({
    spec_version: 1,
    os_image_hash: Buffer.from(osImageHash).toString('hex'),
    cpu_count: 4,
    memory_size: 8_589_934_592,
    qemu_single_pass_add_pages: false,
    pic: false,
    pci_hole64_size: 17_592_186_044_416,
    hugepages: false,
    num_gpus: gpus,
    num_nvswitches: 0,
    hotplug_off: true,
    qemu_version: '9.2.1',
    image: `${SIMULATION_ID_PREFIX}image`,
  })
}

function sha256(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(bytes).digest())
}
