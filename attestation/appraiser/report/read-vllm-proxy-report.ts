/**
 * The attestation report of the vllm-proxy family (Dstack-TEE/vllm-proxy of 2026-03-17, nearai/inference-proxy of
 * 2026-04-29): signing key, nonce, quote, event log, GPU evidence, and what the guest says about itself.
 *
 * @module
 */
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'
import type { JsonObject, JsonValue } from '../../protocol/json.ts'
import type { Hex32 } from '../../protocol/hex.ts'
import { MAX_COMPOSE_BYTES } from '../eventlog/verify-compose.ts'
import { MAX_EVENT_LOG_CHARACTERS } from '../eventlog/parse-event-log.ts'
import { MAX_VM_CONFIG_CHARACTERS } from '../eventlog/verify-vm-config.ts'
import { MAX_QUOTE_BYTES } from '../quote/parse-quote.ts'
import { hex32Of, listOf, objectOf, textOf, Unreadable } from '../read-members.ts'

/** Reports of other machines behind one balancer. */
const MAX_ATTESTATIONS = 64
/** Members that are named as not compared; real reports have some ten. */
const MAX_UNCOMPARED = 64
const MAX_PAYLOAD_CHARACTERS = 1024 * 1024
const ADDRESS = /^0x[0-9a-fA-F]{40}$/
const KEY_HEX = /^(?:0x)?(?:[0-9a-f]{2}){1,65}$/
const HEX_32 = /^[0-9a-f]{64}$/

/** Whose key the quote is over, as bytes of the report data's first half. */
export type SigningIdentity =
  | { readonly algo: 'ecdsa'; /** Lower-case, with 0x. */ readonly address: string }
  | { readonly algo: 'ed25519'; /** Lower-case hex of 32 bytes. */ readonly publicKey: string }

export interface VllmProxyReport {
  readonly signer: SigningIdentity
  /** Lower-case hex as stated, without 0x; null where it is not stated. */
  readonly publicKey: string | null
  readonly nonce: Hex32
  /** Lower-case hex of 32 bytes: SHA-256 of a TLS key that the report data then cover too. */
  readonly tlsFingerprint: string | null
  readonly quote: string
  /** JSON text. */
  readonly eventLog: string
  /** JSON text, or null. */
  readonly vmConfig: string | null
  /** Raw text, or null. */
  readonly appCompose: string | null
  /** Exactly as stated: text that holds JSON; null for a machine without GPUs. */
  readonly nvidiaPayload: string | null
  /** What the guest says of itself outside of its evidence: names as in dstack's `Info`, and those of its tcb_info. */
  readonly claims: ReadonlyMap<string, string>
  /** Names of members with a content that are read by people and by nothing here. */
  readonly uncompared: readonly string[]
  /** Attestations beside this one. */
  readonly others: number
}

const REQUIRED = ['signing_address', 'signing_algo', 'request_nonce', 'intel_quote', 'event_log']
/** Members without an underscore of ours: those of either implementation, read or not. */
const READ = ['signing_public_key', 'quote', 'nvidia_payload', 'info', 'vm_config']
/** Statements of their own about other keys. They are not under the quote of this report. */
const UNREAD = [
  'model_name',
  'compose_manager_attestation',
  'ohttp_key_config',
  'ohttp_attestation',
]

