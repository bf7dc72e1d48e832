/**
 * What the commands share that read one input document from standard input and print one verdict (docs/conformance.md).
 *
 * @module
 */
import { CHECK_CODES } from '../../attestation/appraiser/codes.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import type { Verdict } from '../../attestation/appraiser/verdict.ts'
import { printableJson } from './printable.ts'
import { Refusal } from './refusal.ts'

/** The failed check that decided, as `decideVerdict` weighs them. */
function decidingCode(verdict: Verdict): string {
  if (VERDICT_EXIT_CODES[verdict.verdict] === 0) return 'ok'
  const failed = verdict.checks.filter(({ status }) => status === 'fail')
  const family = (check: Check): string => CHECK_CODES[check.code].family
  const decisive =
    failed.find((check) => !['malformed', 'unsupported'].includes(family(check))) ??
    failed.find((check) => family(check) === 'malformed') ??
    failed[0]
  return decisive?.code ?? 'not_met'
}

/**
 * What is printed, as plain data.
 *
 * @param facts what the verb found beside its checks
 */
export function renderVerdict(verdict: Verdict, facts: object): string {
  const { checks, sentence } = verdict
  const code = decidingCode(verdict)
  return `${printableJson({ verdict: verdict.verdict, code, sentence, ...facts, checks })}\n`
}

/** @param limit bytes; of a longer input so many that the appraisal says that it is too long */
export async function readInput(input: AsyncIterable<unknown>, limit: number): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of input) {
    if (!(chunk instanceof Uint8Array)) throw new Refusal('Standard input is not bytes.')
    size += chunk.length
    if (size > limit) return new Uint8Array(limit + 1)
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks)
}
