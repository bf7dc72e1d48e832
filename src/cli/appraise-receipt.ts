/**
 * `countersign appraise-receipt`: one input document on standard input, one verdict on standard output (docs/conformance.md).
 *
 * The keyset is given as one that was verified: what makes it so is the matter of the attestation document.
 *
 * @module
 */
import type { TrustedKeyset } from '../../attestation/appraiser/appraise-document.ts'
import { fail } from '../../attestation/appraiser/check.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import { MAX_PROOF_TEXT } from '../../attestation/appraiser/log/parse-log-proofs.ts'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import {
  hex32Of,
  integerOf,
  objectOf,
  textOf,
  Unreadable,
} from '../../attestation/appraiser/read-members.ts'
import { judgeEncodings } from '../../attestation/appraiser/receipt/judge-encodings.ts'
import { RECEIPT_LEVELS } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type { ReceiptLevel } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import { decideVerdict, VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import type { Verdict } from '../../attestation/appraiser/verdict.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { decodeBase64 } from '../../attestation/protocol/base64.ts'
import { MAX_EVIDENCE_BODY_BYTES } from '../../attestation/protocol/evidence-file.ts'
import { hex32Bytes, isSha256Digest } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject, JsonValue } from '../../attestation/protocol/json.ts'
import { keysetDigest, parseKeyset } from '../../attestation/protocol/keyset.ts'
import { MAX_RECEIPT_BYTES } from '../../attestation/protocol/receipt.ts'
import { checkEncodings, checkReceipt } from './check-receipt.ts'
import type { ReceiptFiles, ReceiptOptions, ShownReceipt } from './check-receipt.ts'
import { readInput, renderVerdict } from './judge-input.ts'
import { judgeLogInput, readLogInput } from './log-of-input.ts'
import type { LogInput } from './log-of-input.ts'

/** Bytes of the document: two bodies in base64, and the rest. */
export const MAX_RECEIPT_INPUT_BYTES = 3 * MAX_EVIDENCE_BODY_BYTES
const MAX_EXPECTED_TEXT = 512
const LEVELS = ['bytes', 'content', 'signer'] as const
const MEANING =
  'the receipt was made by the boot that the keyset is of, and shows as much as was asked for'
const PROVES_STRUCTURE = 'The input can be read in one way only.'

const REQUIRED = ['receipt', 'keyset', 'boot_id', 'config_digest', 'at'] as const
const OPTIONAL = [
  ...(['opening', 'request', 'response', 'challenge', 'receipt_id', 'endpoint', 'level'] as const),
  ...(['any_outcome', 'inclusion', 'log', 'log_name', 'policy'] as const),
]

interface ReceiptInput {
  readonly shown: ShownReceipt
  readonly files: Omit<ReceiptFiles, 'receipt'>
  readonly options: ReceiptOptions
  readonly expected: { readonly receiptId?: string; readonly endpoint?: string }
  readonly trusted: TrustedKeyset
  readonly log: LogInput | null
  readonly at: number
  readonly policy: AppraisalPolicy
}

function bytesOf(value: JsonValue, what: string): Uint8Array {
  const bytes = decodeBase64(textOf(value, what, 2 * MAX_EVIDENCE_BODY_BYTES))
  if (bytes === null) throw new Unreadable(`${what} is not base64`)
  return bytes
}

function bodyOf(value: JsonValue | undefined, what: string): Buffer | null {
  return value === undefined || value === null ? null : Buffer.from(bytesOf(value, what))
}

/** A text is an ACI receipt; `{"cose": base64}` is a COSE_Sign1, and with `aci` the receipt in both encodings. */
function receiptOf(value: JsonValue | undefined): ShownReceipt {
  // Longer than a receipt may be, for its own parser to refuse.
  const aciOf = (text: JsonValue) => textOf(text, 'receipt', 2 * MAX_RECEIPT_BYTES)
  if (typeof value === 'string') return { receipt: aciOf(value), cose: null }
  const { aci, cose } = objectOf(value, 'receipt', ['cose'], ['aci'])
  return {
    receipt: aci === undefined ? null : aciOf(aci),
    cose: bytesOf(cose ?? null, 'receipt.cose'),
  }
}

function trustedOf(input: JsonObject): Omit<TrustedKeyset, 'log'> {
  const parsed = parseKeyset(input['keyset'])
  if (!parsed.ok) throw new Unreadable(parsed.detail)
  const { keyset } = parsed
  const name = textMember(input, 'log_name')
  const configDigest = input['config_digest']
  if (!isSha256Digest(configDigest)) throw new Unreadable('config_digest is no digest')
  return {
    keyset,
    keysetDigest: keysetDigest(keyset, nodeCrypto),
    bootId: hex32Of(input['boot_id'], 'boot_id'),
    configDigest,
    // Of the configuration the name of the log alone counts here.
    config: { log: name === undefined ? null : { name } },
    simulated: false,
    notAfter: keyset.not_after,
    address: null,
  }
}