/** Claims of `info` and of its `tcb_info` that the evidence can contradict. */
const INFO_CLAIMS = ['app_id', 'instance_id', 'compose_hash', 'os_image_hash']
const TCB_CLAIMS = ['mrtd', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3', 'compose_hash', 'os_image_hash']

function signerOf(report: JsonObject): SigningIdentity {
  const algo = report['signing_algo']
  const address = textOf(report['signing_address'], 'signing_address', 66)
  if (algo === 'ecdsa' && ADDRESS.test(address)) return { algo, address: address.toLowerCase() }
  if (algo === 'ed25519' && HEX_32.test(address)) return { algo, publicKey: address }
  throw new Unreadable('signing_algo and signing_address do not fit together')
}

/** Older proxies give the list, newer ones its text. The list is no loss: no digest is over the text. */
function eventLogOf(value: unknown): string {
  if (Array.isArray(value)) return JSON.stringify(value)
  return textOf(value, 'event_log', MAX_EVENT_LOG_CHARACTERS)
}

function optionalText(value: JsonValue | undefined, what: string, limit: number): string | null {
  return value === undefined || value === null ? null : textOf(value, what, limit)
}

function objectOrText(value: JsonValue | undefined, what: string): JsonObject {
  if (value === undefined || value === null) return {}
  if (isJsonObject(value)) return value
  const parsed = parseJsonText(textOf(value, what, MAX_PAYLOAD_CHARACTERS))
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Unreadable(`${what} is not an object`)
  return parsed.value
}

function claimsOf(info: JsonObject, tcb: JsonObject): Map<string, string> {
  const claims = new Map<string, string>()
  const add = (prefix: string, from: JsonObject, names: readonly string[]): void => {
    for (const name of names) {
      const claim = from[name] ?? ''
      if (typeof claim !== 'string') throw new Unreadable(`${prefix}${name} is no text`)
      // The agent hides what the app keeps private by an empty text.
      if (claim !== '') claims.set(`${prefix}${name}`, claim)
    }
  }
  add('info.', info, INFO_CLAIMS)
  add('info.tcb_info.', tcb, TCB_CLAIMS)
  return claims
}

/** Members of `info` and `tcb_info` that are neither claims nor read elsewhere, and statements about other keys. */
function uncomparedOf(report: JsonObject, info: JsonObject, tcb: JsonObject): string[] {
  const named = (prefix: string, from: JsonObject, read: readonly string[]): string[] =>
    Object.keys(from)
      .filter((name) => !read.includes(name) && from[name] !== null && from[name] !== '')
      .map((name) => `${prefix}${name}`)
  const beside = UNREAD.filter((name) => (report[name] ?? null) !== null)
  const names = [
    ...beside,
    ...named('info.', info, [...INFO_CLAIMS, 'tcb_info']),
    ...named('info.tcb_info.', tcb, [...TCB_CLAIMS, 'app_compose']),
  ]
  if (names.length > MAX_UNCOMPARED) throw new Unreadable(`over ${MAX_UNCOMPARED} unread members`)
  return names
}

function isSame(entry: JsonValue, report: JsonObject): boolean {
  if (!isJsonObject(entry)) return false
  const names = (of: JsonObject): string[] =>
    Object.keys(of).filter((name) => name !== 'all_attestations')
  // Whole: an entry with the same quote under another signing address would be believed for it.
  return (
    names(entry).length === names(report).length &&
    names(entry).every((name) => JSON.stringify(entry[name]) === JSON.stringify(report[name]))
  )
}

function othersOf(report: JsonObject): number {
  const value = report['all_attestations']
  if (value === undefined || value === null) return 0
  const all = listOf(value, 'all_attestations', MAX_ATTESTATIONS)
  return all.filter((item) => !isSame(item, report)).length
}

/** @throws Unreadable */
export function readVllmProxyReport(value: JsonObject): VllmProxyReport {
  const optional = [...READ, ...UNREAD, 'all_attestations', 'tls_cert_fingerprint']
  const report = objectOf(value, 'the report', REQUIRED, optional)
  const quote = textOf(report['intel_quote'], 'intel_quote', 2 * MAX_QUOTE_BYTES)
  // With two quotes one reader would judge the one and the next reader the other.
  if ((report['quote'] ?? quote) !== quote) throw new Unreadable('quote is not intel_quote')
  const publicKey = optionalText(report['signing_public_key'], 'signing_public_key', 132)
  if (publicKey !== null && !KEY_HEX.test(publicKey)) {
    throw new Unreadable('signing_public_key is not hex')
  }
  const fingerprint = optionalText(report['tls_cert_fingerprint'], 'tls_cert_fingerprint', 64)
  if (fingerprint !== null && !HEX_32.test(fingerprint)) {
    throw new Unreadable('tls_cert_fingerprint is not 64 hex digits')
  }
  const info = objectOrText(report['info'], 'info')
  const tcb = objectOrText(info['tcb_info'], 'info.tcb_info')
  return {
    signer: signerOf(report),
    publicKey: publicKey?.replace(/^0x/, '') ?? null,
    nonce: hex32Of(report['request_nonce'], 'request_nonce'),
    tlsFingerprint: fingerprint,
    quote,
    eventLog: eventLogOf(report['event_log']),
    vmConfig: optionalText(report['vm_config'], 'vm_config', MAX_VM_CONFIG_CHARACTERS),
    appCompose: optionalText(tcb['app_compose'], 'info.tcb_info.app_compose', MAX_COMPOSE_BYTES),
    nvidiaPayload: optionalText(report['nvidia_payload'], 'nvidia_payload', MAX_PAYLOAD_CHARACTERS),
    claims: claimsOf(info, tcb),
    uncompared: uncomparedOf(report, info, tcb),
    others: othersOf(report),
  }
}
