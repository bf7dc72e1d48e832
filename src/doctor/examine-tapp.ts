/**
 * TAPP in place of dstack's agent: its socket, its version, the app that it knows, whether its evidence is over what was asked
 * for and measures the start of this app, and what an address survives there.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { TAPP_SOCKET } from '../../attestation/attester/tapp/find-tapp.ts'
import { measureTapp } from '../../attestation/attester/tapp/measure-tapp.ts'
import { openTapp } from '../../attestation/attester/tapp/open-tapp.ts'
import type { Tapp, TappApp } from '../../attestation/attester/tapp/open-tapp.ts'
import type { TappEvidence } from '../../attestation/attester/tapp/parse-tapp-evidence.ts'
import { TAPP_ERRORS, TappError } from '../../attestation/attester/tapp/tapp-error.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { chooseTappAddressKeySource } from '../../enclave/keys/key-providers.ts'
import { createSecp256k1Signer } from '../../enclave/keys/secp256k1-signer.ts'
import type { Config } from '../config/config.ts'
import { AGENT_MS, DOCTOR_PURPOSE, seenSocket } from './examine-agent.ts'
import type { AgentFindings } from './examine-agent.ts'
import { finding, good, unreached } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'
import { mayUse } from './may-use.ts'
import type { MayUse } from './may-use.ts'

const ASKED = ['tapp.version', 'tapp.app', 'tapp.evidence', 'tapp.measured']

export interface TappInput {
  /** Null where none was found. */
  readonly socketPath: string | null
  readonly appId: string
  readonly config: Config | null
  /** Milliseconds for one answer. */
  readonly deadlineMs?: number
  readonly mayUse?: MayUse
}

function tappFailure(check: string, { code, message }: TappError): DoctorRow {
  return { check, status: 'fail', code, seen: message, action: TAPP_ERRORS[code] }
}

/** @throws anything that is no failure of TAPP */
async function attempt<T>(work: () => T | Promise<T>): Promise<T | TappError> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof TappError) return error
    throw error
  }
}

function rowOf<T>(check: string, result: T | TappError, seen: (value: T) => string): DoctorRow {
  return result instanceof TappError ? tappFailure(check, result) : good(check, seen(result))
}

/** None of the doctor's quotes can pass for an attestation. */
function freshNonce(): Uint8Array {
  const over = Buffer.concat([Buffer.from(DOCTOR_PURPOSE), Buffer.of(0), randomBytes(32)])
  return nodeCrypto.sha512(over)
}

async function examineMeasured(
  evidence: TappEvidence | TappError,
  appId: string,
  app: TappApp | TappError,
): Promise<DoctorRow> {
  const check = 'tapp.measured'
  if (evidence instanceof TappError || app instanceof TappError) {
    return finding(check, 'not_reached', 'TAPP gives no evidence, or does not say what it runs')
  }
  const measured = await attempt(() => measureTapp(evidence, appId, app))
  return rowOf(
    check,
    measured,
    () => 'the log replays to the quote, and its last start of the app is of this compose text',
  )
}

/** The address is known to be new at each start whatever TAPP says. */
function examineKeys(config: Config | null): readonly DoctorRow[] {
  const check = 'key.address'
  const provider = finding(
    'key.provider',
    'key_provider_none',
    'TAPP: no address survives a restart',
  )
  const choice = chooseTappAddressKeySource(config?.address_key)
  if (choice.ok) return [provider, finding(check, 'address_ephemeral', choice.source)]
  return [
    provider,
    config?.address_key === undefined
      ? finding(check, 'address_unnamed', 'TAPP')
      : finding(check, 'address_impossible', `${config.address_key} under TAPP`),
  ]
}

export async function examineTapp(input: TappInput): Promise<AgentFindings> {
  const { socketPath, appId, config } = input
  const keys = examineKeys(config)
  const seen = seenSocket(socketPath)
  const nothing = { info: null, quote: null, address: null }
  const socket = 'tapp.socket'
  if (socketPath === null || seen === null) {
    const absent = finding(socket, 'tapp_socket_absent', `no ${TAPP_SOCKET}`)
    return { rows: [absent, ...unreached(ASKED, 'there is no TAPP to ask'), ...keys], ...nothing }
  }
  if (!(input.mayUse ?? mayUse)(socketPath)) {
    const denied = finding(socket, 'tapp_socket_denied', seen)
    return { rows: [denied, ...unreached(ASKED, 'this user may not ask'), ...keys], ...nothing }
  }
  const tapp = openTapp({
    socketPath,
    appId,
    crypto: nodeCrypto,
    pointOf: (secret) => createSecp256k1Signer(secret).point,
    deadlineMs: input.deadlineMs ?? AGENT_MS,
  })
  try {
    return await ask(tapp, [good(socket, seen)], keys)
  } finally {
    tapp.close()
  }
}

async function ask(
  tapp: Tapp,
  first: readonly DoctorRow[],
  last: readonly DoctorRow[],
): Promise<AgentFindings> {
  const version = await attempt(() => tapp.version())
  const app = await attempt(() => tapp.app())
  const evidence = await attempt(() => tapp.evidence(freshNonce()))
  const rows = [
    ...first,
    rowOf('tapp.version', version, (said) => said),
    rowOf('tapp.app', app, ({ composeHash }) => `${tapp.appId}, compose hash ${composeHash}`),
    rowOf('tapp.evidence', evidence, ({ quote }) => `${quote.length} bytes over a fresh nonce`),
    await examineMeasured(evidence, tapp.appId, app),
    ...last,
  ]
  return {
    rows,
    info:
      app instanceof TappError
        ? null
        : { platform: 'tapp', appCompose: app.composeText, vmConfig: '' },
    quote: evidence instanceof TappError ? null : evidence.quote,
    address: null,
  }
}
