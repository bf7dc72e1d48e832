/**
 * The text of attestation documents of one round, of which all but the last some hundred bytes is the same for everybody who was
 * answered by it: encoded once, and shared by a thousand answers that would otherwise be a hundred megabytes of copies.
 *
 * @module
 */

export interface DocumentParts {
  /** The exact JSON text. */
  text(): string
  /** Its bytes, in parts; the first is shared. */
  bytes(): readonly Uint8Array[]
  /** The bytes of `{"document":"<the exact JSON text>"}`. */
  wrapped(): readonly Uint8Array[]
}

export interface DocumentHead {
  /** @param tail what the text ends with */
  with(tail: string): DocumentParts
}

/** The characters of a text inside a JSON string. */
function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/** @param head what the texts begin with. Its last character is ASCII, so that the parts can be escaped one by one */
export function createDocumentHead(head: string): DocumentHead {
  let plain: Uint8Array | null = null
  let inside: Uint8Array | null = null
  return {
    with: (tail) => ({
      text: () => head + tail,
      bytes: () => [(plain ??= Buffer.from(head)), Buffer.from(tail)],
      wrapped: () => [
        (inside ??= Buffer.from(`{"document":"${escaped(head)}`)),
        Buffer.from(`${escaped(tail)}"}`),
      ],
    }),
  }
}
