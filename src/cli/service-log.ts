/**
 * The part of `countersign verify` that remembers the head of a service's log (`--state`).
 *
 * @module
 */
import { resolve } from 'node:path'
import type { Check } from '../../attestation/appraiser/check.ts'
import { unwrapDocument } from '../../attestation/appraiser/document/parse-document.ts'
import { MAX_PROOF_TEXT } from '../../attestation/appraiser/log/parse-log-proofs.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { LOG_NAME } from '../../attestation/protocol/log/log-origin.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { fromUtf8 } from '../../attestation/protocol/utf8.ts'
import { getOnce } from '../channel/get-once.ts'
import { followArchived, followLog } from '../client/log/follow-log.ts'
import { openLogMemory } from '../client/log/log-memory.ts'
import { EXIT } from './exit-codes.ts'
import { FETCH_MS, attestationUrl } from './fetch-document.ts'
import { Refusal } from './refusal.ts'

export interface ServiceLogOptions {
  /** File of remembered heads. */
  readonly state?: string
  /** The only name that the log may have. */
  readonly logName?: string
  readonly at?: string
}

/** @throws Refusal for what no log can be named, and where no head is remembered */
export function logNameOf({ state, logName }: ServiceLogOptions): string | null {
  if (logName === undefined) return null
  if (state === undefined) {
    throw new Refusal('--log-name says which log --state remembers, and would be ignored.')
  }
  if (!LOG_NAME.test(logName)) {
    throw new Refusal('--log-name takes the name of a log, as in the service’s `log.name`.')
  }
  return logName
}

/** A head that is old when it is read says nothing about what came since. */
export function refuseStateOptions(options: ServiceLogOptions, live: boolean): void {
  const { state, at } = options
  logNameOf(options)
  if (state === undefined || (live && at === undefined)) return
  throw new Refusal('--state remembers what a service says now: it takes an address, and no --at.')
}

/** Over any connection: a proof proves itself. */
async function readProof(target: string, path: string): Promise<string | null> {
  const mark = path.indexOf('?')
  const url = attestationUrl(target, `log/${path.slice(0, mark)}`, path.slice(mark))
  const answer = await getOnce(url, { maxBytes: 2 * MAX_PROOF_TEXT, timeoutMs: FETCH_MS }).catch(
    () => null,
  )
  if (answer?.status !== 200 || answer.body === null) return null
  return fromUtf8(unwrapDocument(answer.body))
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
  const named = logNameOf(options)
  const memory = openLogMemory(resolve(state))
  const before = await memory.read()
  if (!before.ok) throw new Refusal(`--state ${state}: ${before.detail}.`, EXIT.malformed)
  const read = (path: string): Promise<string | null> => readProof(target, path)
  return {
    follow: (head) => followLog(head, named, before, memory, read, nodeCrypto),
    archived: (inForce, head) => followArchived(inForce, head, read, nodeCrypto),
  }
}
