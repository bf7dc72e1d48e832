/**
 * dstack's guest agent, typed: each answer is parsed member by member before anybody uses it. Members that are not
 * named here are ignored, because every agent release adds some.
 *
 * @module
 */
import { fromHex, toHex } from '../../protocol/hex.ts'
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { releaseOfInfo, releaseOfVersion, TAPPD_RELEASE } from './agent-release.ts'
import type { AgentRelease } from './agent-release.ts'
import { callGuestAgent, QUOTE_RETRIES } from './call-guest-agent.ts'
import type { AgentAnswer, AgentCallOptions } from './call-guest-agent.ts'
import { checkAgentKeys, PROBE_KEY_PATH } from './check-agent-key.ts'
import type { AskedKey } from './check-agent-key.ts'
import { surfaceOf } from './find-guest-agent.ts'
import { GuestAgentError } from './guest-agent-error.ts'
import { readReportData, REPORT_DATA_BYTES } from './read-report-data.ts'

export interface AgentVersion {
  readonly version: string
  readonly rev: string
}

export interface AgentInfo {
  /** 40 lower-case hex digits. */
  readonly appId: string
  /** 40 lower-case hex digits; empty where the compose file asks for no instance id. */
  readonly instanceId: string
  readonly appName: string
  /** 64 lower-case hex digits; empty where the agent has none. */
  readonly composeHash: string
  /** The raw text of app-compose.json, as the guest hashed it. */
  readonly appCompose: string
  /** Null where the agent names none. */
  readonly keyProvider: { readonly name: string; readonly id: string } | null
  /** JSON text; empty where the agent has none. */
  readonly vmConfig: string
  /** JSON text. */
  readonly tcbInfo: string
  /** Lower-case hex; empty where the agent has none. */
  readonly osImageHash: string
  /** Lower-case hex; empty where the agent has none. */
  readonly deviceId: string
  /** The whole answer as received: JSON text. */
  readonly raw: string
}

export interface AgentQuote {
  readonly quote: Uint8Array
  /** JSON text of an array; runtime digests may be empty, firmware payloads too. */
  readonly eventLog: string
  /** JSON text; empty where the agent has none. */
  readonly vmConfig: string
}

export interface AgentKeyRequest {
  /** The derivation path; the only input that changes the key. Name the algorithm in it. */
  readonly path: string
  /** Stands in what the app key signs; does not change the key. */
  readonly purpose: string
  readonly algorithm: 'secp256k1' | 'ed25519'
}

export interface AgentKey {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** Signatures of app key and KMS root, 65 bytes each (r ‖ s ‖ recovery id); the second is empty without a KMS. */
  readonly signatureChain: readonly Uint8Array[]
}

export interface AgentTlsKeyRequest {
  /** Common name. */
  readonly subject: string
  /** DNS names. */
  readonly altNames: readonly string[]
}

/** Another one in each answer: the agent keeps none. */
export interface AgentTlsKey {
  /** PKCS #8, PEM: a secret. */
  readonly key: string
  /** PEM: certificate of the key with the evidence inside, app CA, root. */
  readonly chain: string
}

/** All methods throw {@link GuestAgentError}. */
export interface GuestAgent {
  readonly socketPath: string
  /** What this agent can be asked; asked for once, and again after a failure. */
  release(options?: AgentCallOptions): Promise<AgentRelease>
  /** Agents older than 0.5.7 refuse this call. */
  version(options?: AgentCallOptions): Promise<AgentVersion>
  info(options?: AgentCallOptions): Promise<AgentInfo>
  /**
   * One at a time; the deadline of a call starts with its turn.
   * @param reportData 64 bytes, never fewer: SDKs and agent disagree on which side to pad
   */
  getQuote(reportData: Uint8Array, options?: AgentCallOptions): Promise<AgentQuote>
  /** Asked for twice and held against another key of the app; the deadline is that of each of the three calls. */
  getKey(request: AgentKeyRequest, options?: AgentCallOptions): Promise<AgentKey>
  /** For a server, with a quote over the key in the certificate (RA-TLS). */
  getTlsKey(request: AgentTlsKeyRequest, options?: AgentCallOptions): Promise<AgentTlsKey>
}

