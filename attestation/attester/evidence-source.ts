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

/** Who started the app in the confidential VM, and is asked for quotes. */
export type Platform = 'dstack' | 'tapp'

/** What a quote of TAPP is over. */
export interface TappBinding {
  /** As the app was started under. */
  readonly appId: string
  /** JSON as TAPP wrote it, byte for byte: the report data is its SHA-512. */
  readonly runtimeData: Uint8Array
  /** By the app's key, over what the quote was asked for: anybody can ask TAPP for a quote. */
  readonly signature: string
}

export interface CpuEvidence {
  readonly quote: Uint8Array
  /** As it was given: JSON text of dstack's guest agent, base64 of TAPP's binary log. */
  readonly eventLog: string
  /** JSON text. */
  readonly vmConfig: string
  /** Absent under dstack. */
  readonly tapp?: TappBinding
}

/** Facts about the guest that do not change while it runs. */
export interface GuestFacts {
  readonly platform: Platform
  readonly appId: string
  readonly instanceId: string
  /** The raw text that the compose hash is of. */
  readonly appCompose: string
  readonly keyProvider: { readonly name: string; readonly id: string } | null
  /** JSON text of the agent's `tcb_info`, with an event log whose runtime digests are filled in; empty under TAPP. */
  readonly tcbInfo: string
  /** The agent's whole `Info` answer as JSON text; the vllm-proxy door shows it. Empty under TAPP. */
  readonly info: string
}

export interface CpuEvidenceSource {
  readonly facts: GuestFacts
  /**
   * One quote. Implementations refuse one that is over anything else than what was asked for. Under TAPP that is the nonce
   * inside the text that the quote is over: a door whose format fixes the report data itself cannot be served there.
   * @param reportData 64 bytes
   */
  quote(reportData: Uint8Array): Promise<CpuEvidence>
}

export interface GpuEvidenceSource {
  /** Evidence of every device, all under one nonce. @param nonce 32 bytes */
  collect(nonce: Uint8Array): Promise<readonly GpuEvidence[]>
}
