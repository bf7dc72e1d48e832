/**
 * `countersign appraise-tdx`: one input document on standard input, one verdict on standard output (docs/conformance.md).
 *
 * @module
 */
import { CHECK_CODES } from '../../attestation/appraiser/codes.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import {
  appraiseTdx,
  MAX_TDX_INPUT_BYTES,
} from '../../attestation/appraiser/report/appraise-tdx.ts'
import type { TdxAppraisal } from '../../attestation/appraiser/report/appraise-tdx.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { printableJson } from './printable.ts'
import { Refusal } from './refusal.ts'

/** The failed check that decided, as `decideVerdict` weighs them. */
function decidingCode({ verdict }: TdxAppraisal): string {
  if (VERDICT_EXIT_CODES[verdict.verdict] === 0) return 'ok'
  const failed = verdict.checks.filter(({ status }) => status === 'fail')
  const family = (check: Check): string => CHECK_CODES[check.code].family
  const decisive =
    failed.find((check) => !['malformed', 'unsupported'].includes(family(check))) ??
    failed.find((check) => family(check) === 'malformed') ??
    failed[0]
  return decisive?.code ?? 'not_met'
}

/** What is printed, as plain data. */
export function renderAppraisal(appraisal: TdxAppraisal): string {
  const { verdict, tcb } = appraisal
  const { checks, sentence } = verdict
  const code = decidingCode(appraisal)
  return `${printableJson({ verdict: verdict.verdict, code, sentence, tcb, checks })}\n`
}

async function readInput(input: AsyncIterable<unknown>): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of input) {
    if (!(chunk instanceof Uint8Array)) throw new Refusal('Standard input is not bytes.')
    size += chunk.length
    // One byte more than is read: the appraisal then says that it is too long.
    if (size > MAX_TDX_INPUT_BYTES) return new Uint8Array(MAX_TDX_INPUT_BYTES + 1)
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks)
}

/** @returns the exit code of the verdict */
export async function appraiseTdxCommand(
  input: AsyncIterable<unknown> = process.stdin,
): Promise<number> {
  const appraisal = appraiseTdx(await readInput(input), nodeCrypto)
  process.stdout.write(renderAppraisal(appraisal))
  return VERDICT_EXIT_CODES[appraisal.verdict.verdict]
}
