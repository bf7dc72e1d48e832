/**
 * The vllm-proxy door: the report that this family of proxies serves, and that 0G's SDK reads.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { GuestFacts } from '../../attestation/attester/evidence-source.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { hex32Bytes } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import type { JsonValue } from '../../attestation/protocol/json.ts'
import type { BootKeys } from '../keys/boot-keys.ts'
import type { TlsKey } from '../keys/tls-key.ts'
import type { Attestor } from './attestor.ts'
import type { Caller } from './single-quotes.ts'

export type LegacyAlgo = 'ecdsa' | 'ed25519'

/** dstack's type of runtime events, all of them in RTMR3. */
const RUNTIME_EVENT_TYPE = 0x08000001

/**
 * This layout ends in the nonce as it is, and others end in zeros: a nonce that ends in eight zero bytes would make a
 * quote that reads as another layout.
 */
export function isAmbiguousNonce(nonce: Hex32): boolean {
  return nonce.endsWith('0'.repeat(16))
}

/** Agents since 0.5.6 leave the digests of runtime events empty; verifiers of this family replay supplied ones. */
export function withRuntimeDigests(eventLog: string): string {
  const parsed = parseJsonText(eventLog)
  if (!parsed.ok || !Array.isArray(parsed.value)) return eventLog
  const events = parsed.value as readonly JsonValue[]
  return JSON.stringify(
    events.map((event) => {
      if (!isJsonObject(event)) return event
      const { digest, event: name, event_payload: payload } = event
      if (event['event_type'] !== RUNTIME_EVENT_TYPE || digest !== '') return event
      if (typeof name !== 'string' || typeof payload !== 'string') return event
      const type = Buffer.alloc(4)
      type.writeUInt32LE(RUNTIME_EVENT_TYPE)
      const hash = createHash('sha384').update(type).update(`:${name}:`)
      return { ...event, digest: hash.update(Buffer.from(payload, 'hex')).digest('hex') }
    }),
  )
}

function infoObject(facts: GuestFacts): JsonValue {
  const info = parseJsonText(facts.info)
  if (!info.ok || !isJsonObject(info.value)) return null
  const tcb = parseJsonText(facts.tcbInfo)
  return { ...info.value, tcb_info: tcb.ok ? tcb.value : facts.tcbInfo }
}

export interface VllmProxyRequest {
  readonly algo: LegacyAlgo
  /** Checked with {@link isAmbiguousNonce}. */
  readonly nonce: Hex32
  /** Quote the TLS key beside the signing key (`include_tls_fingerprint`); null: the signing key alone. */
  readonly tls: Pick<TlsKey, 'spkiSha256'> | null
}

/** The report's JSON text. */
export async function vllmProxyReport(
  attestor: Attestor,
  keys: BootKeys,
  facts: GuestFacts,
  { algo, nonce, tls }: VllmProxyRequest,
  caller: Caller,
): Promise<string> {
  const slot = new Uint8Array(64)
  const identity =
    algo === 'ecdsa' ? Buffer.from(keys.address.address.slice(2), 'hex') : keys.legacy.publicKey
  // Of this family since 2026 (nearai/inference-proxy): SHA-256 over both, the key's digest as bytes.
  slot.set(
    tls === null
      ? identity
      : createHash('sha256').update(identity).update(hex32Bytes(tls.spkiSha256)).digest(),
  )
  slot.set(hex32Bytes(nonce), 32)
  const { cpu, gpu } = await attestor.evidenceFor(slot, hex32Bytes(nonce), caller)
  const quote = toHex(cpu.quote)
  const report = {
    signing_address: algo === 'ecdsa' ? keys.address.address : toHex(keys.legacy.publicKey),
    signing_algo: algo,
    signing_public_key: algo === 'ecdsa' ? toHex(keys.address.point) : toHex(keys.legacy.publicKey),
    request_nonce: nonce,
    intel_quote: quote,
    quote,
    // A JSON text, not an object: clients of this family parse it a second time.
    nvidia_payload:
      gpu === null ? null : JSON.stringify({ nonce, evidence_list: gpu, arch: gpu[0]?.arch ?? '' }),
    info: infoObject(facts),
    event_log: withRuntimeDigests(cpu.eventLog),
    vm_config: cpu.vmConfig,
    ...(tls === null ? {} : { tls_cert_fingerprint: tls.spkiSha256 }),
  }
  return JSON.stringify({ ...report, all_attestations: [report] })
}
