/**
 * A command ends by what it found, never because nothing was left to wait for: Node would call that a success, and 0 is
 * `accepted`.
 *
 * @module
 */
import { EXIT } from './exit-codes.ts'

/** Call it before the command; one that ends does so by `process.exit`. */
export function refuseSilence(): void {
  process.exitCode = EXIT.internal
  process.once('beforeExit', () => {
    process.stderr.write('The command ended without a result, which is a fault of its own.\n')
    process.exit(EXIT.internal)
  })
}
