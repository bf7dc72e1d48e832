/**
 * Appraises what a machine says of its software that 0G's TAPP started an app on: TCG2 event log, operations that TAPP measured,
 * compose text.
 *
 * The ids are those of dstack's machines wherever the question is the same, so that a policy's `require` asks it of both. What
 * has no answer here is said by name: TAPP names no key provider, and nothing recomputes an `mr_config_id`.
 *
 * TAPP measures a start after the containers run, and not at all where the text that Compose ran is none that it can hash itself
 * (0g-tapp, `src/boot/mod.rs`). What runs so, on the host's word alone, can ask for the key of any app. No log shows it, so
 * `tapp.starts` is never made: real evidence is `unsupported` unless the policy does without that check.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { decodeBase64 } from '../../protocol/base64.ts'
import { toHex } from '../../protocol/hex.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { onlyIfGenuine } from '../quote/only-if-genuine.ts'
import type { Quote } from '../quote/parse-quote.ts'
import type { AppraisalPolicy } from '../policy.ts'
import { findRunningApp } from './find-running-app.ts'
import { findWhatElseRan } from './find-what-else-ran.ts'
import { claimCheck, judgeRunningApp, TAPP_PROVES } from './judge-running-app.ts'
import { pinsImages } from './pins-images.ts'
import type { MeasuredApp, TappOperation } from './read-tapp-operations.ts'
import { readTappOperations } from './read-tapp-operations.ts'
import { replayTcg2Log } from './replay-tcg2-log.ts'
import { PROVES_TAPP_COMPOSE, readTappCompose, verifyTappCompose } from './verify-tapp-compose.ts'

export interface TappSoftware {
  /** Base64 of the TCG2 log. */
  readonly eventLog: string
  /** As TAPP gives it. */
  readonly appCompose: string
  readonly appId: string
}

export interface TappAppraisal {
  /**
   * eventlog.structure, .digests, .rtmr0 to .rtmr3, .system_events; compose.hash, .mr_config_id, .accepted; app.id,
   * .key_provider; tapp.files, .images, .other_apps, .claim, .starts; vm_config.structure.
   */
  readonly checks: Check[]
  /** SHA-256 of the compose text where it is measured, alone on the machine, and the quote genuine; null otherwise. */
  readonly composeHash: Uint8Array | null
}

const PROVES = {
  system_events: 'TAPP started the app, and it was not stopped since.',
  mr_config_id: 'The TD was not started for another app or configuration.',
  accepted: 'The measured software is one that the policy names.',
  key_provider: 'The guest took its keys from a provider that the policy names.',
  vm_config: 'The description of the virtual machine can be read in one way only.',
  starts: 'Nothing was started on the machine that its log does not show.',
} as const

const NO_PROVIDER =
  'TAPP makes the app’s keys anew at each boot, and nothing measured names a provider'

const UNMEASURED = 'starts that failed in TAPP’s own hashing are not in any log of it'

function configIdCheck(quote: Quote): Check {
  const id = 'compose.mr_config_id'
  return quote.mrConfigId.every((byte) => byte === 0)
    ? pass(id, PROVES.mr_config_id, 'not used')
    : fail(id, 'mr_config_id_unsupported', PROVES.mr_config_id, toHex(quote.mrConfigId))
}

function acceptedCheck(digest: Uint8Array, { composeHashes }: AppraisalPolicy): Check {
  const id = 'compose.accepted'
  const hash = toHex(digest)
  if (composeHashes === null) return info(id, 'compose_not_pinned', PROVES.accepted, hash)
  return composeHashes.includes(hash)
    ? pass(id, PROVES.accepted, hash)
    : fail(id, 'compose_not_accepted', PROVES.accepted, hash)
}

/** What cannot be said where the log or the app was not found good. */
function withoutApp(): Check[] {
  return [
    skip('compose.hash', 'depends_on_failed', PROVES_TAPP_COMPOSE),
    skip('compose.accepted', 'depends_on_failed', PROVES.accepted),
    skip('app.id', 'depends_on_failed', TAPP_PROVES['app.id']),
    skip('tapp.files', 'depends_on_failed', TAPP_PROVES['tapp.files']),
    skip('tapp.images', 'depends_on_failed', TAPP_PROVES['tapp.images']),
    skip('tapp.other_apps', 'depends_on_failed', TAPP_PROVES['tapp.other_apps']),
  ]
}

interface Found {
  /** eventlog.system_events and tapp.claim. */
  readonly checks: readonly Check[]
  readonly app: MeasuredApp | null
  readonly operations: readonly TappOperation[]
}

function findApp(entries: ReturnType<typeof replayTcg2Log>['entries'], appId: string): Found {
  const id = 'eventlog.system_events'
  const unclaimed = skip('tapp.claim', 'depends_on_failed', TAPP_PROVES['tapp.claim'])
  if (entries === null) {
    return {
      checks: [skip(id, 'depends_on_failed', PROVES.system_events), unclaimed],
      app: null,
      operations: [],
    }
  }
  const read = readTappOperations(entries)
  if (!read.ok) {
    const check = fail(id, read.code, PROVES.system_events, read.detail)
    return { checks: [check, unclaimed], app: null, operations: [] }
  }
  const { operations } = read
  const claim = claimCheck(operations)
  const running = findRunningApp(operations, appId)
  return running.ok
    ? { checks: [pass(id, PROVES.system_events), claim], app: running.app, operations }
    : { checks: [fail(id, running.code, PROVES.system_events), claim], app: null, operations }
}

/**
 * Never throws on any text.
 *
 * @param quote null where it could not be read
 * @param genuine whether the quote's signatures were verified, up to an accepted root
 */
export function appraiseTapp(
  software: TappSoftware,
  quote: Quote | null,
  options: {
    readonly crypto: CryptoPort
    readonly policy: AppraisalPolicy
    readonly genuine: boolean
  },
): TappAppraisal {
  const { crypto, policy, genuine } = options
  const unanswered = [
    skip('app.key_provider', 'not_provided', PROVES.key_provider, NO_PROVIDER),
    skip('vm_config.structure', 'not_provided', PROVES.vm_config, 'TAPP gives none'),
    skip('tapp.starts', 'tapp_starts_unmeasured', PROVES.starts, UNMEASURED),
  ]
  if (quote === null) return { checks: [...withoutApp(), ...unanswered], composeHash: null }
  const replay = replayTcg2Log(decodeBase64(software.eventLog), quote.rtmrs, crypto)
  const { checks: found, app, operations } = findApp(replay.entries, software.appId)
  const compose = readTappCompose(software.appCompose)
  const digest = crypto.sha256(toUtf8(software.appCompose))
  const ofApp =
    app === null
      ? withoutApp()
      : [
          verifyTappCompose(compose, app.composeHash, crypto),
          acceptedCheck(digest, policy),
          ...judgeRunningApp(
            app,
            findWhatElseRan(operations, app, compose.ok && pinsImages(compose.normal)),
            policy.tapp,
          ),
        ]
  const checks = onlyIfGenuine(
    [...replay.checks, ...found, ...ofApp, configIdCheck(quote)],
    genuine,
  )
  const alone = ['compose.hash', 'tapp.other_apps', 'tapp.files'].every((id) =>
    checks.some((check) => check.id === id && check.status === 'pass'),
  )
  return { checks: [...checks, ...unanswered], composeHash: alone ? digest : null }
}
