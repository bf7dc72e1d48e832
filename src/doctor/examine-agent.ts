/**
 * The guest agent: its socket, its release, the app it serves, who gives keys and what an address survives.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import type { SystemIdentity } from '../../attestation/appraiser/eventlog/read-system-events.ts'
import { misplacedAgent } from '../../attestation/attester/dstack/find-guest-agent.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import type {
  AgentInfo,
  AgentQuote,
  GuestAgent,
} from '../../attestation/attester/dstack/guest-agent.ts'
import { GuestAgentError } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { measureAs } from '../../attestation/attester/dstack/open-guest.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { checkExpectedAddress } from '../../enclave/keys/address-error.ts'
import { createAddressKey } from '../../enclave/keys/address-key.ts'
import { ADDRESS_SURVIVAL, keyProviderOf } from '../../enclave/keys/key-providers.ts'
import type { KeyProviderName, Survival } from '../../enclave/keys/key-providers.ts'
import { SealedKeyError } from '../../enclave/keys/sealed/sealed-key-error.ts'
import { readSealedKey } from '../../enclave/keys/sealed/sealed-key-folder.ts'
import { DEFAULT_ADDRESS_KEY_DIR } from '../config/config.ts'
import type { Config } from '../config/config.ts'
import { deriveAddressKey, deriveSealingKey } from '../service/open-address-key.ts'
import { agentFailure, finding, good, keyFailure, unreached } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'
import type { GuestTexts } from './guest-texts.ts'
import { mayUse } from './may-use.ts'
import type { MayUse } from './may-use.ts'

/** Milliseconds for one answer of the agent. */
export const AGENT_MS = 10_000

export interface AgentFindings {
  readonly rows: readonly DoctorRow[]
  readonly info: GuestTexts | null
  /** Of this run; null where the agent gave none. */
  readonly quote: Uint8Array | null
  /** EIP-55; null where it is not known, or the guest is not the one that was measured. */
  readonly address: string | null
}

/** In front of the random bytes that a quote of the doctor is over. */
export const DOCTOR_PURPOSE = 'countersign.doctor.v1'

const KEYS = ['key.provider', 'key.address']
const MEASURED = ['agent.measured', ...KEYS]
const REST = ['agent.version', 'agent.app', 'agent.quote', ...MEASURED]

/** Beyond the permission bits a mode says the type, which is known. */
const PERMISSIONS = 0o7777

/** Where it is and its mode; null where it is not there. */
export function seenSocket(path: string | null): string | null {
  const found = path === null ? undefined : statSync(path, { throwIfNoEntry: false })
  return path === null || found === undefined
    ? null
    : `${path}, mode ${(found.mode & PERMISSIONS).toString(8).padStart(4, '0')}`
}

function examineSocket(path: string | null, may: MayUse): DoctorRow {
  const check = 'agent.socket'
  const seen = seenSocket(path)
  if (path === null || seen === null) {
    const other = misplacedAgent()
    return finding(check, 'agent_socket_absent', other ?? 'no socket of dstack')
  }
  return may(path) ? good(check, seen) : finding(check, 'agent_socket_denied', seen)
}

async function examineVersion(agent: GuestAgent, deadlineMs: number): Promise<DoctorRow> {
  try {
    const { version } = await agent.version({ deadlineMs })
    return /^v?0\.[56]\./.test(version)
      ? good('agent.version', version)
      : finding('agent.version', 'agent_version_untried', version)
  } catch (error) {
    if (error instanceof GuestAgentError && error.code === 'agent_refused') {
      return finding('agent.version', 'agent_version_unstated', 'it refuses the call Version')
    }
    return agentFailure('agent.version', error)
  }
}

function examineApp({ appId, composeHash, appCompose }: AgentInfo): DoctorRow {
  const computed = toHex(nodeCrypto.sha256(Buffer.from(appCompose, 'utf8')))
  const seen = `app ${appId}, compose hash ${computed}`
  return composeHash === '' || composeHash === computed
    ? good('agent.app', seen)
    : finding('agent.app', 'compose_hash_mismatch', `${seen}, named ${composeHash}`)
}

function describeSurvival({ restart, upgrade, recreation }: Survival): string {
  const kept = [restart ? 'restart' : '', upgrade ? 'upgrade' : '', recreation ? 're-creation' : '']
  const named = kept.filter((one) => one !== '')
  return `survives ${named.length === 0 ? 'no restart' : named.join(', ')}`
}

function examineProvider(name: KeyProviderName): DoctorRow {
  if (name === 'kms') {
    const seen = 'kms: a derived address survives restart, upgrade and re-creation of this app'
    return good('key.provider', seen)
  }
  return name === 'none'
    ? finding('key.provider', 'key_provider_none', 'none: no address survives a restart')
    : finding(
        'key.provider',
        'key_provider_machine',
        `${name}: a derived address survives a restart`,
      )
}

interface AddressFinding {
  readonly row: DoctorRow
  readonly address: string | null
}

