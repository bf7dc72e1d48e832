/**
 * `countersign compose hash <file>`: the hash alone on standard output, warnings and refusals on standard error.
 *
 * @module
 */
import { COMPOSE_WARNINGS, hashCompose } from '../compose/hash-compose.ts'
import { COMPOSE_PROBLEMS } from '../compose/read-compose.ts'
import { EXIT } from './exit-codes.ts'
import { printable } from './printable.ts'
import { readComposeFile } from './read-compose-file.ts'

export interface Printer {
  out(line: string): void
  err(line: string): void
}

/** To standard output and standard error; what is quoted from a file cannot act on a terminal. */
export const PROCESS: Printer = {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${printable(line)}\n`),
}

/**
 * @returns the exit code: 0, or 30 for a file that is refused
 * @throws Refusal where the file cannot be read
 */
export async function composeHash(path: string, print: Printer = PROCESS): Promise<number> {
  const result = hashCompose(await readComposeFile(path))
  if (!result.ok) {
    print.err(`${result.problem}: ${COMPOSE_PROBLEMS[result.problem]}`)
    return EXIT.malformed
  }
  for (const { code, subject } of result.warnings) {
    print.err(`warning: ${code}: ${subject === '' ? '' : `${subject}: `}${COMPOSE_WARNINGS[code]}`)
  }
  print.out(result.hash)
  return EXIT.accepted
}
