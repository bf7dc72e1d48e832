/**
 * The configuration file of `serve`.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { parseJson } from '../../attestation/protocol/json.ts'
import { Refusal } from './refusal.ts'

const MAX_CONFIG_BYTES = 256 * 1024

/** @throws Refusal where it cannot be read or is no JSON that all readers read alike */
export async function readConfigFile(path: string): Promise<unknown> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch {
    throw new Refusal(`The configuration file ${path} cannot be read.`)
  }
  if (bytes.length > MAX_CONFIG_BYTES) throw new Refusal(`${path} is too large.`)
  const parsed = parseJson(bytes)
  if (!parsed.ok) throw new Refusal(`${path} is not a JSON document (${parsed.fault}).`)
  return parsed.value
}