const MAX_QUOTE_BYTES = 64 * 1024
const KEY_BYTES = 32
const SIGNATURE_BYTES = 65
const APP_ID = /^[0-9a-f]{40}$/
const INSTANCE_ID = /^(?:[0-9a-f]{40})?$/
const COMPOSE_HASH = /^[0-9a-f]{64}$/
const ANY_HEX = /^(?:[0-9a-f]{2}){0,64}$/
const ANY_TEXT = /^/
const PRIVATE_KEY_PEM = /^-----BEGIN PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END PRIVATE KEY-----\s*$/
const CERTIFICATE_PEM = /^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*$/
/** Certificate, app CA, root; one more than any release sends. */
const MAX_TLS_CHAIN = 4

/** The socket's name says which service answers there ({@link surfaceOf}). */
export function connectGuestAgent(socketPath: string): GuestAgent {
  const surface = surfaceOf(socketPath)
  const prefix = surface === 'tappd' ? 'prpc/Tappd.' : ''
  const call = (method: string, request: JsonObject, options?: AgentCallOptions) =>
    callGuestAgent(socketPath, `${prefix}${method}`, request, options)
  const version = async (options?: AgentCallOptions): Promise<AgentVersion> => {
    const { value } = await call('Version', {}, options)
    return { version: text(value, 'Version', 'version'), rev: text(value, 'Version', 'rev') }
  }
  let known: AgentRelease | null = null
  const release = async (options?: AgentCallOptions): Promise<AgentRelease> =>
    (known ??= surface === 'tappd' ? TAPPD_RELEASE : await probe(options))
  const probe = async (options?: AgentCallOptions): Promise<AgentRelease> => {
    let said: AgentVersion
    try {
      said = await version(options)
    } catch (error) {
      if (!(error instanceof GuestAgentError) || error.code !== 'agent_refused') throw error
      return releaseOfInfo((await call('Info', {}, options)).value)
    }
    const found = releaseOfVersion(said.version)
    if (found === null) throw malformed('Version.version')
    return found
  }
  let lastQuote: Promise<unknown> = Promise.resolve()
  const quote = async (asked: Uint8Array, options?: AgentCallOptions): Promise<AgentQuote> => {
    const method = surface === 'tappd' ? 'RawQuote' : 'GetQuote'
    const request = { report_data: toHex(asked) }
    const { value } = await call(method, request, { retries: QUOTE_RETRIES, ...options })
    return readQuote(value, asked, method)
  }
  return {
    socketPath,
    release,
    version,
    async info(options) {
      return readInfo(await call('Info', {}, options))
    },
    getQuote(reportData, options) {
      if (reportData.length !== REPORT_DATA_BYTES) {
        const message = `report data is ${REPORT_DATA_BYTES} bytes, got ${reportData.length}`
        return Promise.reject(new TypeError(message))
      }
      const asked = Uint8Array.from(reportData)
      const turn = lastQuote.then(() => quote(asked, options))
      lastQuote = turn.catch(() => undefined)
      return turn
    },
    async getKey(request, options) {
      const { algorithm } = request
      const { keys, family } = await release(options)
      // Agents that ignore `algorithm` give a secp256k1 key under the name of another, and no word about it.
      if (keys === 'none' || (keys === 'secp256k1' && algorithm !== 'secp256k1')) {
        const message = `GetKey: an agent of the family ${family} gives no ${algorithm} key`
        throw new GuestAgentError('agent_unsupported', message)
      }
      const ask = async (one: AgentKeyRequest): Promise<AskedKey> => {
        const asked = { path: one.path, purpose: one.purpose, algorithm: one.algorithm }
        return { request: one, answer: readKey((await call('GetKey', asked, options)).value) }
      }
      const probe = await ask({ path: PROBE_KEY_PATH, purpose: PROBE_KEY_PATH, algorithm })
      const first = await ask(request)
      checkAgentKeys(first, await ask(request), probe)
      return first.answer
    },
    async getTlsKey({ subject, altNames }, options) {
      const { keys, family } = await release(options)
      if (keys === 'none') {
        const message = `GetTlsKey: an agent of the family ${family} has no such call`
        throw new GuestAgentError('agent_unsupported', message)
      }
      const request = {
        ...{ subject, alt_names: [...altNames] },
        ...{ usage_ra_tls: true, usage_server_auth: true, usage_client_auth: false },
      }
      return readTlsKey((await call('GetTlsKey', request, options)).value)
    },
  }
}

