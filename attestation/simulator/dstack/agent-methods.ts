/**
 * What the simulated guest agent answers to each call: requests in, answers out, no HTTP (dstack v0.3.6 to v0.5.11,
 * 2026-05-11, `guest-agent/rpc/proto/agent_rpc.proto`). Bytes travel as lower-case hex; event_log, vm_config, tcb_info and
 * key_provider_info are strings that hold JSON.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { isJsonObject } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { SIMULATION_ID_PREFIX } from '../../protocol/simulation.ts'
import { REPORT_DATA_BYTES } from '../intel/make-quote.ts'
import { isAtLeast, knowsMethod } from './agent-releases.ts'
import type { AgentSurface } from './agent-releases.ts'
import type { KeyAlgorithm } from './app-keys.ts'
import type { SimulatedGuest } from './create-simulated-guest.ts'

/** A call that the agent refuses; the message is what its caller reads. */
export class AgentRefusal extends Error {
  override readonly name = 'AgentRefusal'
}

/**
 * @param method e.g. `GetQuote`
 * @param request parsed JSON body or query
 * @param reportData overrides what a quote is made over, to simulate an agent that answers for somebody else
 * @throws AgentRefusal
 */
export function answer(
  guest: SimulatedGuest,
  surface: AgentSurface,
  method: string,
  request: unknown,
  reportData?: Uint8Array,
): JsonObject {
  if (!knowsMethod(guest.release, surface, method)) {
    throw new AgentRefusal(`Service not found: ${method}`)
  }
  if (!isJsonObject(request)) throw new AgentRefusal('Failed to parse request')
  switch (method) {
    case 'Version':
      return { version: guest.release, rev: `${SIMULATION_ID_PREFIX}${guest.release}` }
    case 'Info':
      return info(guest)
    case 'GetQuote':
      return getQuote(guest, reportData ?? requestedReportData(request))
    case 'RawQuote':
      return rawQuote(guest, reportData ?? wholeReportData(request))
    case 'TdxQuote':
      return tdxQuote(guest, request, reportData)
    case 'GetKey':
      return getKey(guest, request)
    case 'DeriveK256Key': {
      const { key, signature_chain: chain } = getKey(guest, { ...request, algorithm: '' })
      return { k256_key: key ?? '', k256_signature_chain: chain ?? [] }
    }
    case 'GpuInfo':
      return { attestation: '' }
    case 'GetTlsKey':
      return getTlsKey(guest, request)
    default:
      throw new AgentRefusal(`Service not found: ${method}`)
  }
}

/** Members of a later release are left out, as that release's own answer did not have them. */
function info(guest: SimulatedGuest): JsonObject {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = guest.rtmrs
  const { release } = guest
  const shared = !isAtLeast(release, '0.4.2')
    ? {}
    : {
        mr_aggregated: hex(guest.mrAggregated),
        os_image_hash: hex(guest.osImageHash),
        compose_hash: hex(guest.composeHash),
        device_id: hex(guest.deviceId),
      }
  const tcbInfo = {
    mrtd: hex(guest.mrTd),
    rtmr0: hex(rtmr0),
    rtmr1: hex(rtmr1),
    rtmr2: hex(rtmr2),
    rtmr3: hex(rtmr3),
    ...shared,
    event_log: guest.eventLog,
    app_compose: guest.composeText,
  }
  return {
    app_id: hex(guest.appId),
    instance_id: hex(guest.instanceId),
    app_cert: guest.tls.appCertificate,
    tcb_info: JSON.stringify(tcbInfo),
    app_name: guest.appName,
    ...shared,
    ...(isAtLeast(release, '0.4.2')
      ? { key_provider_info: JSON.stringify(guest.keyProvider), vm_config: guest.vmConfig }
      : {}),
    ...(isAtLeast(release, '0.5.6')
      ? {
          cloud_vendor: `${SIMULATION_ID_PREFIX}vendor`,
          cloud_product: `${SIMULATION_ID_PREFIX}product`,
        }
      : {}),
  }
}

/** Shorter report data is padded with zeros on the right. */
function requestedReportData(request: JsonObject): Uint8Array {
  const given = Buffer.from(readHex(request, 'report_data'), 'hex')
  if (given.length > REPORT_DATA_BYTES) throw new AgentRefusal('Report data is too long')
  const padded = new Uint8Array(REPORT_DATA_BYTES)
  padded.set(given)
  return padded
}

function getQuote(guest: SimulatedGuest, reportData: Uint8Array): JsonObject {
  return {
    quote: hex(guest.quote(reportData)),
    event_log: guest.quotedEventLog,
    report_data: hex(reportData),
    vm_config: guest.vmConfig,
  }
}

