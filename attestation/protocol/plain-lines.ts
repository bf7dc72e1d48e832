/**
 * Characters that make one text two, depending on who reads it.
 *
 * @module
 */

/**
 * Everything but a line feed that a reader could take for the end of a line, for the end of the text or for nothing. YAML 1.1,
 * by which Docker's Compose reads, ends a comment at U+000D, U+0085, U+2028 and U+2029 too (section 4.2); YAML 1.2 does not
 * (1.2.2, section 5.4): what is a comment here would be keys there. Formatting characters show a reviewer another order of the
 * text than the one that is read.
 */
export const READ_DIFFERENTLY = /[^\n\P{Cc}]|[\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\ufffe\uffff]/u
