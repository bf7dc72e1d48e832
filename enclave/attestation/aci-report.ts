/**
 * The ACI door: `aci/1` report over the same keyset, with a quote of its own because ACI fixed the report data.
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { ACI_VERSION, aciReportData } from '../../attestation/protocol/aci-statement.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type { BootKeys, NamedKeyset } from '../keys/boot-keys.ts'
import { AttestationError } from './attestation-error.ts'
import type { Attestor } from './attestor.ts'
import type { Caller } from './single-quotes.ts'

/** Attempts at a report: a keyset is renewed once in days, so the second one finds it in force. */
const MAX_ATTEMPTS = 2

/** The report's JSON text; `evidence.countersign` holds the whole canonical document for the same nonce. */
export async function aciReport(
  attestor: Attestor,
  keys: BootKeys,
  nonce: Hex32 | null,
  caller: Caller,
): Promise<string> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const text = await reportOf(keys.current, attestor, keys, nonce, caller)
    if (text !== null) return text
  }
  throw new AttestationError('attestation_busy')
}

/** @returns null where the keyset was renewed between the two quotes: report and document inside must be of one keyset */
async function reportOf(
  { keyset, digest }: NamedKeyset,
  attestor: Attestor,
  keys: BootKeys,
  nonce: Hex32 | null,
  caller: Caller,
): Promise<string | null> {
  const binding = aciReportData(digest, nonce, nodeCrypto)
  const slot = new Uint8Array(64)
  slot.set(binding)
  const [canonical, { cpu }] = await Promise.all([
    attestor.vouched(nonce, { abandoned: caller.hasLeft }),
    nonce === null
      ? attestor.cachedEvidenceFor(slot)
      : attestor.evidenceFor(slot, null, caller, 'aci'),
  ])
  if (canonical.keyset.digest !== digest) return null
  return JSON.stringify({
    api_version: ACI_VERSION,
    workload_keyset_digest: digest,
    attestation: {
      tee_type: 'tdx',
      workload_keyset: keyset,
      report_data: toHex(binding),
      source_provenance: {
        repo_url: null,
        repo_commit: null,
        image_digest: null,
        image_provenance: null,
      },
      evidence: {
        quote: toHex(cpu.quote),
        quote_report_data: toHex(slot),
        event_log: cpu.eventLog,
        app_compose: attestor.appCompose,
        vm_config: cpu.vmConfig,
        key_custody: keys.address.custody,
        downstream_tls_binding: null,
        countersign: canonical.text(),
      },
    },
    service_capabilities: { supported_e2ee_versions: [], serving: 'direct' },
  })
}
