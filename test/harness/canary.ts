/**
 * Words that must never come out where they have no business: prompts, answers, credentials, keys. Each is looked for as
 * it is and in the spellings in which bytes leak.
 */

export interface Canary {
  readonly name: string
  readonly bytes: Buffer
}

export function canary(name: string, value: string | Uint8Array): Canary {
  const bytes = Buffer.from(value)
  if (bytes.length < 8) throw new Error(`${name} is too short to be found for a reason`)
  return { name, bytes }
}

function spellings(bytes: Buffer): readonly string[] {
  const text = bytes.toString('utf8')
  const hex = bytes.toString('hex')
  return [
    bytes.toString('latin1'),
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text.toWellFormed()),
    hex,
    hex.toUpperCase(),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
  ]
}

/** Names of the canaries that `text` holds in any spelling. */
export function sightings(text: string, canaries: readonly Canary[]): string[] {
  return canaries
    .filter(({ bytes }) => spellings(bytes).some((spelling) => text.includes(spelling)))
    .map(({ name }) => name)
}
