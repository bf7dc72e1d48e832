/**
 * The part of `countersign verify` that remembers the head of a service's log (`--state`).
 *
 * @module
 */
import { resolve } from 'node:path'
import type { Check } from '../../attestation/appraiser/check.ts'
import { MAX_PROOF_TEXT } from '../../attestation/appraiser/log/parse-log-proofs.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { getOnce } from '../channel/get-once.ts'
import { askReplicas } from '../client/log/ask-replicas.ts'
import { followArchived } from '../client/log/follow-archived.ts'
import { followLog } from '../client/log/follow-log.ts'
import { openLogMemory } from '../client/log/log-memory.ts'
import type { LogNames } from '../client/log/log-names.ts'
import { readLogNames } from '../client/log/log-names.ts'
import { EXIT } from './exit-codes.ts'
import { FETCH_MS, attestationUrl } from './fetch-document.ts'
import { Refusal } from './refusal.ts'

export interface ServiceLogOptions {
  /** File of remembered heads. */
  readonly state?: string
  /** The names that a log may have. */
  readonly logName?: string | readonly string[]
  readonly at?: string
}

/** @throws Refusal for what no log can be named, and where no head is remembered */
export function logNamesOf({ state, logName }: ServiceLogOptions): LogNames | null {
  if (logName === undefined) return null
  if (state === undefined) {
    throw new Refusal('--log-name says which logs --state remembers, and would be ignored.')
  }
  const names = readLogNames(logName)
  if (names === null) {
    throw new Refusal('--log-name takes the name of a log, as in the service’s `log.name`.')
  }
  return names
}

/** A head that is old when it is read says nothing about what came since. */
export function refuseStateOptions(options: ServiceLogOptions, live: boolean): void {
  const { state, at } = options
  logNamesOf(options)
  if (state === undefined || (live && at === undefined)) return
  throw new Refusal('--state remembers what a service says now: it takes an address, and no --at.')
}

/** Over any connection: a proof proves itself. */
async function readProof(target: string, path: string): Promise<string | null> {
  const mark = path.indexOf('?')
  const url = attestationUrl(target, `log/${path.slice(0, mark)}`, path.slice(mark))
  // Each over a connection of its own.
  return askReplicas(() => getOnce(url, { maxBytes: 2 * MAX_PROOF_TEXT, timeoutMs: FETCH_MS }))
}

/** What judges heads of one service. */
export interface ServiceLog {
  /** Of the document in force. */
  follow(head: LogHead | null): Promise<Check>
  /** Of an archived document, once the head in force has been followed. */
  archived(inForce: LogHead, head: LogHead | null): Promise<Check>
}

/**
 * To be called before the document is asked for.
 *
 * @returns null where none is to be remembered
 * @throws Refusal where the file is there and cannot be read as what was written to it
 */
export async function openServiceLog(
  target: string,
  options: ServiceLogOptions,
): Promise<ServiceLog | null> {
  const { state } = options
  if (state === undefined) return null
  const named = logNamesOf(options)
  const memory = openLogMemory(resolve(state))
  const before = await memory.read()
  if (!before.ok) throw new Refusal(`--state ${state}: ${before.detail}.`, EXIT.malformed)
  const read = (path: string): Promise<string | null> => readProof(target, path)
  return {
    follow: (head) => followLog(head, named, before, memory, read, nodeCrypto),
    archived: (inForce, head) => followArchived(inForce, head, named, memory, read, nodeCrypto),
  }
}
