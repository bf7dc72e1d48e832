/**
 * Commands that judge one input document from standard input, for comparing verifiers (docs/conformance.md).
 *
 * @module
 */
import type { Command } from 'commander'
import { appraiseGpuCommand } from './appraise-gpu.ts'
import { appraiseNrasCommand } from './appraise-nras.ts'
import { appraiseReceiptCommand } from './appraise-receipt.ts'
import { appraiseTdxCommand } from './appraise-tdx.ts'

const COMMANDS = [
  ['appraise-tdx', 'judge the TDX evidence', appraiseTdxCommand],
  ['appraise-gpu', 'judge the NVIDIA GPU evidence', appraiseGpuCommand],
  ['appraise-nras', 'judge an answer of NVIDIA’s attestation service', appraiseNrasCommand],
  ['appraise-receipt', 'judge a receipt under a keyset', appraiseReceiptCommand],
] as const

export function addConformanceCommands(program: Command): void {
  for (const [name, description, judge] of COMMANDS) {
    program
      .command(name)
      .description(`${description} on standard input (JSON, docs/conformance.md)`)
      .action(async () => {
        process.exit(await judge())
      })
  }
}
