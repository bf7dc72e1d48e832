/**
 * UTF-8, strictly. The two Web classes exist in every runtime but in no ECMAScript library, and the verifier is
 * type-checked without Node's or the DOM's types, so their shape is declared here.
 *
 * @module
 */
declare const TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> }
declare const TextDecoder: new (
  label: string,
  options: { fatal: boolean; ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string }

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function toUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text)
}

/** @returns the text (a byte-order mark is kept), or null where the bytes are not UTF-8 */
export function fromUtf8(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes)
  } catch {
    return null
  }
}
