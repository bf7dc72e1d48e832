/**
 * `countersign compose check <file>`: one line for each reason to refuse the file, and the hash of a file that is fit.
 *
 * @module
 */
import { checkCompose } from '../compose/check-compose.ts'
import { COMPOSE_REFUSALS } from '../compose/compose-refusals.ts'
import type { ComposeFinding } from '../compose/compose-refusals.ts'
import { COMPOSE_PROBLEMS } from '../compose/read-compose.ts'
import { PROCESS } from './compose-hash.ts'
import type { Printer } from './compose-hash.ts'
import { EXIT } from './exit-codes.ts'
import { printableJson } from './printable.ts'
import { readComposeFile } from './read-compose-file.ts'

export interface ComposeCheckOptions {
  readonly template?: boolean
  readonly json?: boolean
}

const explained = ({ code, where }: ComposeFinding) => ({
  code,
  where,
  message: COMPOSE_REFUSALS[code],
})

/**
 * @returns the exit code: 0 for a file that is fit, 10 for one that is refused, 30 for one that cannot be read as a compose
 * @throws Refusal where the file cannot be read
 */
export async function composeCheck(
  path: string,
  options: ComposeCheckOptions = {},
  print: Printer = PROCESS,
): Promise<number> {
  const result = checkCompose(await readComposeFile(path), { template: options.template === true })
  if (!result.ok) {
    const message = COMPOSE_PROBLEMS[result.problem]
    if (options.json === true) {
      print.out(printableJson({ accepted: false, problem: { code: result.problem, message } }))
    } else print.err(`${result.problem}: ${message}`)
    return EXIT.malformed
  }
  const { hash, findings, placeholders } = result
  const accepted = findings.length === 0
  if (options.json === true) {
    print.out(
      printableJson({
        accepted,
        compose_hash: hash,
        findings: findings.map(explained),
        placeholders: placeholders.map(explained),
      }),
    )
    return accepted ? EXIT.accepted : EXIT.rejected
  }
  for (const finding of findings) {
    const { code, where } = finding
    // A member that is itself what is wrong would be named twice.
    print.err(`${code}: ${where === code ? '' : `${where}: `}${COMPOSE_REFUSALS[code]}`)
  }
  if (!accepted) return EXIT.rejected
  if (placeholders.length > 0) {
    print.err(
      `A template: ${placeholders.length} places are still to be filled in, and its hash is not the one that will be measured.`,
    )
  } else print.out(hash)
  return EXIT.accepted
}
