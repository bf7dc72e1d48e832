/**
 * The part of node-forge 1.4.3 that the verifier uses. Declared here because @types/node-forge 1.3.14 lacks the options
 * of `fromDer`, and because it pulls in Node's types, which the verifier is checked without. Only `lib/asn1.js` is
 * imported, so that a browser build does not carry forge's ciphers.
 */
declare module 'node-forge/lib/asn1.js' {
  /** Strings hold one byte a character. */
  interface Asn1 {
    readonly constructed: boolean
    readonly value: string | readonly Asn1[]
  }
  const asn1: {
    fromDer(
      bytes: string,
      options: {
        strict: boolean
        parseAllBytes: boolean
        decodeBitStrings: boolean
        maxDepth: number
      },
    ): Asn1
    toDer(node: Asn1): { getBytes(): string }
  }
  export { asn1 as default }
}
