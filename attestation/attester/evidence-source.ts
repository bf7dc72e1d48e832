/**
 * What the enclave asks of the machine it runs on. Real sources and simulated ones stand behind the same interfaces.
 *
 * @module
 */

/** One device's evidence, in the shape that NVIDIA's services and tools take. */
export interface GpuEvidence {
  /** `HOPPER`, … */
  readonly arch: string
  /** base64 of the PEM chain, leaf first. */
  readonly certificate: string
  /** base64 of the SPDM report. */
  readonly evidence: string
}

export interface CpuEvidence {
  readonly quote: Uint8Array
  /** JSON text, as the guest agent gave it. */
  readonly eventLog: string
  /** JSON text. */
  readonly vmConfig: string
}

/** Facts about the guest that do not change while it runs. */
export interface GuestFacts {
  readonly appId: string
  readonly instanceId: string
  /** The raw text whose SHA-256 is the compose hash. */
  readonly appCompose: string
  readonly keyProvider: { readonly name: string; readonly id: string } | null
  /** JSON text of the agent's `tcb_info`, with an event log whose runtime digests are filled in. */
  readonly tcbInfo: string
  /** The agent's whole `Info` answer as JSON text; the vllm-proxy door shows it. */
  readonly info: string
}

export interface CpuEvidenceSource {
  readonly facts: GuestFacts
  /**
   * One quote. Implementations refuse a quote whose report data is not what was asked for.
   * @param reportData 64 bytes
   */
  quote(reportData: Uint8Array): Promise<CpuEvidence>
}

export interface GpuEvidenceSource {
  /** Evidence of every device, all under one nonce. @param nonce 32 bytes */
  collect(nonce: Uint8Array): Promise<readonly GpuEvidence[]>
}
