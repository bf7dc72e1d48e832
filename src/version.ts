/**
 * The package's version, as attested and as printed.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { isJsonObject, parseJson } from '../attestation/protocol/json.ts'

/** From the sources the package file lies one level up, from the build two. */
function readVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    let bytes: Buffer
    try {
      bytes = readFileSync(new URL(path, import.meta.url))
    } catch {
      continue
    }
    const parsed = parseJson(bytes)
    if (!parsed.ok || !isJsonObject(parsed.value)) continue
    const { name, version } = parsed.value
    if (name === 'countersign' && typeof version === 'string') return version
  }
  throw new Error('package.json of countersign is missing beside the code')
}

export const VERSION: string = readVersion()
