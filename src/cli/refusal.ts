/**
 * A command that cannot start: one sentence, and nothing else is printed.
 *
 * @module
 */
import { EXIT } from './exit-codes.ts'
import { printable, printableLines } from './printable.ts'

export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly exit: number
  /** @param exit default: the command was used wrongly */
  constructor(message: string, exit: number = EXIT.usage) {
    super(message)
    this.exit = exit
  }
}

/** Prints what stopped a command and ends the process. */
export function exitWith(error: unknown): never {
  if (error instanceof Refusal) {
    process.stderr.write(`${printable(error.message)}\n`)
    process.exit(error.exit)
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`${printableLines(text)}\n`)
  process.exit(EXIT.internal)
}
