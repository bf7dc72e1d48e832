/**
 * A TLS key from dstack's guest agent, with an RA-TLS certificate: for clients that read the evidence in a certificate.
 *
 * The agent made the key. It is in the same confidential VM and part of the measured guest, but it is not this process, so a
 * boot key is the narrower choice.
 *
 * @module
 */
import { GuestAgentError } from '../../../attestation/attester/dstack/guest-agent-error.ts'
import type { GuestAgent } from '../../../attestation/attester/dstack/guest-agent.ts'
import type { GuestFacts } from '../../../attestation/attester/evidence-source.ts'
import { appraiseRaTls } from '../../../attestation/appraiser/ratls/appraise-ratls.ts'
import { nodeCrypto } from '../../../attestation/crypto/node.ts'
import { toHex } from '../../../attestation/protocol/hex.ts'
import { importTlsKey } from '../../../enclave/keys/tls-key.ts'
import type { TlsKey } from '../../../enclave/keys/tls-key.ts'
import type { Config } from '../../config/config.ts'
import { gunzip } from '../../gunzip.ts'
import { nodePolicy } from '../gate.ts'
import type { GateRoots } from '../gate.ts'
import { DEFAULT_NAMES } from './keep-certificate.ts'

export interface AgentTlsKeyOptions {
  readonly facts: GuestFacts
  /** As for `createGate`. */
  readonly roots: GateRoots | 'any' | null
  /** Unix seconds. */
  readonly at: number
}

/**
 * @returns null where the configuration asks for no such key
 * @throws GuestAgentError, also where the certificate does not prove itself to be of this guest and of that key
 */
export async function openAgentTlsKey(
  agent: GuestAgent,
  { tls }: Pick<Config, 'tls'>,
  { facts, roots, at }: AgentTlsKeyOptions,
): Promise<TlsKey | null> {
  if (tls?.key !== 'agent') return null
  const names = tls.names.length === 0 ? DEFAULT_NAMES : tls.names
  const [subject = ''] = names
  const given = await agent.getTlsKey({ subject, altNames: names })
  const key = importTlsKey(given.key, given.chain, roots !== null)
  if (key === null) {
    throw new GuestAgentError('agent_malformed', 'GetTlsKey.key is no key on P-256')
  }
  const { verdict, spki, system } = appraiseRaTls(given.chain, {
    crypto: nodeCrypto,
    at,
    policy: nodePolicy(roots),
    collateral: null,
    appCompose: facts.appCompose,
    gunzip,
  })
  if (spki === null || !Buffer.from(spki).equals(key.spki)) {
    const failed = verdict.checks.find(({ status }) => status === 'fail')
    const why = spki === null ? (failed?.code ?? verdict.verdict) : 'another key'
    throw new GuestAgentError('agent_tls_unproven', `GetTlsKey: its certificate: ${why}`)
  }
  if (system === null || toHex(system.appId) !== facts.appId) {
    throw new GuestAgentError('agent_other_guest', 'GetTlsKey: a certificate of another app')
  }
  return key
}
