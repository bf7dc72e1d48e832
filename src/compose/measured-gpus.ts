/**
 * How many GPUs the measured compose file requires: for the gate and for the doctor.
 *
 * @module
 */
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'

/** `--require-gpu=8`, `--require-gpu 8`, and as items of a list: `- --require-gpu` and `- "8"`, or `"--require-gpu", "8"`. */
const FLAG = /--require-gpu['"]?(?:=|[\s,-]+)['"]?(\d{1,3})\b/g

/**
 * @param appCompose raw text of app-compose.json
 * @returns every number stated, without comments; empty where there is none
 */
export function measuredGpus(appCompose: string): readonly number[] {
  const parsed = parseJsonText(appCompose)
  const text = parsed.ok && isJsonObject(parsed.value) ? parsed.value['docker_compose_file'] : null
  if (typeof text !== 'string') return []
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'))
  return [...lines.join('\n').matchAll(FLAG)].map(([, count]) => Number(count))
}
