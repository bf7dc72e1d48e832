/**
 * The guest agent: its socket, its release, the app it serves, who gives keys and what an address survives.
 *
 * @module
 */
import { statSync } from 'node:fs'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import type { AgentInfo, GuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { GuestAgentError } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { addressOf, checksumAddress } from '../../attestation/protocol/legacy-text.ts'
import { ADDRESS_KEY_PATH } from '../../enclave/keys/address-key.ts'
import { ADDRESS_SURVIVAL, keyProviderOf } from '../../enclave/keys/key-providers.ts'
import type { KeyProviderName, Survival } from '../../enclave/keys/key-providers.ts'
import { createSecp256k1Signer } from '../../enclave/keys/secp256k1-signer.ts'
import type { Config } from '../config/config.ts'
import { agentFailure, finding, good, unreached } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'
import { mayUse } from './may-use.ts'
import type { MayUse } from './may-use.ts'

/** Milliseconds for one answer of the agent. */
export const AGENT_MS = 10_000

export interface AgentFindings {
  readonly rows: readonly DoctorRow[]
  readonly agent: GuestAgent | null
  readonly info: AgentInfo | null
  /** EIP-55; null where it is not derived. */
  readonly address: string | null
}

const REST = ['agent.version', 'agent.app', 'key.provider', 'key.address']

/** Beyond the permission bits a mode says the type, which is known. */
const PERMISSIONS = 0o7777

function examineSocket(path: string | null, may: MayUse): DoctorRow {
  const check = 'agent.socket'
  const found = path === null ? undefined : statSync(path, { throwIfNoEntry: false })
  if (path === null || found === undefined) {
    return finding(check, 'agent_socket_absent', 'no socket of dstack')
  }
  const seen = `${path}, mode ${(found.mode & PERMISSIONS).toString(8).padStart(4, '0')}`
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

/** As the agent says; `serve` goes by what the guest measured. A name that nobody knows promises nothing. */
function providerOf(info: AgentInfo): KeyProviderName {
  return keyProviderOf(info.keyProvider?.name ?? null)
}

function describeSurvival({ restart, upgrade, recreation }: Survival): string {
  const kept = [restart ? 'restart' : '', upgrade ? 'upgrade' : '', recreation ? 're-creation' : '']
  const named = kept.filter((one) => one !== '')
  return `survives ${named.length === 0 ? 'no restart' : named.join(', ')}`
}

function examineProvider(info: AgentInfo): DoctorRow {
  const name = providerOf(info)
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

async function deriveAddress(agent: GuestAgent, deadlineMs: number): Promise<string> {
  const asked = {
    path: ADDRESS_KEY_PATH,
    purpose: ADDRESS_KEY_PATH,
    algorithm: 'secp256k1',
  } as const
  const { key } = await agent.getKey(asked, { deadlineMs })
  const { point } = createSecp256k1Signer(key)
  return checksumAddress(addressOf(point, nodeCrypto), nodeCrypto)
}

async function examineAddress(
  agent: GuestAgent,
  info: AgentInfo,
  asked: Config['address_key'],
  deadlineMs: number,
): Promise<{ readonly row: DoctorRow; readonly address: string | null }> {
  const check = 'key.address'
  const provider = providerOf(info)
  const source = asked ?? (provider === 'kms' ? 'derived' : undefined)
  const found = (row: DoctorRow, address: string | null = null) => ({ row, address })
  if (source === undefined) return found(finding(check, 'address_unnamed', `provider ${provider}`))
  if (source === 'ephemeral') return found(finding(check, 'address_ephemeral', source))
  const survival = ADDRESS_SURVIVAL[provider][source]
  if (survival === null) {
    return found(finding(check, 'address_impossible', `${source} without a provider`))
  }
  const kept = describeSurvival(survival)
  if (source !== 'derived') return found(finding(check, 'address_unread', `${source}: ${kept}`))
  try {
    const address = await deriveAddress(agent, deadlineMs)
    return found(good(check, `${address}, derived: ${kept}`), address)
  } catch (error) {
    return found(agentFailure(check, error))
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
  const nothing = { agent: null, info: null, address: null }
  if (socketPath === null || socket.status !== 'ok') {
    return { rows: [socket, ...unreached(REST, 'there is no agent to ask')], ...nothing }
  }
  const agent = connectGuestAgent(socketPath)
  const version = await examineVersion(agent, deadlineMs)
  let info: AgentInfo
  try {
    info = await agent.info({ deadlineMs })
  } catch (error) {
    const rest = unreached(REST.slice(2), 'the agent does not say what it serves')
    return { rows: [socket, version, agentFailure('agent.app', error), ...rest], ...nothing }
  }
  const { row, address } = await examineAddress(agent, info, config?.address_key, deadlineMs)
  const rows = [socket, version, examineApp(info), examineProvider(info), row]
  return { rows, agent, info, address }
}
