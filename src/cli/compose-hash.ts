/**
 * `countersign compose hash <file>`: the hash alone on standard output, warnings and refusals on standard error.
 *
 * @module
 */
import { open } from 'node:fs/promises'
import { MAX_COMPOSE_BYTES } from '../../attestation/appraiser/eventlog/verify-compose.ts'
import { COMPOSE_PROBLEMS, COMPOSE_WARNINGS, hashCompose } from '../compose/hash-compose.ts'
import { EXIT } from './exit-codes.ts'
import { printable } from './printable.ts'
import { Refusal } from './refusal.ts'

export interface Printer {
  out(line: string): void
  err(line: string): void
}

const PROCESS: Printer = {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${printable(line)}\n`),
}

/** Reads one byte more than a guest accepts and no further, whatever the path leads to. */
async function readStart(path: string): Promise<Uint8Array> {
  const buffer = new Uint8Array(MAX_COMPOSE_BYTES + 1)
  let length = 0
  try {
    const file = await open(path, 'r')
    try {
      while (length < buffer.length) {
        const { bytesRead } = await file.read(buffer, length, buffer.length - length)
        if (bytesRead === 0) break
        length += bytesRead
      }
    } finally {
      await file.close()
    }
  } catch {
    throw new Refusal(`${path} cannot be read.`)
  }
  return buffer.subarray(0, length)
}

/**
 * @returns the exit code: 0, or 30 for a file that is refused
 * @throws Refusal where the file cannot be read
 */
export async function composeHash(path: string, print: Printer = PROCESS): Promise<number> {
  const result = hashCompose(await readStart(path))
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