/** Unlike GetQuote, no padding: 64 bytes or none. */
function wholeReportData(request: JsonObject): Uint8Array {
  const given = Buffer.from(readHex(request, 'report_data'), 'hex')
  if (given.length !== REPORT_DATA_BYTES) throw new AgentRefusal('Report data must be 64 bytes')
  return given
}

function rawQuote(guest: SimulatedGuest, reportData: Uint8Array): JsonObject {
  return { quote: hex(guest.quote(reportData)), event_log: guest.quotedEventLog }
}

/** Unless told `raw`, tappd quotes H(prefix ":" data), padded with zeros. */
function tdxQuote(guest: SimulatedGuest, request: JsonObject, forced?: Uint8Array): JsonObject {
  const algorithm = readText(request, 'hash_algorithm') || 'sha512'
  const prefix = readText(request, 'prefix') || 'app-data'
  if (algorithm === 'raw') return rawQuote(guest, forced ?? requestedReportData(request))
  if (!/^sha(?:256|384|512)$/.test(algorithm)) throw new AgentRefusal('Unsupported hash algorithm')
  const reportData = new Uint8Array(REPORT_DATA_BYTES)
  const data = Buffer.from(readHex(request, 'report_data'), 'hex')
  reportData.set(createHash(algorithm).update(`${prefix}:`).update(data).digest())
  return { ...rawQuote(guest, forced ?? reportData), hash_algorithm: algorithm, prefix }
}

function getKey(guest: SimulatedGuest, request: JsonObject): JsonObject {
  const { key, signatureChain } = guest.keys.derive({
    path: readText(request, 'path'),
    purpose: readText(request, 'purpose'),
    algorithm: readAlgorithm(guest, request),
  })
  return { key: hex(key), signature_chain: signatureChain.map(hex) }
}

function readAlgorithm(guest: SimulatedGuest, request: JsonObject): KeyAlgorithm {
  // An unknown member is nothing to protobuf: the caller gets a secp256k1 key and no word about it.
  if (!isAtLeast(guest.release, '0.5.6')) return 'secp256k1'
  const algorithm = readText(request, 'algorithm')
  switch (algorithm) {
    case '':
    case 'secp256k1':
      return 'secp256k1'
    case 'k256':
      if (!isAtLeast(guest.release, '0.5.7')) throw new AgentRefusal('Unsupported algorithm')
      return 'secp256k1'
    case 'ed25519':
      return algorithm
    default:
      throw new AgentRefusal('Unsupported algorithm')
  }
}

function getTlsKey(guest: SimulatedGuest, request: JsonObject): JsonObject {
  const issued = guest.tls.issue(
    {
      subject: readText(request, 'subject'),
      altNames: readTexts(request, 'alt_names'),
      usageServerAuth: readFlag(request, 'usage_server_auth'),
      usageClientAuth: readFlag(request, 'usage_client_auth'),
      usageRaTls: readFlag(request, 'usage_ra_tls'),
      withAppInfo: readFlag(request, 'with_app_info'),
      notBefore: readInstant(request, 'not_before'),
      notAfter: readInstant(request, 'not_after'),
    },
    { appId: guest.appId, quote: guest.quote, eventLog: guest.quotedEventLog },
  )
  return { key: issued.key, certificate_chain: issued.certificateChain }
}

// Absent members have the default of their protobuf type; a wrong type is refused as the agent's JSON reader does.

function readText(request: JsonObject, name: string): string {
  const value = request[name] ?? ''
  if (typeof value !== 'string') throw new AgentRefusal(`${name}: expected a string`)
  return value
}

function readTexts(request: JsonObject, name: string): readonly string[] {
  const value = request[name] ?? []
  const texts = Array.isArray(value) ? value.filter((item) => typeof item === 'string') : null
  if (texts === null || !Array.isArray(value) || texts.length !== value.length) {
    throw new AgentRefusal(`${name}: expected a list of strings`)
  }
  return texts
}

function readHex(request: JsonObject, name: string): string {
  const value = readText(request, name)
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(value)) throw new AgentRefusal(`${name}: invalid hex`)
  return value
}

/** A query spells booleans as text. */
function readFlag(request: JsonObject, name: string): boolean {
  const value = request[name] ?? false
  if (value === true || value === 'true') return true
  if (value === false || value === 'false') return false
  throw new AgentRefusal(`${name}: expected a boolean`)
}

/** Unix seconds. */
function readInstant(request: JsonObject, name: string): Date | null {
  const value = request[name] ?? null
  if (value === null) return null
  const seconds = typeof value === 'string' ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isSafeInteger(seconds) || seconds < 0) {
    throw new AgentRefusal(`${name}: expected unix seconds`)
  }
  return new Date(seconds * 1000)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
