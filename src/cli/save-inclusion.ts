/**
 * The proof that a receipt's record is in the log. There is one once a published head covers the record, which heads do on a schedule: who saves
 * right after the answer waits for it, or has a file without.
 *
 * @module
 */
import { unwrapDocument } from '../../attestation/appraiser/document/parse-document.ts'
import { parseInclusionProof } from '../../attestation/appraiser/log/parse-log-proofs.ts'
import { counted } from '../../attestation/appraiser/counted.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import { EXIT } from './exit-codes.ts'
import type { DoorAnswer, ReceiptDoor } from './receipt-door.ts'
import { Refusal } from './refusal.ts'
import { textOf } from './text-of.ts'

/** Milliseconds that `--wait` waits at most, for each receipt. The default interval of heads is a minute. */
export const LOG_WAIT_MS = 180_000
/** Between two looks. */
export const LOG_LOOK_MS = 1_000

function codeOf({ body }: DoorAnswer): string | null {
  const parsed = parseJson(body)
  const error = parsed.ok && isJsonObject(parsed.value) ? parsed.value['error'] : null
  const code = isJsonObject(error) ? error['code'] : null
  return typeof code === 'string' && /^[a-z_]{1,64}$/.test(code) ? code : null
}

function within({ retryAfter }: DoorAnswer): string {
  return retryAfter !== null && /^\d{1,6}$/.test(retryAfter)
    ? ` (within ${counted(Number(retryAfter), 'second')})`
    : ''
}

/** Why there is none, and what to do. */
function reasonOf(answer: DoorAnswer, waited: boolean): string {
  const code = codeOf(answer)
  switch (code) {
    case 'log_not_published':
      return waited
        ? `it is in the log, and no published head covered it within ${counted(LOG_WAIT_MS / 1_000, 'second')}: save it again later`
        : `it is in the log, and no published head covers it yet: save it again when the next one is there${within(answer)}, or with --wait, which waits for it`
    case 'log_boot_unknown':
      return 'the service keeps no log of the boot that made it: another replica made it, then ask that one, by its own address; or its store was lost'
    case 'log_off':
      return 'the service keeps no log'
    case null:
    default:
      return `the service answered ${answer.status}${code === null ? '' : `, ${code}`}`
  }
}

/** @returns its exact text; null where there is none, which is said on standard error */
export async function saveInclusion(
  door: ReceiptDoor,
  id: string,
  headers: Readonly<Record<string, string>>,
  wait: boolean,
): Promise<string | null> {
  const until = performance.now() + LOG_WAIT_MS
  let answer = await door.ask(`log/inclusion/${id}`, headers)
  while (wait && codeOf(answer) === 'log_not_published' && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, LOG_LOOK_MS))
    answer = await door.ask(`log/inclusion/${id}`, headers)
  }
  if (answer.status !== 200) {
    process.stderr.write(
      `Receipt ${id}: no proof of the log is saved: ${reasonOf(answer, wait)}.\n`,
    )
    return null
  }
  const text = textOf(unwrapDocument(answer.body), `The proof of ${id}`)
  if (parseInclusionProof(text) === null) {
    throw new Refusal(`The proof of ${id} cannot be read.`, EXIT.malformed)
  }
  return text
}
