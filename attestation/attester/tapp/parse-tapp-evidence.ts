/**
 * TAPP's evidence: `{"cc_eventlog","gpu_evidence","quote","runtime_data"}`, each but the second base64 (0g-tapp, 0.4 to 0.9,
 * `docs/EVIDENCE_AND_AS_VERIFICATION.md`, 2026). The quote's report data is the SHA-512 of the bytes of `runtime_data`.
 *
 * @module
 */
import { decodeBase64 } from '../../protocol/base64.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { MAX_RUNTIME_DATA_BYTES, parseTappRuntimeData } from '../../protocol/tapp-runtime-data.ts'
import { readReportData } from '../dstack/read-report-data.ts'
import { TappError } from './tapp-error.ts'

const MAX_QUOTE_BYTES = 64 * 1024

export interface TappEvidence {
  readonly quote: Uint8Array
  /** TCG2 log, binary. */
  readonly eventLog: Uint8Array
  /** JSON as TAPP wrote it: the quote is over exactly these bytes. */
  readonly runtimeData: Uint8Array
  /** Lower-case `0x` address of the app's key of this boot. */
  readonly signer: string
}

function base64Of(evidence: JsonObject, name: string): Uint8Array {
  const value = evidence[name]
  const bytes = typeof value === 'string' ? decodeBase64(value) : null
  if (bytes === null || bytes.length === 0) throw new TappError('tapp_malformed', name)
  return bytes
}

/**
 * @param bytes of `GetEvidenceResponse.evidence`
 * @param nonce that was sent
 * @param sha512 of the crypto port
 * @throws TappError
 */
export function parseTappEvidence(
  bytes: Uint8Array,
  nonce: Uint8Array,
  sha512: (data: Uint8Array) => Uint8Array,
): TappEvidence {
  const parsed = parseJson(bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) {
    throw new TappError('tapp_malformed', 'the evidence is no JSON object')
  }
  const evidence = parsed.value
  // Before 0.4 the quote was over the signer alone, whatever nonce was sent.
  if (evidence['runtime_data'] === undefined) {
    throw new TappError('tapp_nonce_ignored', 'no runtime_data')
  }
  const quote = base64Of(evidence, 'quote')
  const runtimeData = base64Of(evidence, 'runtime_data')
  if (quote.length > MAX_QUOTE_BYTES || runtimeData.length > MAX_RUNTIME_DATA_BYTES) {
    throw new TappError('tapp_too_large', 'quote or runtime_data')
  }
  const quoted = readReportData(quote)
  if (quoted === null) throw new TappError('tapp_malformed', 'quote')
  // Only then what it says: JSON that the quote does not cover is anybody's.
  if (Buffer.compare(quoted, sha512(runtimeData)) !== 0) {
    throw new TappError('tapp_wrong_report_data', 'quote')
  }
  const said = parseTappRuntimeData(runtimeData)
  if (!said.ok) throw new TappError('tapp_malformed', 'runtime_data')
  const { nonce: echoed, signer } = said.data
  if (echoed === null || Buffer.compare(echoed, nonce) !== 0) {
    throw new TappError('tapp_nonce_ignored', 'runtime_data.nonce')
  }
  return {
    quote,
    eventLog: base64Of(evidence, 'cc_eventlog'),
    runtimeData,
    signer,
  }
}