function textMember(input: JsonObject, name: string): string | undefined {
  const value = input[name] ?? null
  return value === null ? undefined : textOf(value, name, MAX_EXPECTED_TEXT)
}

/** @throws Unreadable */
function readDocument(bytes: Uint8Array): ReceiptInput {
  if (bytes.length > MAX_RECEIPT_INPUT_BYTES) {
    throw new Unreadable(`over ${MAX_RECEIPT_INPUT_BYTES} bytes`)
  }
  const parsed = parseJson(bytes)
  if (!parsed.ok) throw new Unreadable(`not strict JSON: ${parsed.fault}`)
  if (!isJsonObject(parsed.value)) throw new Unreadable('the input is not an object')
  const input = objectOf(parsed.value, 'the input', REQUIRED, OPTIONAL)
  const policy = parsePolicy(input['policy'] ?? {})
  if (!policy.ok) throw new Unreadable(policy.detail)
  const level = LEVELS.find((name) => name === (input['level'] ?? 'signer'))
  if (level === undefined) throw new Unreadable('level is none')
  const any = input['any_outcome'] ?? false
  if (typeof any !== 'boolean') throw new Unreadable('any_outcome is neither true nor false')
  const opening = input['opening'] ?? null
  const inclusion = input['inclusion'] ?? null
  const challenge = textMember(input, 'challenge')
  const receiptId = textMember(input, 'receipt_id')
  const endpoint = textMember(input, 'endpoint')
  const trusted = trustedOf(input)
  const logName = textMember(input, 'log_name') ?? null
  const log =
    input['log'] === undefined || input['log'] === null
      ? null
      : readLogInput(input['log'], logName, trusted.bootId)
  return {
    shown: receiptOf(input['receipt']),
    files: {
      opening: opening === null ? null : hex32Bytes(hex32Of(opening, 'opening')),
      request: bodyOf(input['request'], 'request'),
      response: bodyOf(input['response'], 'response'),
      inclusion: inclusion === null ? null : textOf(inclusion, 'inclusion', MAX_PROOF_TEXT),
    },
    options: { level, anyOutcome: any, ...(challenge === undefined ? {} : { challenge }) },
    expected: {
      ...(receiptId === undefined ? {} : { receiptId }),
      ...(endpoint === undefined ? {} : { endpoint }),
    },
    trusted: { ...trusted, log: log?.head ?? null },
    log,
    at: integerOf(input['at'], 'at'),
    policy: policy.policy,
  }
}

/** What is shown is what every encoding shows. */
function lowestLevel(judged: readonly { readonly level: ReceiptLevel }[]): ReceiptLevel {
  return RECEIPT_LEVELS.find((known) => judged.some(({ level }) => level === known)) ?? 'none'
}

function verdictOf(checks: readonly Check[]): Verdict {
  return decideVerdict(checks, {
    required: [],
    asOf: true,
    simulated: false,
    acceptUnchecked: [],
    meaning: MEANING,
  })
}

export interface ReceiptAppraisal {
  readonly verdict: Verdict
  readonly level: ReceiptLevel
}

/** Never throws on any bytes. */
export function appraiseReceiptInput(bytes: Uint8Array): ReceiptAppraisal {
  let input: ReceiptInput
  try {
    input = readDocument(bytes)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    const checks = [fail('input.structure', 'report_malformed', PROVES_STRUCTURE, error.message)]
    return { verdict: verdictOf(checks), level: 'none' }
  }
  const { shown, files, options, trusted, log, at, policy, expected } = input
  if (options.level === 'content' && files.opening === null) {
    const detail = 'the level content without an opening'
    const checks = [fail('input.structure', 'report_malformed', PROVES_STRUCTURE, detail)]
    return { verdict: verdictOf(checks), level: 'none' }
  }
  const judged = checkEncodings(shown, (receipt) =>
    checkReceipt(options, { ...files, receipt }, trusted, at, policy, expected),
  )
  const level = lowestLevel(judged)
  const { receipt: text, cose } = shown
  const checks = [
    ...(text === null || cose === null ? [] : [judgeEncodings(text, cose, nodeCrypto)]),
    ...judged.flatMap((one) => one.checks),
    ...(log === null ? [] : judgeLogInput(log, nodeCrypto)),
  ]
  // What was not reached because something else is wrong is not what is wrong.
  const others = checks.filter(({ id }) => id !== 'receipt.level')
  const failed = others.some(({ status }) => status === 'fail')
  return { verdict: verdictOf(failed ? others : checks), level }
}

/** @returns the exit code of the verdict */
export async function appraiseReceiptCommand(
  input: AsyncIterable<unknown> = process.stdin,
): Promise<number> {
  const { verdict, level } = appraiseReceiptInput(await readInput(input, MAX_RECEIPT_INPUT_BYTES))
  process.stdout.write(renderVerdict(verdict, { level }))
  return VERDICT_EXIT_CODES[verdict.verdict]
}
