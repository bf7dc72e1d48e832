/**
 * 0G's legacy quote: report data is the EIP-55 address as ASCII, zero-padded. It carries no nonce, so it proves that the
 * address was quoted once, not when.
 *
 * @module
 */
import type { GuestFacts } from '../../attestation/attester/evidence-source.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import type { BootKeys } from '../keys/boot-keys.ts'
import type { Attestor } from './attestor.ts'
import { withRuntimeDigests } from './vllm-proxy-report.ts'

/** The quote's JSON text, without anybody's nonce and so the same for all who ask within a while; `report_data` is base64 there, as the clients of this format read it. */
export async function zgQuote(
  attestor: Attestor,
  keys: BootKeys,
  facts: GuestFacts,
): Promise<string> {
  const slot = Buffer.alloc(64)
  slot.write(keys.address.address, 'ascii')
  const { cpu } = await attestor.cachedEvidenceFor(slot)
  return JSON.stringify({
    quote: toHex(cpu.quote),
    event_log: withRuntimeDigests(cpu.eventLog),
    report_data: slot.toString('base64'),
    vm_config: cpu.vmConfig,
    tcb_info: facts.tcbInfo,
  })
}
