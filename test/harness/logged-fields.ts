/**
 * What a log line may hold: a closed list of fields, each with the shape of its values. Whatever a service of the suite
 * logs is held against it when that service closes, beside the hunt for prompts, tokens and keys.
 */
import type { Canary } from './canary.ts'
import { sightings } from './canary.ts'

export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

const COUNT = /^\d{1,15}(?:\.\d{1,6})?$/
const FLAG = /^(?:true|false)$/
const CODE = /^[a-z][a-z0-9_]{0,63}$/
const NAME = /^(?:[a-z0-9][a-z0-9._-]{0,63}|null)$/
/** A failed check's code, or the class and code of an error. */
const CAUSE = /^[A-Za-z][\w.:-]{0,80}(?: < [A-Za-z][\w.:-]{0,80}){0,3}$/

/** One or more sentences, fixed in the code. */
const ADVICE = /^[A-Z][\w .,;:()*/=-]{20,400}\.$/

const FIELDS: Readonly<Record<string, RegExp>> = {
  advice: ADVICE,
  admissions: COUNT,
  boots: COUNT,
  cause: CAUSE,
  certificate: CODE,
  code: CODE,
  fault: CAUSE,
  first_byte_ms: COUNT,
  keyset: /^sha256:[0-9a-f]{64}$/,
  ms: COUNT,
  outcome: CODE,
  overhead_ms: COUNT,
  queued_ms: COUNT,
  receipts: COUNT,
  receipt: /^(?:sim-)?rcpt-[0-9a-f]{12}$/,
  request_bytes: COUNT,
  response_bytes: COUNT,
  route: /^\/v[12]\/[a-z_/]{1,40}$/,
  signing_ms: COUNT,
  status: /^\d{3}$/,
  stored: FLAG,
  streamed: FLAG,
  until: COUNT,
  upstream: NAME,
}

/** What stands in the lines and must not; empty where all is well. */
export function unfitLogLines(log: readonly LogEntry[], canaries: readonly Canary[]): string[] {
  const problems: string[] = []
  for (const { fields, message } of log) {
    for (const [name, value] of Object.entries(fields)) {
      const shape = FIELDS[name]
      if (shape === undefined) problems.push(`${name} is no field that may be logged`)
      else if (!shape.test(String(value))) problems.push(`${name} has no shape that may be logged`)
    }
    if (!/^[a-z][\w ,;:'-]{1,99}$/.test(message)) problems.push('a message that is no fixed text')
  }
  const text = log.map((entry) => JSON.stringify(entry)).join('\n')
  for (const name of sightings(text, canaries)) problems.push(`${name} stands in the log`)
  return problems
}
