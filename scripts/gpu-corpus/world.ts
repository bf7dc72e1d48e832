/**
 * The simulated NVIDIA of the corpus: everything that is as it should be, and a stranger who runs the same simulator.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { createAttestationService } from '../../attestation/simulator/nvidia/create-attestation-service.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import type {
  SimulatedGpu,
  SimulatedSwitch,
} from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import type { Entropy } from '../../attestation/simulator/entropy.ts'
import { seeded, seededEntropy } from './entropy.ts'

/** 2026-11-01T00:00:00Z: the moment at which everything is judged. */
export const AT = Date.UTC(2026, 10, 1) / 1000
export const MINUTE = 60
export const HOUR = 3600
export const DAY = 86_400

export const dateOf = (seconds: number): Date => new Date(seconds * 1000)
/** Certificates begin the day before. */
export const NOW = dateOf(AT)

/** Asked of every device. */
export const NONCE = seeded('nonce', 32)

/** The same names lead to other keys. */
const strange: Entropy = {
  keyPair: (name) => seededEntropy.keyPair(`stranger: ${name}`),
  bytes: (name, length) => seededEntropy.bytes(`stranger: ${name}`, length),
  sign: seededEntropy.sign,
}

const MADE = createNvidiaPki({ now: NOW, gpus: 9, switches: 4, entropy: seededEntropy })
/** Eight GPUs and four switches under one root; most cases need the first GPU alone. */
export const PKI = { ...MADE, gpus: MADE.gpus.slice(0, 8) }
export const RIMS = createRimPki({ now: NOW, entropy: seededEntropy })
export const SERVICE = createAttestationService({ now: NOW, entropy: seededEntropy })

export const STRANGER_PKI = createNvidiaPki({ now: NOW, gpus: 1, switches: 1, entropy: strange })
export const STRANGER_RIMS = createRimPki({ now: NOW, entropy: strange })
export const STRANGER_SERVICE = createAttestationService({ now: NOW, entropy: strange })

function at<T>(list: readonly T[], index: number): T {
  const found = list[index]
  if (found === undefined) throw new RangeError(`no device ${index}`)
  return found
}

/** Just as genuine, and in another machine. */
export const gpuElsewhere = (): SimulatedGpu => at(MADE.gpus, 8)
export const gpuOf = (index: number): SimulatedGpu => at(PKI.gpus, index)
export const switchOf = (index: number): SimulatedSwitch => at(PKI.switches, index)
export const strangeGpu = (): SimulatedGpu => at(STRANGER_PKI.gpus, 0)

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function fromHex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'))
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** One bit of one byte; a negative offset counts from the end. */
export function flipped(bytes: Uint8Array, offset: number, bit = 0): Uint8Array {
  const out = Uint8Array.from(bytes)
  const index = offset < 0 ? out.length + offset : offset
  out[index] = (out[index] ?? 0) ^ (1 << bit)
  return out
}

/** `value` in the place of what stands at `offset`. */
export function patched(bytes: Uint8Array, offset: number, value: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes)
  out.set(value, offset < 0 ? out.length + offset : offset)
  return out
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts))
}