/** Reads it as `keys show` does: nothing is changed, and a service that holds the folder is not in the way. */
async function readSealedAddress(
  agent: GuestAgent,
  options: { folder: string; kept: string; expected: string | null; deadlineMs: number },
): Promise<AddressFinding> {
  const { folder, kept, expected, deadlineMs } = options
  const check = 'key.address'
  try {
    const sealed = readSealedKey(folder, await deriveSealingKey(agent, { deadlineMs }))
    if (sealed === null) {
      if (expected !== null) throw new SealedKeyError('sealed_absent')
      return { row: finding(check, 'address_not_made', `none in ${folder}`), address: null }
    }
    const { key, generation } = sealed
    const { address } = createAddressKey(key, { source: 'sealed', generation }, nodeCrypto)
    checkExpectedAddress(address, expected)
    return { row: good(check, `${address}, sealed, generation ${generation}: ${kept}`), address }
  } catch (error) {
    return { row: keyFailure(check, error), address: null }
  }
}

async function examineAddress(
  agent: GuestAgent,
  system: SystemIdentity,
  config: Pick<Config, 'address_key' | 'address_key_dir' | 'expect_address'> | null,
  deadlineMs: number,
): Promise<AddressFinding> {
  const check = 'key.address'
  const provider = keyProviderOf(system.keyProvider?.name ?? null)
  const source = config?.address_key ?? (provider === 'kms' ? 'derived' : undefined)
  const found = (row: DoctorRow) => ({ row, address: null })
  if (source === undefined) return found(finding(check, 'address_unnamed', `provider ${provider}`))
  if (source === 'ephemeral') return found(finding(check, 'address_ephemeral', source))
  const survival = ADDRESS_SURVIVAL[provider][source]
  if (survival === null) {
    return found(finding(check, 'address_impossible', `${source} without a provider`))
  }
  const kept = describeSurvival(survival)
  const expected = config?.expect_address ?? null
  if (source === 'sealed') {
    const folder = config?.address_key_dir ?? DEFAULT_ADDRESS_KEY_DIR
    return readSealedAddress(agent, { folder, kept, expected, deadlineMs })
  }
  try {
    const { address } = await deriveAddressKey(agent, system, { deadlineMs })
    checkExpectedAddress(address, expected)
    return { row: good(check, `${address}, derived: ${kept}`), address }
  } catch (error) {
    return found(keyFailure(check, error))
  }
}

/** None of the doctor's quotes can pass for an attestation. */
async function quoteOf(
  agent: GuestAgent,
  deadlineMs: number,
): Promise<AgentQuote | GuestAgentError> {
  const over = Buffer.concat([Buffer.from(DOCTOR_PURPOSE), Buffer.of(0), randomBytes(32)])
  try {
    return await agent.getQuote(nodeCrypto.sha512(over), { deadlineMs })
  } catch (error) {
    if (error instanceof GuestAgentError) return error
    throw error
  }
}

/** As `serve` does before it takes any key: what the agent says is held against what was measured. */
function measured(quote: AgentQuote, info: AgentInfo): SystemIdentity | GuestAgentError {
  try {
    return measureAs(quote, info)
  } catch (error) {
    if (error instanceof GuestAgentError) return error
    throw error
  }
}

/** @param socketPath null where none was found */
export async function examineAgent(
  socketPath: string | null,
  config: Config | null,
  deadlineMs: number = AGENT_MS,
  may: MayUse = mayUse,
): Promise<AgentFindings> {
  const socket = examineSocket(socketPath, may)
  const nothing = { info: null, address: null, quote: null }
  if (socketPath === null || socket.status !== 'ok') {
    return { rows: [socket, ...unreached(REST, 'there is no agent to ask')], ...nothing }
  }
  const agent = connectGuestAgent(socketPath)
  const version = await examineVersion(agent, deadlineMs)
  const said = await agent.info({ deadlineMs }).catch((error: unknown) => {
    if (error instanceof GuestAgentError) return error
    throw error
  })
  const quoted = await quoteOf(agent, deadlineMs)
  const quote = quoted instanceof GuestAgentError ? null : quoted
  const first = [
    socket,
    version,
    said instanceof GuestAgentError ? agentFailure('agent.app', said) : examineApp(said),
    quoted instanceof GuestAgentError
      ? agentFailure('agent.quote', quoted)
      : good('agent.quote', `${quoted.quote.length} bytes over fresh report data`),
  ]
  const info = said instanceof GuestAgentError ? null : said
  const texts: GuestTexts | null = info === null ? null : { platform: 'dstack', ...info }
  const found = { info: texts, quote: quote?.quote ?? null }
  if (info === null || quote === null) {
    const why = info === null ? 'the agent does not say what it serves' : 'the agent gives no quote'
    return { rows: [...first, ...unreached(MEASURED, why)], ...found, address: null }
  }
  const system = measured(quote, info)
  if (system instanceof GuestAgentError) {
    const rows = [agentFailure('agent.measured', system), ...unreached(KEYS, system.code)]
    return { rows: [...first, ...rows], ...found, address: null }
  }
  const { row, address } = await examineAddress(agent, system, config, deadlineMs)
  const provider = examineProvider(keyProviderOf(system.keyProvider?.name ?? null))
  const seen = 'the event log replays to the quote, app and compose text are as the agent says'
  return { rows: [...first, good('agent.measured', seen), provider, row], ...found, address }
}
