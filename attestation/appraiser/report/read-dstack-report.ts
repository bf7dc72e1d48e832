/**
 * What `GetQuote` of dstack's guest agent answers, and what dstack's own verifier takes (dstack 0.5.11, 2026-05-11,
 * `guest-agent/rpc/proto/agent_rpc.proto`; `verifier/src/types.rs`).
 *
 * @module
 */
import type { JsonObject } from '../../protocol/json.ts'
import { MAX_EVENT_LOG_CHARACTERS } from '../eventlog/parse-event-log.ts'
import { MAX_VM_CONFIG_CHARACTERS } from '../eventlog/verify-vm-config.ts'
import { MAX_QUOTE_BYTES } from '../quote/parse-quote.ts'
import { objectOf, textOf, Unreadable } from '../read-members.ts'

const REPORT_DATA_HEX = /^(?:[0-9a-f]{2}){0,64}$/

export interface DstackReport {
  /** Lower-case hex. */
  readonly quote: string
  /** JSON text. */
  readonly eventLog: string
  /** JSON text. */
  readonly vmConfig: string
  /** Lower-case hex of what the report says was quoted; null where it does not say. */
  readonly reportData: string | null
}

/** @throws Unreadable */
export function readDstackReport(value: JsonObject): DstackReport {
  const optional = ['report_data', 'attestation']
  const report = objectOf(value, 'the report', ['quote', 'event_log', 'vm_config'], optional)
  // The branch for 0.6 has it for enclaves of other kinds; empty beside a TDX quote. Two pieces of evidence for one claim
  // would leave it open which of them was judged.
  const attestation = report['attestation'] ?? ''
  if (attestation !== '') throw new Unreadable('a versioned attestation', 'unsupported')
  const reportData = report['report_data'] ?? null
  if (reportData !== null) {
    if (typeof reportData !== 'string' || !REPORT_DATA_HEX.test(reportData)) {
      throw new Unreadable('report_data is not hex of at most 64 bytes')
    }
  }
  return {
    quote: textOf(report['quote'], 'quote', 2 * MAX_QUOTE_BYTES),
    eventLog: textOf(report['event_log'], 'event_log', MAX_EVENT_LOG_CHARACTERS),
    vmConfig: textOf(report['vm_config'], 'vm_config', MAX_VM_CONFIG_CHARACTERS),
    reportData,
  }
}
