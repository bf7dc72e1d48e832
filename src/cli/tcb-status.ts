/**
 * `countersign tcb-status <file>`: what Intel's collateral says of a platform now and, by the early channel, will say when
 * the standard one follows; which version numbers are short, by how much; when the answer expires.
 *
 * @module
 */
import { describeSvns } from '../../attestation/appraiser/quote/explain-tcb.ts'
import type { SvnShortfall } from '../../attestation/appraiser/quote/explain-tcb.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import { instant } from './collateral.ts'
import { judgeTcb } from './judge-tcb.ts'
import type { ChannelStatus, JudgeTcbOptions } from './judge-tcb.ts'
import { printable, printableJson } from './printable.ts'
import { readQuote } from './read-quote.ts'

export interface TcbStatusOptions extends JudgeTcbOptions {
  readonly json?: boolean
}

/** In words, e.g. `PCE SVN 11, 13 wanted (short by 2)`. */
export function describeShortfall({ part, index, have, want }: SvnShortfall): string {
  const names = {
    sgx_component: 'SGX TCB component',
    pce: 'PCE SVN',
    tdx_component: 'TDX TCB component',
    tdx_module: 'TDX module SVN',
    quoting_enclave: 'quoting enclave SVN',
  }
  const name = index === null ? names[part] : `${names[part]} ${index + 1}`
  return `${name} ${have}, ${want} wanted (short by ${want - have})`
}

function render({ channel, sentence, tcb, shortfalls }: ChannelStatus): string[] {
  const lines = [`${channel}: ${printable(sentence)}`]
  if (tcb !== null) {
    const { platform, module, quotingEnclave, tcbEvaluationDataNumber, expiresAt } = tcb
    lines.push(
      `  ${tcb.status}: platform ${platform.status} (level of ${instant(platform.date)}), ` +
        `TDX module ${module?.status ?? 'without levels of its own'}, ` +
        `quoting enclave ${quotingEnclave.status}`,
      `  evaluation ${tcbEvaluationDataNumber}; counts until ${instant(expiresAt)}`,
    )
    if (tcb.advisories.length > 0)
      lines.push(`  advisories ${printable(tcb.advisories.join(', '))}`)
  }
  if (shortfalls?.length === 0) lines.push('  no version number is short')
  for (const shortfall of shortfalls ?? []) lines.push(`  ${describeShortfall(shortfall)}`)
  return lines
}

/** How one channel's answer reads in a sentence. */
function inShort({ tcb, verdict }: ChannelStatus): string {
  return tcb === null ? `no status (${verdict})` : tcb.status
}

function conclude([first, early]: readonly ChannelStatus[]): string {
  if (first === undefined) throw new TypeError('no channel was judged')
  const until = first.tcb === null ? '' : ` until ${instant(first.tcb.expiresAt)}`
  const { channel } = first
  const whose = channel === 'given' ? 'collateral given' : `${channel} channel`
  const state = `By the ${whose} ${inShort(first)}${until}`
  if (channel === 'given') return `${state}.`
  if (early === undefined) {
    const other = channel === 'standard' ? 'early' : 'standard'
    return `${state}; the folder holds none of the ${other} channel that is whole.`
  }
  return inShort(first) === inShort(early)
    ? `${state}; the early channel says the same.`
    : `${state}; by the early channel already ${inShort(early)}.`
}

/** @returns the exit code of the verdict under the standard channel; under the early one where a folder holds no other */
export async function tcbStatus(file: string, options: TcbStatusOptions): Promise<number> {
  const quote = await readQuote(file)
  const { at, statuses } = await judgeTcb(quote, file, options)
  const parsed = parseQuote(quote)
  if (options.json === true) {
    process.stdout.write(`${printableJson({ at, channels: statuses })}\n`)
  } else {
    if (parsed.ok) process.stdout.write(`${describeSvns(parsed.quote)}\n`)
    for (const line of statuses.flatMap(render)) process.stdout.write(`${line}\n`)
    process.stdout.write(`\n${conclude(statuses)}\n`)
  }
  return VERDICT_EXIT_CODES[statuses[0]?.verdict ?? 'malformed']
}
