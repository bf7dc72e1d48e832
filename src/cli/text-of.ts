import { fromUtf8 } from '../../attestation/protocol/utf8.ts'
import { EXIT } from './exit-codes.ts'
import { Refusal } from './refusal.ts'

/** @throws Refusal for bytes that are no text */
export function textOf(bytes: Uint8Array, what: string): string {
  const text = fromUtf8(bytes)
  if (text === null) throw new Refusal(`${what} is not UTF-8.`, EXIT.malformed)
  return text
}
