/**
 * Appraises TDX evidence that is given as one JSON document with everything that the verdict depends on: the form in which
 * vectors for verifiers are written (docs/conformance.md).
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { readCollateral } from '../../protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import type { JsonValue } from '../../protocol/json.ts'
import { fail, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { MAX_EVENT_LOG_CHARACTERS } from '../eventlog/parse-event-log.ts'
import { MAX_COMPOSE_BYTES } from '../eventlog/verify-compose.ts'
import { MAX_VM_CONFIG_CHARACTERS } from '../eventlog/verify-vm-config.ts'
import { pinnedChecks } from '../pinned-checks.ts'
import { parsePolicy } from '../policy.ts'
import type { AppraisalPolicy } from '../policy.ts'
import { MAX_QUOTE_BYTES } from '../quote/parse-quote.ts'
import type { TcbVerdict } from '../quote/judge-collateral.ts'
import { integerOf, objectOf, textOf, Unreadable } from '../read-members.ts'
import { requireBytes } from '../required-options.ts'
import { decideVerdict } from '../verdict.ts'
import type { Verdict } from '../verdict.ts'
import { appraiseTdxEvidence, CORE_TDX_CHECKS } from './appraise-tdx-evidence.ts'

/** Bytes of the document: collateral of 2 MiB and an event log, hex and escapes included. */
export const MAX_TDX_INPUT_BYTES = 8 * 1024 * 1024

export interface TdxInput {
  /** Lower-case hex. */
  readonly quote: string
  readonly collateral: DcapCollateral | null
  /** Unix seconds. */
  readonly at: number
  readonly policy: AppraisalPolicy
  /** JSON text; null: the quote is judged alone. */
  readonly eventLog: string | null
  /** Raw text. */
  readonly appCompose: string | null
  /** JSON text. */
  readonly vmConfig: string | null
}

export interface TdxAppraisal {
  readonly verdict: Verdict
  /** State of the platform where the collateral says it. */
  readonly tcb: TcbVerdict | null
}

const PROVES_STRUCTURE = 'The input can be read in one way only.'
const MEANING = 'this software made the quote in a genuine TD on an accepted platform'
const MEANING_ALONE = 'the quote was made by a genuine TD on an accepted platform'

function nullOr<T>(value: JsonValue | undefined, read: (value: JsonValue) => T): T | null {
  return value === undefined || value === null ? null : read(value)
}

function collateralOf(value: JsonValue): DcapCollateral {
  const result = readCollateral(value)
  if (!result.ok) throw new Unreadable(result.detail)
  return result.collateral
}

function policyOf(value: JsonValue | undefined): AppraisalPolicy {
  const result = parsePolicy(value ?? {})
  if (!result.ok) throw new Unreadable(result.detail)
  return result.policy
}

const REQUIRED = ['quote', 'at'] as const
const OPTIONAL = ['collateral', 'policy', 'event_log', 'app_compose', 'vm_config'] as const

/** @throws Unreadable */
function readInput(bytes: Uint8Array): TdxInput {
  if (bytes.length > MAX_TDX_INPUT_BYTES) throw new Unreadable(`over ${MAX_TDX_INPUT_BYTES} bytes`)
  const parsed = parseJson(bytes)
  if (!parsed.ok) throw new Unreadable(`not strict JSON: ${parsed.fault}`)
  if (!isJsonObject(parsed.value)) throw new Unreadable('not an object')
  const input = objectOf(parsed.value, 'the input', REQUIRED, OPTIONAL)
  const text = (name: (typeof OPTIONAL)[number], limit: number): string | null =>
    nullOr(input[name], (value) => textOf(value, name, limit))
  return {
    quote: textOf(input['quote'], 'quote', 2 * MAX_QUOTE_BYTES + 2),
    collateral: nullOr(input['collateral'], collateralOf),
    at: integerOf(input['at'], 'at'),
    policy: policyOf(input['policy']),
    eventLog: text('event_log', MAX_EVENT_LOG_CHARACTERS),
    appCompose: text('app_compose', MAX_COMPOSE_BYTES),
    vmConfig: text('vm_config', MAX_VM_CONFIG_CHARACTERS),
  }
}

const PROVES_COMPOSE = 'The compose text is the one that the guest measured.'
const PROVES_VM_CONFIG = 'The description of the virtual machine belongs to what was measured.'
const NO_LOG = 'given without the event log that it is compared with'

/** What was given beside a quote without a log: nothing compares it, so it is named and not accepted. */
function withoutLog({ appCompose, vmConfig }: TdxInput): Check[] {
  const open = (id: string, proves: string): Check => skip(id, 'not_provided', proves, NO_LOG)
  return [
    ...(appCompose === null ? [] : [open('compose.hash', PROVES_COMPOSE)]),
    ...(vmConfig === null ? [] : [open('vm_config.structure', PROVES_VM_CONFIG)]),
  ]
}

const OF_THE_LOG = /^(?:eventlog|compose|app|vm_config)\./

/**
 * Never throws on any bytes.
 *
 * @param bytes the input document of docs/conformance.md
 * @throws TypeError for bytes that are none
 */
export function appraiseTdx(bytes: Uint8Array, crypto: CryptoPort): TdxAppraisal {
  let input: TdxInput
  try {
    input = readInput(requireBytes(bytes, 'bytes', MAX_TDX_INPUT_BYTES))
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    const checks = [fail('input.structure', 'report_malformed', PROVES_STRUCTURE, error.message)]
    const none = { required: [], asOf: true, simulated: false, acceptUnchecked: [] }
    return { verdict: decideVerdict(checks, none), tcb: null }
  }
  const { quote, eventLog, appCompose, vmConfig, policy, ...moment } = input
  const alone = eventLog === null
  const evidence = appraiseTdxEvidence(
    { quote, eventLog: eventLog ?? '', appCompose, vmConfig },
    { ...moment, policy, crypto, asOf: true },
  )
  // Without a log nothing is said about it; what the policy asks of it stays open, and so is not met.
  const stray = alone ? withoutLog(input) : []
  const checks = alone
    ? [...evidence.checks.filter(({ id }) => !OF_THE_LOG.test(id)), ...stray]
    : evidence.checks
  const core = alone ? CORE_TDX_CHECKS.filter((id) => !OF_THE_LOG.test(id)) : CORE_TDX_CHECKS
  const verdict = decideVerdict(checks, {
    required: [
      ...[...core, ...stray.map(({ id }) => id)],
      ...[...pinnedChecks(policy), ...policy.require],
    ],
    asOf: true,
    simulated: evidence.simulated,
    acceptUnchecked: policy.acceptUnchecked,
    meaning: alone ? MEANING_ALONE : MEANING,
  })
  return { verdict, tcb: evidence.tcb }
}
