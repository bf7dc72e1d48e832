/**
 * How many GPUs the measured compose file requires: for the gate and for the doctor.
 *
 * @module
 */
import type { Platform } from '../../attestation/attester/evidence-source.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'

/** `--require-gpu=8`, `--require-gpu 8`, and as items of a list: `- --require-gpu` and `- "8"`, or `"--require-gpu", "8"`. */
const FLAG = /--require-gpu['"]?(?:=|[\s,-]+)['"]?(\d{1,3})\b/g

/** TAPP measures the compose file itself; dstack the document that it is a member of. */
function composeFile(measured: string, platform: Platform): unknown {
  if (platform === 'tapp') return measured
  const parsed = parseJsonText(measured)
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value['docker_compose_file'] : null
}

/**
 * @param measured raw text of app-compose.json, under TAPP of the compose file
 * @returns every number stated, without comments; empty where there is none
 */
export function measuredGpus(measured: string, platform: Platform): readonly number[] {
  const text = composeFile(measured, platform)
  if (typeof text !== 'string') return []
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'))
  return [...lines.join('\n').matchAll(FLAG)].map(([, count]) => Number(count))
}