function readInfo({ text: raw, value }: AgentAnswer): AgentInfo {
  const tcbInfo = text(value, 'Info', 'tcb_info')
  return {
    appId: text(value, 'Info', 'app_id', APP_ID),
    instanceId: text(value, 'Info', 'instance_id', INSTANCE_ID),
    appName: text(value, 'Info', 'app_name'),
    composeHash: textOrEmpty(value, 'Info', 'compose_hash', COMPOSE_HASH),
    appCompose: text(nested('tcb_info', tcbInfo), 'Info.tcb_info', 'app_compose'),
    keyProvider: readKeyProvider(textOrEmpty(value, 'Info', 'key_provider_info')),
    vmConfig: textOrEmpty(value, 'Info', 'vm_config'),
    tcbInfo,
    osImageHash: textOrEmpty(value, 'Info', 'os_image_hash', ANY_HEX),
    deviceId: textOrEmpty(value, 'Info', 'device_id', ANY_HEX),
    raw,
  }
}

function readKeyProvider(json: string): AgentInfo['keyProvider'] {
  if (json === '') return null
  const value = nested('key_provider_info', json)
  return {
    name: text(value, 'Info.key_provider_info', 'name'),
    id: text(value, 'Info.key_provider_info', 'id'),
  }
}

function readQuote(value: JsonObject, asked: Uint8Array, method: string): AgentQuote {
  const quote = hex(value['quote'], `${method}.quote`)
  const eventLog = text(value, method, 'event_log')
  const events = parseJsonText(eventLog)
  if (!events.ok || !Array.isArray(events.value)) throw malformed(`${method}.event_log`)
  if (quote.length > MAX_QUOTE_BYTES) throw malformed(`${method}.quote`)
  const quoted = readReportData(quote)
  if (quoted === null) throw malformed(`${method}.quote`)
  // Anyone who holds the socket can quote anything: what counts is the slot inside the quote, not the echoed member.
  if (Buffer.compare(quoted, asked) !== 0) {
    const message = `${method}: the quote is over other report data than asked for`
    throw new GuestAgentError('agent_wrong_report_data', message)
  }
  return { quote, eventLog, vmConfig: textOrEmpty(value, method, 'vm_config') }
}

function readKey(value: JsonObject): AgentKey {
  const key = hex(value['key'], 'GetKey.key')
  if (key.length !== KEY_BYTES) throw malformed('GetKey.key')
  const chain = value['signature_chain']
  if (!Array.isArray(chain) || chain.length !== 2) throw malformed('GetKey.signature_chain')
  const [byApp, byKms] = chain.map((link: unknown) => hex(link, 'GetKey.signature_chain'))
  if (byApp?.length !== SIGNATURE_BYTES) throw malformed('GetKey.signature_chain')
  if (byKms?.length !== SIGNATURE_BYTES && byKms?.length !== 0) {
    throw malformed('GetKey.signature_chain')
  }
  return { key, signatureChain: [byApp, byKms] }
}

function readTlsKey(value: JsonObject): AgentTlsKey {
  const key = text(value, 'GetTlsKey', 'key', PRIVATE_KEY_PEM)
  const chain = value['certificate_chain']
  if (!Array.isArray(chain) || chain.length === 0 || chain.length > MAX_TLS_CHAIN) {
    throw malformed('GetTlsKey.certificate_chain')
  }
  const blocks = chain.map((block: unknown) => {
    if (typeof block !== 'string' || !CERTIFICATE_PEM.test(block)) {
      throw malformed('GetTlsKey.certificate_chain')
    }
    return block.endsWith('\n') ? block : `${block}\n`
  })
  return { key, chain: blocks.join('') }
}

function text(value: JsonObject, owner: string, member: string, pattern = ANY_TEXT): string {
  const found = value[member]
  if (typeof found !== 'string' || !pattern.test(found)) throw malformed(`${owner}.${member}`)
  return found
}

/** For members that older agents do not have. */
function textOrEmpty(value: JsonObject, owner: string, member: string, pattern = ANY_TEXT): string {
  return value[member] === undefined ? '' : text(value, owner, member, pattern)
}

function hex(value: unknown, where: string): Uint8Array {
  const bytes = typeof value === 'string' ? fromHex(value) : null
  if (bytes === null) throw malformed(where)
  return bytes
}

function nested(member: string, json: string): JsonObject {
  const parsed = parseJsonText(json)
  if (!parsed.ok || !isJsonObject(parsed.value)) throw malformed(`Info.${member}`)
  return parsed.value
}

/** @param where method and member; the value itself stays out, it may be a key */
function malformed(where: string): GuestAgentError {
  return new GuestAgentError('agent_malformed', `${where} is not of the promised shape`)
}
