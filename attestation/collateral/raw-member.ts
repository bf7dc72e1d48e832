/**
 * The exact text of one member of a JSON object.
 *
 * Intel signs the value of `tcbInfo` and of `enclaveIdentity` as it stands in the answer (PCS API v4, appendices A and B).
 * Parsing and writing it again keeps that text only as long as no writer orders members or spells numbers otherwise.
 *
 * @module
 */

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^"{}[\],:]+/g

/**
 * @param text an object that a strict parser has accepted, so that its members are well-formed and named once
 * @returns the value from its first to its last character; null where there is no such member
 */
export function rawMember(text: string, name: string): string | null {
  let depth = 0
  let key = ''
  let start: number | null = null
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    if (depth === 1 && token === ':') start = index + 1
    else if (start === null && token.startsWith('"')) key = token
    const ends = (depth === 1 && token === ',') || depth === 0
    if (!ends || start === null) continue
    // A name may be written with escapes; what a parser reads is what counts.
    if (JSON.parse(key) === name) return text.slice(start, index).trim()
    start = null
  }
  return null
}
