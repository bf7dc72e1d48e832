/**
 * Before a command holds a key or a token: other programs of its user cannot look into it from then on, and what it starts
 * gains no rights.
 *
 * @module
 */
import { confineProcess } from '../../attestation/attester/confine-process.ts'

const WHY = {
  unbound: 'the optional package koffi is not installed',
  refused: 'the kernel refused prctl',
} as const

/** Says on standard error where it could not: the command then works as well, and is open to programs of the same user. */
export async function hideProcess(): Promise<void> {
  const outcome = await confineProcess()
  if (outcome === 'confined' || process.platform !== 'linux') return
  process.stderr.write(
    `Other programs of this user can read the memory of this process: ${WHY[outcome]}.\n`,
  )
}
