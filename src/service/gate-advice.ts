/**
 * What an operator can do about evidence of the service's own that does not pass.
 *
 * @module
 */
import type { GATE_CAUSES } from './gate.ts'

const ADVICE: Readonly<Record<keyof typeof GATE_CAUSES, string>> = {
  clock_set_back:
    'Set the clock of the guest right. With secure_time in app-compose.json the host does not decide it.',
  gpu_count_vm_config:
    'Correct --require-gpu, or stop the machine and correct its GPU list on the host.',
  gpu_count_compose:
    'Make --require-gpu of the measured compose file and of this process one number. Another compose text is another compose hash.',
}

const OF_A_CHECK =
  'A check of the evidence failed: docs/errors.md says what the code means, and countersign doctor what to do.'

/** @param cause as the gate named it @returns one or two sentences that may stand in a log */
export function gateAdvice(cause: string): string {
  return Object.entries(ADVICE).find(([known]) => known === cause)?.[1] ?? OF_A_CHECK
}
