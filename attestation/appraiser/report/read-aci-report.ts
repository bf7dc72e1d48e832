/**
 * The attestation report of ACI (`aci/1`, draft specification in Dstack-TEE/private-ai-gateway of 2026-08-22, §4).
 *
 * @module
 */
import { ACI_VERSION } from '../../protocol/aci-statement.ts'
import { isSha256Digest } from '../../protocol/hex.ts'
import type { Sha256Digest } from '../../protocol/hex.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { parseKeyset } from '../../protocol/keyset.ts'
import type { Keyset } from '../../protocol/keyset.ts'
import { readKeyCustody } from '../custody/read-key-custody.ts'
import type { KeyCustodyEvidence } from '../custody/read-key-custody.ts'
import { MAX_DOCUMENT_BYTES } from '../document/parse-document.ts'
import { MAX_EVENT_LOG_CHARACTERS } from '../eventlog/parse-event-log.ts'
import { MAX_COMPOSE_BYTES } from '../eventlog/verify-compose.ts'
import { MAX_VM_CONFIG_CHARACTERS } from '../eventlog/verify-vm-config.ts'
import { MAX_QUOTE_BYTES } from '../quote/parse-quote.ts'
import { listOf, objectOf, textOf, Unreadable } from '../read-members.ts'

const MAX_PROVENANCE_TEXT = 512
const MAX_E2EE_VERSIONS = 16
const TLS_BINDING = 'downstream_tls_binding'
const E2EE_VERSIONS = 'supported_e2ee_versions'

export interface AciReport {
  readonly keysetDigest: Sha256Digest
  readonly keyset: Keyset
  /** Lower-case hex of 32 bytes, as stated. */
  readonly reportData: string
  readonly quote: string
  /** Lower-case hex of 64 bytes, as stated. */
  readonly quoteReportData: string | null
  readonly eventLog: string
  readonly appCompose: string
  readonly vmConfig: string | null
  /** `unread`: of a form that this version does not read. */
  readonly keyCustody: KeyCustodyEvidence | 'unread' | null
  /** Members of source_provenance that are not null. */
  readonly provenance: ReadonlyMap<string, string>
  /** Names of members with a content that nothing is compared with: a statement about a TLS key, versions of encryption. */
  readonly uncompared: readonly string[]
  /** Exact text of the attestation document of Countersign; null in reports of others. */
  readonly document: string | null
}

const ATTESTATION = [
  ...['tee_type', 'workload_keyset', 'report_data', 'source_provenance', 'evidence'],
]
const EVIDENCE = ['quote', 'event_log', 'app_compose']
const OPTIONAL_EVIDENCE = [
  ...['quote_report_data', 'vm_config', 'key_custody', TLS_BINDING, 'countersign'],
]
const PROVENANCE = ['repo_url', 'repo_commit', 'image_digest', 'image_provenance']

function provenanceOf(value: unknown): Map<string, string> {
  const stated = new Map<string, string>()
  for (const [name, item] of Object.entries(objectOf(value, 'source_provenance', PROVENANCE))) {
    if (item === null) continue
    // A bundle has no form that is read here; it is shown as present.
    stated.set(name, typeof item === 'string' ? textOf(item, name, MAX_PROVENANCE_TEXT) : 'present')
  }
  return stated
}

function optionalText(value: unknown, what: string, limit: number): string | null {
  return value === undefined || value === null ? null : textOf(value, what, limit)
}

/** Of other services it has a form of their own, which is not absent for that. */
function custodyOf(value: unknown): KeyCustodyEvidence | 'unread' | null {
  try {
    return readKeyCustody(value ?? null)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return 'unread'
  }
}

/** @throws Unreadable */
export function readAciReport(value: JsonObject): AciReport {
  if (value['api_version'] !== ACI_VERSION) throw new Unreadable('not aci/1', 'unsupported')
  const report = objectOf(value, 'the report', [
    ...['api_version', 'workload_keyset_digest', 'attestation', 'service_capabilities'],
  ])
  const capabilities = objectOf(report['service_capabilities'], 'service_capabilities', [
    ...[E2EE_VERSIONS, 'serving'],
  ])
  // An aggregator's keys speak for machines that this report says nothing about.
  if (capabilities['serving'] !== 'direct') throw new Unreadable('an aggregator', 'unsupported')
  const e2ee = listOf(capabilities[E2EE_VERSIONS] ?? [], E2EE_VERSIONS, MAX_E2EE_VERSIONS)
  const attestation = objectOf(report['attestation'], 'attestation', ATTESTATION)
  if (attestation['tee_type'] !== 'tdx') throw new Unreadable('another enclave', 'unsupported')
  const evidence = objectOf(attestation['evidence'], 'evidence', EVIDENCE, OPTIONAL_EVIDENCE)
  const keyset = parseKeyset(attestation['workload_keyset'])
  if (!keyset.ok) throw new Unreadable(keyset.detail)
  const keysetDigest = report['workload_keyset_digest']
  if (!isSha256Digest(keysetDigest)) throw new Unreadable('workload_keyset_digest is no digest')
  return {
    keysetDigest,
    keyset: keyset.keyset,
    reportData: textOf(attestation['report_data'], 'report_data', 64),
    quote: textOf(evidence['quote'], 'evidence.quote', 2 * MAX_QUOTE_BYTES),
    quoteReportData: optionalText(evidence['quote_report_data'], 'quote_report_data', 128),
    eventLog: textOf(evidence['event_log'], 'evidence.event_log', MAX_EVENT_LOG_CHARACTERS),
    appCompose: textOf(evidence['app_compose'], 'evidence.app_compose', MAX_COMPOSE_BYTES),
    vmConfig: optionalText(evidence['vm_config'], 'evidence.vm_config', MAX_VM_CONFIG_CHARACTERS),
    keyCustody: custodyOf(evidence['key_custody']),
    provenance: provenanceOf(attestation['source_provenance']),
    uncompared: [
      ...((evidence[TLS_BINDING] ?? null) === null ? [] : [TLS_BINDING]),
      ...(e2ee.length === 0 ? [] : [E2EE_VERSIONS]),
    ],
    document: optionalText(evidence['countersign'], 'evidence.countersign', MAX_DOCUMENT_BYTES),
  }
}
