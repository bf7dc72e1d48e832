/**
 * What a verified fetch is made with: its options, checked, and what stays the same for all of its requests.
 *
 * @module
 */
import { DEFAULT_POLICY, parsePolicy } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { openChannels } from '../channel/open-channels.ts'
import type { AgentLimits } from '../channel/pinned-agent.ts'
import { createAttestations } from './attestations.ts'
import type { CollateralOf } from './attestations.ts'
import { randomBytes, toBase64Url } from './bytes.ts'
import { openLogMemory } from './log/log-memory.ts'
import { readLogNames } from './log/log-names.ts'
import type { LogNames } from './log/log-names.ts'
import type { Client, WantedLevel } from './judge-answer.ts'
import type { ClientVerdict } from './verification-error.ts'

/** Bytes of a challenge and of an owner's secret. */
export const CHALLENGE_BYTES = 32
/** Of an owner's secret that is given: fewer can be guessed at by the hash that goes with each request, and the service takes no more. */
export const OWNER_SECRET_BYTES = Object.freeze({ min: 16, max: 256 })
export interface VerifiedOptions {
  /** Members of an `AppraisalPolicy`; those not given have their default. */
  readonly policy?: Partial<AppraisalPolicy>
  /** What each finished answer must reach; default `content`, which holds through intermediaries that re-encode. */
  readonly level?: WantedLevel
  /** Called once for every answer that has a receipt, also one that was given up. */
  readonly onVerdict?: (verdict: ClientVerdict) => void
  /** `report` hands out answers that do not verify, too; then `onVerdict` is all there is. Default `throw`. */
  readonly onFailure?: 'throw' | 'report'
  /**
   * What becomes of requests whose answers nobody vouches for: routes that the service does not relay, any other method than
   * GET and HEAD on any route. `refuse`, the default, throws a `VerificationError`
   * with the code `route_unverified` before anything is sent, whatever `onFailure` says. `pass` sends them as they are,
   * and their answers come back unverified. GET and HEAD always pass, unverified.
   */
  readonly otherRequests?: 'refuse' | 'pass'
  /**
   * Whether the receipt is asked for inside the answer, which saves a request for it. Default true. With a buffered answer
   * it is a header of up to 3 KiB: an intermediary that takes no such header needs false here.
   */
  readonly inline?: boolean
  /**
   * Whether buffered answers must carry an HTTP message signature (RFC 9421) of the service, which is then asked for. Default
   * false. Intermediaries that rewrite bodies, or drop such headers, make it fail. Streams have none.
   */
  readonly httpSignature?: boolean
  /**
   * A file in which the heads of logs are remembered, shared by all that verify the same services. A service whose log does not go
   * on from there is refused. Default: none is remembered.
   */
  readonly logState?: string
  /**
   * With `logState`, the name that a log may have, or the names of replicas' logs: a service that comes back under another one is
   * refused. Default: any, and `log_name_new` stands among the checks of what is judged by one that was not seen before.
   */
  readonly logName?: string | readonly string[]
  /**
   * By which everything goes, in place of our own connections and the global one. What it connects to cannot be seen, so no channel
   * is ever bound with it: for https as for plain HTTP that is `intermediary`.
   */
  readonly fetch?: typeof fetch
  readonly crypto?: CryptoPort
  /** Unix seconds. */
  readonly now?: () => number
  /**
   * 16 to 256 random bytes. Whoever shows them owns the receipts: gets them with body hashes and opening, later too, where others have a view. Default:
   * random, and gone with this client, so that what a dispute needs besides is `verdict.opening`.
   */
  readonly ownerSecret?: Uint8Array
}

const OPTIONS: readonly string[] = [
  ...['policy', 'level', 'onVerdict', 'onFailure', 'otherRequests', 'fetch', 'crypto', 'now'],
  ...['ownerSecret', 'inline', 'httpSignature', 'logState', 'logName'],
]

/** A misspelt option must not silently ask for less than was meant. */
function checkOptions(options: VerifiedOptions): { readonly logNames: LogNames | null } {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name))
  if (unknown !== undefined) throw new TypeError(`verified() has no option ${unknown}`)
  const { logName, logState } = options
  const logNames = logName === undefined ? null : readLogNames(logName)
  if (logName !== undefined && (logState === undefined || logNames === null)) {
    throw new TypeError('logName is no name of a log, or goes without logState')
  }
  for (const name of ['inline', 'httpSignature'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'boolean') {
      throw new TypeError(`${name} is neither true nor false`)
    }
  }
  const secret: unknown = options.ownerSecret
  const { min, max } = OWNER_SECRET_BYTES
  if (
    secret !== undefined &&
    !(secret instanceof Uint8Array && secret.length >= min && secret.length <= max)
  ) {
    throw new TypeError(`ownerSecret is not ${min} to ${max} bytes`)
  }
  const oneOf = (name: 'level' | 'onFailure' | 'otherRequests', values: readonly string[]) => {
    const value = options[name]
    if (value !== undefined && !values.includes(value)) {
      throw new TypeError(`${name} is one of ${values.join(', ')}`)
    }
  }
  oneOf('level', ['bytes', 'content', 'signer'])
  oneOf('onFailure', ['throw', 'report'])
  oneOf('otherRequests', ['refuse', 'pass'])
  return { logNames }
}

export interface ClientParts {
  /** What is known of a document beside it; by default what it has stapled. */
  readonly collateralOf?: CollateralOf
  /** Of the connections that are made here. */
  readonly limits?: AgentLimits
  /** By what goes whatever is not bound, with connections of our own beside it. Default: the global `fetch`. */
  readonly fetch?: typeof fetch
}

export function createClient(options: VerifiedOptions, parts: ClientParts = {}): Client {
  const { logNames } = checkOptions(options)
  const parsed = parsePolicy(options.policy ?? DEFAULT_POLICY)
  if (!parsed.ok) throw new TypeError(`policy: ${parsed.detail}`)
  const { policy } = parsed
  const crypto = options.crypto ?? nodeCrypto
  const now = options.now ?? (() => Math.floor(Date.now() / 1000))
  const secret = options.ownerSecret ?? randomBytes(CHALLENGE_BYTES)
  const { collateralOf, limits } = parts
  const channels = openChannels({
    fetch: options.fetch ?? parts.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    // What a `fetch` of somebody's connects to cannot be seen.
    observes: options.fetch === undefined,
    demand: policy.channel,
    now,
    ...(limits === undefined ? {} : { limits }),
  })
  return {
    channels,
    crypto,
    now,
    policy,
    level: options.level ?? 'content',
    throws: options.onFailure !== 'report',
    report(verdict) {
      try {
        options.onVerdict?.(verdict)
      } catch {
        // A reporter that fails must not decide whether an answer is handed out.
      }
    },
    ownerHash: toHex(crypto.sha256(secret)),
    ownerSecret: toBase64Url(secret),
    inline: options.inline ?? true,
    httpSignature: options.httpSignature ?? false,
    attestations: createAttestations({
      channels,
      crypto,
      policy,
      now,
      ...(collateralOf === undefined ? {} : { collateralOf }),
      ...(options.logState === undefined ? {} : { logMemory: openLogMemory(options.logState) }),
      ...(logNames === null ? {} : { logNames }),
    }),
  }
}
