/**
 * The heads that a verifier remembers, by the name of the log.
 *
 * @module
 */
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'
import { readLogHead } from '../../protocol/log/leaves.ts'
import { isLogOrigin, parseLogOrigin } from '../../protocol/log/log-origin.ts'
import type { LogHead } from '../../protocol/statement.ts'

export const LOG_STATE_VERSION = 'countersign.log_state.v1'
/** Logs that are remembered. One more is refused: none is forgotten for it. */
export const MAX_REMEMBERED_LOGS = 1024
/** Boots of a log that are remembered beside the last. */
export const MAX_PAST_BOOTS = 64
/** Characters of the file: more than that many logs with that many boots need. */
export const MAX_LOG_STATE = 32 * 1024 * 1024

export interface RememberedLog {
  /** The last head that was judged. */
  readonly head: LogHead
  /** Origins of boots before it, the last first: another boot that follows one of them is a fork. */
  readonly past: readonly string[]
}

export type LogState = ReadonlyMap<string, RememberedLog>

/** What is remembered of the log of that name; null for anything else. */
export function readRememberedLog(name: string, value: unknown): RememberedLog | null {
  if (!isJsonObject(value) || Object.keys(value).toSorted().join() !== 'head,past') return null
  const head = readLogHead(value['head'])
  const { past } = value
  if (head === null || !Array.isArray(past) || past.length > MAX_PAST_BOOTS) return null
  const origins: string[] = []
  for (const origin of past as readonly unknown[]) {
    if (!isLogOrigin(origin) || parseLogOrigin(origin)?.name !== name) return null
    origins.push(origin)
  }
  return parseLogOrigin(head.origin)?.name === name ? { head, past: origins } : null
}

/** Null for anything but a state that {@link formatLogState} could have written. */
export function parseLogState(text: string): LogState | null {
  if (text.length > MAX_LOG_STATE) return null
  const parsed = parseJsonText(text)
  if (!parsed.ok || !isJsonObject(parsed.value)) return null
  const { version, logs } = parsed.value
  if (Object.keys(parsed.value).length !== 2 || version !== LOG_STATE_VERSION) return null
  if (!isJsonObject(logs)) return null
  const state = new Map<string, RememberedLog>()
  for (const [name, value] of Object.entries(logs)) {
    const entry = readRememberedLog(name, value)
    if (entry === null || state.size >= MAX_REMEMBERED_LOGS) return null
    state.set(name, entry)
  }
  return state
}

export function formatLogState(state: LogState): string {
  const logs = Object.fromEntries([...state].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return `${JSON.stringify({ version: LOG_STATE_VERSION, logs }, null, 1)}\n`
}
