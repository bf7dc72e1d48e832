/**
 * Finds the GPU evidence in a file that was named on the command line.
 *
 * @module
 */
import { parseDocument } from '../../attestation/appraiser/document/parse-document.ts'
import { parseGpuFile } from '../../attestation/appraiser/gpu/parse-gpu-file.ts'
import { parseNrasPayload } from '../../attestation/appraiser/gpu/parse-nras-payload.ts'
import { parseReport } from '../../attestation/appraiser/report/parse-report.ts'
import { parseJsonText } from '../../attestation/protocol/json.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import type { FileLayout } from './appraise-report-file.ts'

function ofPayload(text: string): readonly unknown[] | null {
  const parsed = parseJsonText(text)
  const payload = parsed.ok ? parseNrasPayload(parsed.value) : null
  return payload?.ok === true ? payload.evidence : null
}

function ofDocument(bytes: Uint8Array): readonly unknown[] | null {
  const parsed = parseDocument(bytes)
  return parsed.ok ? parsed.document.gpu : null
}

/**
 * @param bytes unwrapped
 * @returns the devices, unverified; null where it holds none or cannot be read, which the appraisal says better
 */
export function readGpuEvidence(bytes: Uint8Array, layout: FileLayout): readonly unknown[] | null {
  switch (layout) {
    case 'ratls':
    case 'nras':
    case 'evidence':
    case 'unclear':
      return null
    case 'gpu': {
      const parsed = parseGpuFile(bytes)
      return parsed.ok ? parsed.list : null
    }
    case 'countersign':
    case 'dstack':
    case 'vllm-proxy':
    case 'aci':
      break
  }
  const parsed = parseReport(bytes, layout)
  if (!parsed.ok) return null
  switch (parsed.layout) {
    case 'countersign':
      return ofDocument(bytes)
    case 'dstack':
      return null
    case 'vllm-proxy':
      return ofPayload(parsed.report.nvidiaPayload ?? '')
    case 'aci':
      return parsed.report.document === null ? null : ofDocument(toUtf8(parsed.report.document))
  }
}
