/**
 * A dstack guest of the corpus: what it measured, the log that says so, and the quote that both belong to. Digests and registers
 * are computed here from dstack's rules (cc-eventlog of 0.5.11, 2026-05-11), not by the code that is graded.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { seeded } from './keys.ts'
import { BODY, bytes, join, sha256, u32 } from './quote.ts'
import type { QuoteParts } from './quote.ts'
import { toHex } from './collateral.ts'
import type { Evidence } from './vector.ts'

export const RUNTIME_TYPE = 0x08000001

/** One entry of the log as dstack writes it. */
export type LogEntry = Record<string, unknown>

export interface Fact {
  readonly name: string
  readonly payload: Uint8Array
}

export const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, 'utf8'))

function sha384(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(
    createHash('sha384')
      .update(join(...parts))
      .digest(),
  )
}

/** Members not sorted and a letter beyond ASCII, so that every way of writing it anew gives other bytes. */
export const COMPOSE =
  '{"manifest_version":2,"name":"sim-app","runner":"docker-compose","docker_compose_file":"services:\\n  app:\\n    image: sim@sha256:00\\n","kms_enabled":true,"allowed_envs":["TOKEN"],"note":"caf\u00e9 1.0"}'
export const COMPOSE_HASH = sha256(text(COMPOSE))
/** Of a text that the guest did not measure. */
export const EVIL_HASH = sha256(text('{"name":"evil"}'))
export const APP_ID = seeded('app id', 20)
export const INSTANCE_ID = seeded('instance id', 20)
export const PROVIDER_ID = toHex(seeded('kms root', 32))
export const OS_IMAGE_HASH = seeded('os image', 32)

export function keyProvider(name: string, id: string): Fact {
  return { name: 'key-provider', payload: text(JSON.stringify({ name, id })) }
}

/** What a guest of 0.5 with a KMS measures, in its order. */
export const FACTS: readonly Fact[] = [
  { name: 'system-preparing', payload: new Uint8Array(0) },
  { name: 'app-id', payload: APP_ID },
  { name: 'compose-hash', payload: COMPOSE_HASH },
  { name: 'instance-id', payload: INSTANCE_ID },
  { name: 'boot-mr-done', payload: new Uint8Array(0) },
  { name: 'os-image-hash', payload: OS_IMAGE_HASH },
  keyProvider('kms', PROVIDER_ID),
  { name: 'storage-fs', payload: text('ext4') },
  { name: 'system-ready', payload: new Uint8Array(0) },
]

/** The same with one fact exchanged, or dropped where `payload` is null. */
export function factsWith(name: string, payload: Uint8Array | null): Fact[] {
  return FACTS.flatMap((fact) => {
    if (fact.name !== name) return [fact]
    return payload === null ? [] : [{ name, payload }]
  })
}

export function digestV1({ name, payload }: Fact): Uint8Array {
  return sha384(u32(RUNTIME_TYPE), text(`:${name}:`), payload)
}

/** RFC 8785 of three members, with a name that needs no escape. */
export function preimageV2({ name, payload }: Fact): Uint8Array {
  return text(`{"name":"${name}","payload":"${toHex(payload)}","type":${RUNTIME_TYPE}}`)
}

const FIRMWARE: readonly (readonly [imr: 0 | 1 | 2, type: number])[] = [
  [0, 0x8000000b],
  [0, 0x80000001],
  [1, 0x80000003],
  [2, 0x00000006],
  [2, 0x00000006],
]

function firmwareEntries(): LogEntry[] {
  return FIRMWARE.map(([imr, type], index) => ({
    imr,
    event_type: type,
    digest: toHex(sha384(text(`sim firmware ${index}`))),
    event: '',
    event_payload: '',
  }))
}

function runtimeEntry(fact: Fact, version: 1 | 2): LogEntry {
  const digest = version === 1 ? digestV1(fact) : sha384(preimageV2(fact))
  const entry = {
    imr: 3,
    event_type: RUNTIME_TYPE,
    digest: toHex(digest),
    event: fact.name,
    event_payload: toHex(fact.payload),
  }
  return version === 1 ? entry : { ...entry, version, preimage: toHex(preimageV2(fact)) }
}

/** The log with every digest. */
export function logOf(facts: readonly Fact[], version: 1 | 2 = 1): LogEntry[] {
  return [...firmwareEntries(), ...facts.map((fact) => runtimeEntry(fact, version))]
}

function replay(log: readonly LogEntry[], imr: number): Uint8Array {
  return log
    .filter((entry) => entry['imr'] === imr)
    .reduce<Uint8Array>(
      (register, entry) => sha384(register, bytes(String(entry['digest']))),
      new Uint8Array(48),
    )
}

/** 48 bytes of mr_config_id: version, digest, zeros. */
export function configId(version: number, digest: Uint8Array): Uint8Array {
  return join(Uint8Array.of(version), digest, new Uint8Array(15))
}

/** dstack-types, mr_config.rs of 0.5.11: keccak256(compose hash ‖ app id ‖ kind ‖ id of the provider). */
export function configIdV2(kind: number, id: Uint8Array, appId = APP_ID): Uint8Array {
  return configId(2, keccak_256(join(COMPOSE_HASH, appId, Uint8Array.of(kind), id)))
}

/** Of the branch for 0.6: SHA-256("dstack-mr-config-v3:" ‖ 0 ‖ canonical JSON), which the caller spells. */
export function configIdV3(document: string): Uint8Array {
  return configId(3, sha256(text('dstack-mr-config-v3:'), Uint8Array.of(0), text(document)))
}

export interface GuestCase {
  /** What the guest measured; the quote has its registers. */
  readonly facts?: readonly Fact[]
  readonly version?: 1 | 2
  /** What is shown in place of the true log. */
  readonly tamper?: (log: LogEntry[]) => unknown
  /** The text that is shown, whatever the log. */
  readonly eventLog?: string
  readonly configId?: Uint8Array
  readonly appCompose?: string | null
  readonly vmConfig?: string
  readonly policy?: object
  readonly quote?: QuoteParts
}

export const VM_CONFIG = JSON.stringify({ os_image_hash: toHex(OS_IMAGE_HASH), cpu_count: 4 })

/** Quote, log, compose text and description of one guest. */
export function guest(change: GuestCase = {}): Evidence {
  const log = logOf(change.facts ?? FACTS, change.version)
  const registers = {
    [BODY.rtmr0]: replay(log, 0),
    [BODY.rtmr1]: replay(log, 1),
    [BODY.rtmr2]: replay(log, 2),
    [BODY.rtmr3]: replay(log, 3),
  }
  const put = {
    ...registers,
    [BODY.mrConfigId]: change.configId ?? configId(1, COMPOSE_HASH),
    ...change.quote?.put,
  }
  const shown = change.tamper === undefined ? log : change.tamper(structuredClone(log))
  const { appCompose = COMPOSE } = change
  return {
    quote: { ...change.quote, put },
    eventLog: change.eventLog ?? JSON.stringify(shown),
    ...(appCompose === null ? {} : { appCompose }),
    vmConfig: change.vmConfig ?? VM_CONFIG,
    ...(change.policy === undefined ? {} : { policy: change.policy }),
  }
}

/** The registers of {@link guest} where nothing was changed, in hex. */
export function registersOf(imr: 0 | 1 | 2 | 3): string {
  return toHex(replay(logOf(FACTS), imr))
}
