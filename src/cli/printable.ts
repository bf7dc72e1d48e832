/**
 * Text of the party being judged as a terminal may show it, or a log may keep it.
 *
 * Details quote names and warnings out of the evidence: an escape sequence in one could clear the screen and print a verdict
 * of its own, a bidirectional control turn a sentence round, an invisible character make two names look alike.
 *
 * @module
 */

/**
 * Controls, formats, line and paragraph separators, lone surrogates, and what Unicode tells a renderer to leave out
 * (Unicode 16 §5.21: Hangul fillers, variation selectors, tags).
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu

/** Each UTF-16 code unit as JSON writes it. */
function escape(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('')
}

/** One line, however the text was made. */
export function printable(text: string): string {
  return text.replace(UNSEEN, escape)
}

/** {@link printable} for a text of our own with lines, such as a stack. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** JSON of the same value, indented, whose strings hold no such character raw. */
export function printableJson(value: unknown): string {
  // Outside of strings JSON.stringify writes none of these but line feeds, and inside of strings no raw line feed.
  return printableLines(JSON.stringify(value, null, 2))
}
